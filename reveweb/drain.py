"""How a web process ends without failing a request.

On SIGTERM `/readyz` answers 503 at once, and for `DRAIN_SECONDS` everything else goes on, so that a balancer has time
to hear of it. Then no new connection is taken, event streams end, and calls that are held get the image if it comes
within `ANSWER_SECONDS`, else 202 with its id. Where nobody has asked `/readyz` there is no balancer to wait for.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from generator import live
from generator.api import events
from generator.pages import stream
from kit.leash import leash
from reveweb.health import DRAINING
from reveweb.held import Send

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
KILL_SECONDS = 5.0  # what is left to an answer on its way to a slow reader
ASKED_LATELY_SECONDS = 60.0  # longer ago than any balancer leaves between two looks

_drain: dict[str, Any] = {"asked_at": float("-inf"), "task": None}


def seconds() -> float:
    """How long a process takes at most, from SIGTERM until it is gone."""
    accepting: float = settings.DRAIN_SECONDS
    return accepting + ANSWER_SECONDS + KILL_SECONDS if accepting else 1.0


def is_on() -> bool:
    """Whether this process is about to end."""
    return _drain["task"] is not None


def note_asked() -> None:
    """Note that somebody asks whether this process is ready: there is a balancer to be told when it no longer is."""
    _drain["asked_at"] = time.monotonic()


def begin() -> None:
    """End this process, step by step."""
    if not is_on():
        DRAINING.set()
        _drain["task"] = asyncio.get_running_loop().create_task(_end(), name="drain")


def watch() -> None:
    """Drain this process on SIGTERM, and let it end with the server's main process.

    The server's own handler stays with SIGINT: it stops taking connections and ends when those that are open have. Only
    in a process that the server started: in any other one neither signal is ours.
    """
    server = multiprocessing.parent_process()
    if server is None:
        return
    leash()
    if server.pid != os.getppid():  # it was killed while this process started
        os.kill(os.getpid(), signal.SIGKILL)
    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(signal.SIGTERM)
    # Not by the loop's own handlers: they read signals from a pipe that is full, and loses them, while a loop is busy.
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(begin))
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)


def closing(send: Send) -> Send:
    """Return `send` for an answer after which the connection closes."""

    async def closed(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return closed


async def _end() -> None:
    if time.monotonic() - _drain["asked_at"] < ASKED_LATELY_SECONDS:
        await asyncio.sleep(settings.DRAIN_SECONDS)
    # Once only, for a second signal has the server hang; and before the loop has thousands of streams to end, for it is
    # told by a handler of the loop's.
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    stream.close()
    events.close()
    await asyncio.sleep(ANSWER_SECONDS if settings.DRAIN_SECONDS else 0)
    live.answer_held()
