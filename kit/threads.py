"""Blocking work beside an event loop, and an event loop beside blocking work."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

from django.db import close_old_connections, connection

T = TypeVar("T")

POOL_SIZE = 16

_pool = ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="database")


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking `work` on a shared pool of threads and return what it returns.

    Unlike `sync_to_async` no thread stays bound to the caller: one that waits for minutes holds neither a thread nor a
    database connection meanwhile.
    """

    def run() -> T:
        try:
            return work()
        finally:
            _release_connection()

    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_pool, context.run, run)


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the process's background event loop and return what it returns.

    All threads share the loop, so that thousands of upstream jobs use one pooled client.
    """
    return asyncio.run_coroutine_threadsafe(work, _background_loop()).result()


def _release_connection() -> None:
    """Give a PostgreSQL connection back to its pool; keep a healthy SQLite one: opening it costs more than a query."""
    if connection.vendor != "sqlite" or connection.errors_occurred:
        close_old_connections()


@lru_cache(maxsize=1)
def _background_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    # A daemon: the loop never ends, and must not keep a process alive that wants to.
    threading.Thread(target=loop.run_forever, name="upstream-loop", daemon=True).start()
    return loop
