"""A worker whose loop is silent ends, so that its supervisor starts it again.

The loop takes messages, and says every two seconds that it is there; while the broker is away, with every try to reach
it. Should it hang in a call that never returns, nobody else would notice: the process lives, and takes nothing.
"""

import faulthandler
import logging
import os
import threading
import time
from typing import Any

from celery import bootsteps
from celery.signals import worker_shutting_down

from generator.jobs import engine

log = logging.getLogger(__name__)

# Longer than any one call of the loop may take: Redis, which may keep it waiting for 30 seconds, and twice RabbitMQ.
SILENT_SECONDS = 45.0
LOOK_SECONDS = 1.0

_heard = {"at": 0.0}
_ends = threading.Event()


def hear() -> None:
    """Note that the loop is there."""
    _heard["at"] = time.monotonic()


class Watchdog(bootsteps.StartStopStep):
    """Watches for as long as the worker is not told to end: then it may wait for what it has in hand."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")  # both may be forks

    def start(self, parent: Any) -> None:
        """Begin to watch, on a thread of its own."""
        hear()
        threading.Thread(target=_watch, name="watchdog", daemon=True).start()


def _watch() -> None:
    while not _ends.wait(LOOK_SECONDS):
        if time.monotonic() - _heard["at"] > SILENT_SECONDS:
            log.critical("Nothing was heard of what takes messages for %s seconds: this process ends", SILENT_SECONDS)
            faulthandler.dump_traceback()
            engine.stop()  # what is in hand ends, as far as it can
            os._exit(1)


@worker_shutting_down.connect
def _end(**_: Any) -> None:
    _ends.set()
