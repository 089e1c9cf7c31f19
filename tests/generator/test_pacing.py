"""Places that are few are given in turns."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from generator.jobs.pacing import Places
from generator.models import Generation

ONE, OTHER = 1, 2  # accounts


def image(wallet_id: int, *, is_awaited: bool = False) -> Generation:
    return Generation(wallet_id=wallet_id, is_awaited=is_awaited)


class Order:
    """In which order images had their place, each for a moment once all have come."""

    def __init__(self, places: int) -> None:
        self.places = Places(places)
        self.names: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.all_have_come = asyncio.Event()

    async def come(self, **images: Generation) -> None:
        for name, generation in images.items():
            self.tasks[name] = asyncio.create_task(self._stay(name, generation))
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.all_have_come.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _stay(self, name: str, generation: Generation) -> None:
        async with self.places.place_for(generation):
            self.names.append(name)
            await self.all_have_come.wait()
            await asyncio.sleep(0)


def order_of(story: Coroutine[Any, Any, list[str]]) -> list[str]:
    return asyncio.run(asyncio.wait_for(story, 5))


@asynccontextmanager
async def order(places: int) -> AsyncIterator[Order]:
    made = Order(places)
    yield made
    await made.end()


def test_whoever_comes_late_is_not_behind_a_backlog() -> None:
    async def story() -> list[str]:
        async with order(2) as made:
            await made.come(**{f"one-{number}": image(ONE) for number in range(50)})
            await made.come(late=image(OTHER))
        return made.names

    names = order_of(story())
    assert len(names) == 51
    assert names.index("late") == 2


def test_of_one_account_goes_first_what_is_waited_for() -> None:
    async def story() -> list[str]:
        async with order(1) as made:
            await made.come(a=image(ONE), b=image(ONE), c=image(ONE, is_awaited=True))
        return made.names

    assert order_of(story()) == ["a", "c", "b"]


def test_whoever_gives_up_takes_no_place_with_them() -> None:
    async def story() -> list[str]:
        async with order(1) as made:
            await made.come(a=image(ONE), b=image(ONE), c=image(OTHER), d=image(ONE))
            made.tasks["b"].cancel()
            made.tasks["a"].cancel()  # which has the place
            await asyncio.sleep(0)
            made.tasks["c"].cancel()  # whose turn may just have come
        return made.names

    assert order_of(story()) == ["a", "d"]
