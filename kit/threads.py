"""Blocking work beside an event loop, and an event loop beside blocking work."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from functools import cached_property, lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")


class Pool(Enum):
    """Threads for one kind of work each, so that what stalls in one holds up nothing else."""

    DATABASE = auto()  # never more threads than there are connections for
    WATCH = auto()  # looks for what is waited for: they must not stand in line behind all that was asked for
    FILES = auto()  # files on this machine
    STORAGE = auto()  # where images are kept, which may hang (`kit.storage.in_time`)
    PROCESSOR = auto()  # what computes

    @cached_property
    def executor(self) -> ThreadPoolExecutor:
        """The pool's threads, started as they are needed."""
        size = getattr(settings, _SIZES[self.name])
        return ThreadPoolExecutor(size, thread_name_prefix=self.name.lower())


_SIZES = {
    "DATABASE": "DATABASE_THREADS",
    "WATCH": "WATCH_THREADS",
    "FILES": "FILE_THREADS",
    "STORAGE": "STORAGE_THREADS",
    "PROCESSOR": "PROCESSOR_THREADS",
}


async def in_thread(work: Callable[[], T], pool: Pool = Pool.DATABASE) -> T:
    """Run blocking `work` on the threads of `pool` and return what it returns.

    Unlike `sync_to_async` no thread stays bound to the caller: one that waits for minutes holds neither a thread nor a
    database connection meanwhile. Only work for `Pool.DATABASE` and `Pool.WATCH` may touch the
    database.
    """

    def run() -> T:
        try:
            return work()
        finally:
            _release_connection()

    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(pool.executor, context.run, run)


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the process's background event loop and return what it returns.

    All threads share the loop, so that thousands of upstream jobs use one pooled client.
    """
    return asyncio.run_coroutine_threadsafe(work, _background_loop()).result()


def let_go() -> None:
    """Give this thread's database connection back before it waits for anything that is not the database.

    Raises RuntimeError inside a transaction: nothing may be waited for there.
    """
    if not connection.in_atomic_block:
        _release_connection()
    elif not all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("A transaction is open: nothing but the database may be waited for.")


def one_at_a_time(work: Callable[P, None]) -> Callable[P, None]:
    """Let nobody begin `work` while a thread of this process is at it: whoever would, returns at once.

    For what a clock asks for: when it takes longer than from tick to tick, it must not take one thread after the other.
    """
    busy = threading.Lock()

    @wraps(work)
    def alone(*arguments: P.args, **named: P.kwargs) -> None:
        if busy.acquire(blocking=False):
            try:
                work(*arguments, **named)
            finally:
                busy.release()

    return alone


def _release_connection() -> None:
    """Give a PostgreSQL connection back to its pool; keep a healthy SQLite one: opening it costs more than a query."""
    if connection.vendor != "sqlite" or connection.errors_occurred:
        close_old_connections()
    elif not (connection.autocommit or connection.in_atomic_block):  # something went wrong as a transaction ended
        connection.close()


@lru_cache(maxsize=1)
def _background_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    # A daemon: the loop never ends, and must not keep a process alive that wants to.
    threading.Thread(target=loop.run_forever, name="upstream-loop", daemon=True).start()
    return loop
