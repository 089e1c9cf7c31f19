"""Questions that come together are answered together, and nobody spoils it for others."""

import asyncio
import threading

import pytest

from kit.batch import Batch
from kit.threads import Pool


class Desk:
    """Answers with the number doubled, and knows what it was asked at once; it can be held up."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.batch: Batch[int, int] = Batch(self.answer, Pool.PROCESSOR)

    def answer(self, numbers: list[int]) -> dict[int, int]:
        self.asked.append(numbers)
        assert self.open.wait(60)
        if -1 in numbers:
            raise ValueError("no number")
        return {number: 2 * number for number in numbers if number < 100}


def test_what_comes_in_one_moment_is_asked_once() -> None:
    desk = Desk()

    async def ask() -> list[int | None]:
        return await asyncio.gather(*(desk.batch.ask(number) for number in [1, 2, 3, 2, 100]))

    assert asyncio.run(ask()) == [2, 4, 6, 4, None]
    assert desk.asked == [[1, 2, 3, 100]]


def test_what_comes_during_one_call_waits_for_the_next() -> None:
    desk = Desk()

    async def ask() -> None:
        desk.open.clear()
        first = asyncio.create_task(desk.batch.ask(1))
        while not desk.asked:
            await asyncio.sleep(0.001)
        later = [asyncio.create_task(desk.batch.ask(number)) for number in (1, 2, 3)]
        await asyncio.sleep(0.01)
        desk.open.set()
        assert await asyncio.gather(first, *later) == [2, 2, 4, 6]

    asyncio.run(ask())
    assert desk.asked == [[1], [1, 2, 3]]


def test_an_error_comes_to_those_who_asked_then_and_to_nobody_after() -> None:
    desk = Desk()

    async def ask() -> None:
        found = await asyncio.gather(desk.batch.ask(1), desk.batch.ask(-1), return_exceptions=True)
        assert [type(one) for one in found] == [ValueError, ValueError]
        assert await desk.batch.ask(1) == 2

    asyncio.run(ask())


def test_who_hangs_up_takes_nothing_from_others() -> None:
    desk = Desk()

    async def ask() -> None:
        desk.open.clear()
        one, other = (asyncio.create_task(desk.batch.ask(1)) for _ in range(2))
        await asyncio.sleep(0.01)
        one.cancel()
        desk.open.set()
        assert await other == 2
        with pytest.raises(asyncio.CancelledError):
            await one

    asyncio.run(ask())
