"""What belongs to an event loop, such as its connections: one for each loop, closed when the loop ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes a thing for each running event loop that asks for it.

    `close` is called on the same loop while that shuts down, as `asyncio.run` has it: it cancels every task that is
    left, and so the one that keeps the thing.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._kept: dict[asyncio.AbstractEventLoop, tuple[T, asyncio.Task[None]]] = {}

    def get(self) -> T:
        """Return the running loop's own."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        if kept is None or kept[1].done():
            for other in [other for other in self._kept if other.is_closed()]:  # ended without a word to its tasks
                del self._kept[other]
            made = self._make()
            kept = self._kept[loop] = made, loop.create_task(self._keep(loop, made), name="kept-for-the-loop")
        return kept[0]

    def all(self) -> list[T]:
        """Return those of all loops; any thread may ask."""
        return [thing for thing, _ in list(self._kept.values())]

    async def _keep(self, loop: asyncio.AbstractEventLoop, made: T) -> None:
        try:
            await loop.create_future()
        finally:
            self._kept.pop(loop, None)
            await self._close(made)


class Shares:
    """So many places for each account, or whatever a number names; its others wait where nobody else does.

    They are an event loop's own, and kept no longer than somebody waits or is inside.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._kept: PerLoop[WeakValueDictionary[int, asyncio.Semaphore]] = PerLoop(WeakValueDictionary, _closed)

    @contextlib.asynccontextmanager
    async def place(self, of: int) -> AsyncIterator[None]:
        """Wait for one of the places of `of`, and hold it while inside."""
        kept = self._kept.get()
        own = kept.get(of)
        if own is None:
            own = kept[of] = asyncio.Semaphore(self._places)
        async with own:
            yield


async def _closed(kept: object) -> None:
    """Nothing is to be closed."""
