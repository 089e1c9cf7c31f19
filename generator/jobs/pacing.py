"""How the engine's work is paced: a bell that wakes a pump, and writes that go to the database many at a time."""

import asyncio
import contextlib
import heapq
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from django.db import DatabaseError

from generator.models import Generation
from kit.threads import in_thread

log = logging.getLogger(__name__)

MOST_AT_ONCE = 400
SLACK_SECONDS = 0.01  # so that a bell never rings a moment before its row is due
PATIENCE = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between attempts to write, while the database is away

T = TypeVar("T")


class Bell:
    """Rings when it is told to, at the moments that were set, and after `silence` seconds without either."""

    def __init__(self, event: asyncio.Event, silence: float) -> None:
        self._event = event
        self._silence = silence
        self._moments: list[float] = []

    def __len__(self) -> int:
        """How many moments are set."""
        return len(self._moments)

    def ring(self) -> None:
        self._event.set()

    def ring_in(self, seconds: float) -> None:
        heapq.heappush(self._moments, asyncio.get_running_loop().time() + seconds + SLACK_SECONDS)

    async def heard(self) -> None:
        """Return at the next ring; all that has rung by then is one."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._silence
        if self._moments:
            until = min(until, self._moments[0])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._event.wait()
        self._event.clear()
        while self._moments and self._moments[0] <= clock():
            heapq.heappop(self._moments)


class Places:
    """So many at a time, in turns: whoever has fewest of the places is next, and of one account what is waited for.

    A backlog of one account therefore holds up nobody else for longer than one of its images takes.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._taken: Counter[int] = Counter()  # by account
        self._waiting: dict[int, tuple[_Queue, _Queue]] = {}  # by account: what is awaited, and the rest

    @contextlib.asynccontextmanager
    async def place_for(self, generation: Generation) -> AsyncIterator[None]:
        """Wait for a place, and have it."""
        if self._free:
            self._take(generation.wallet_id)
        else:
            await self._turn_of(generation)
        try:
            yield
        finally:
            self._give_back(generation.wallet_id)

    async def _turn_of(self, generation: Generation) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queues = self._waiting.setdefault(generation.wallet_id, (deque(), deque()))
        queues[0 if generation.is_awaited else 1].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came in this moment
                self._give_back(generation.wallet_id)
            raise

    def _take(self, wallet_id: int) -> None:
        self._free -= 1
        self._taken[wallet_id] += 1

    def _give_back(self, wallet_id: int) -> None:
        self._free += 1
        self._taken[wallet_id] -= 1
        if not self._taken[wallet_id]:
            del self._taken[wallet_id]
        while self._waiting and self._free:
            chosen = min(self._waiting, key=lambda wallet: (self._taken[wallet], not self._waiting[wallet][0]))
            awaited, others = self._waiting[chosen]
            turn = (awaited or others).popleft()
            if not awaited and not others:
                del self._waiting[chosen]
            if not turn.done():  # whoever gave up has cancelled it
                self._take(chosen)
                turn.set_result(None)


_Queue = deque[asyncio.Future[None]]


class OfGeneration(Protocol):
    """What is to be written of a generation."""

    @property
    def generation(self) -> Generation: ...


W = TypeVar("W", bound=OfGeneration)


class Batch(Generic[W]):
    """Writes of one kind: what comes while one transaction is under way is written together in the next.

    `write` returns the keys of the generations that it changed.
    """

    def __init__(self, write: Callable[[Sequence[W]], set[int]]) -> None:
        self._write = write
        self._waiting: list[tuple[W, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: W) -> bool:
        """Have `item` written; return whether that changed its row."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await done

    async def _write_all(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                items = [item for item, _ in some]
                changed = await persistently(lambda items=items: self._write(items))  # type: ignore[misc]  # mypy infers no such default
            except Exception as error:
                for _, done in some:
                    if not done.done():
                        done.set_exception(error)
            else:
                for item, done in some:
                    if not done.done():
                        done.set_result(item.generation.pk in changed)
        self._writer = None


async def persistently(write: Callable[[], T]) -> T:
    """Return what `write` returns, tried again for a while when the database is away: the upstream's answer is here."""
    for pause in PATIENCE:
        try:
            return await in_thread(write)
        except DatabaseError as error:
            log.warning("The database did not take an answer, once more in %s s: %s", pause, error)
            await asyncio.sleep(pause)
    return await in_thread(write)
