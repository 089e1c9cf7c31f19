"""What this installation is called in what it may share with others: Redis, and the broker.

The name is stored with its rows, so that neither a new secret nor another address of the database changes it, and a
copy that runs beside its original has another. `kit` knows no rows: `billing` says how the name is read. It is read
once in the life of a process, when it is first needed, on a thread of its own: never inside anybody's transaction, and
never on an event loop. `REDIS_NAMESPACE` overrides it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import redis
from django.conf import settings
from django.db import connections

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0


class NameUnknown(redis.ConnectionError):
    """The name cannot be read now, so what is this installation's in Redis cannot be found: as if Redis were away."""


_lock = threading.Lock()
_read: list[Callable[[], str]] = []
_names: list[str] = []


def provide(read: Callable[[], str]) -> None:
    """Say how the name is read: `read` asks the database, on a thread without a transaction."""
    _read[:] = [read]


def name() -> str:
    """Return the name. Raises NameUnknown while the database is away or has no tables yet."""
    if known := _known():
        return known
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _look()
    raise NameUnknown("An event loop asks `soon` first.")


async def soon() -> str:
    """Return the name, for a caller on an event loop. Raises NameUnknown."""
    return _known() or await asyncio.to_thread(_look)


def wait() -> str:
    """Return the name as soon as the database has it: for a process that is of no use without."""
    told = False
    while True:
        try:
            return name()
        except NameUnknown as error:
            if not told:
                log.warning("Waiting for the database: %s", error)
            told = True
            time.sleep(PAUSE_SECONDS)


def forget() -> None:
    """Read the name anew."""
    _names.clear()


def _known() -> str:
    return str(settings.REDIS_NAMESPACE) or (_names[0] if _names else "")


def _look() -> str:
    with _lock:
        if not _known():
            found: Future[str] = Future()
            threading.Thread(target=_ask, args=(found,), name="site", daemon=True).start()
            _names[:] = [found.result()]
        return _known()


def _ask(found: "Future[str]") -> None:
    try:
        try:
            found.set_result(_read[0]())
        finally:
            connections.close_all()
    except Exception as error:  # the database is away, or was not migrated yet
        if not found.done():
            unknown = NameUnknown(f"this installation's name cannot be read: {error}")
            unknown.__cause__ = error
            found.set_exception(unknown)
