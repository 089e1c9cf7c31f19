"""Database and image work beside an event loop."""

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread
from django.db import close_old_connections

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking `work` on a shared pool of threads and return what it returns.

    Unlike `sync_to_async` no thread stays bound to the caller: one that waits for minutes holds neither a thread nor a
    database connection meanwhile.
    """

    def run() -> T:
        try:
            return work()
        finally:
            close_old_connections()

    return await anyio.to_thread.run_sync(run)
