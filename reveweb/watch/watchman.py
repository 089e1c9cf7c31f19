"""A thread of every worker that looks for what alarms, every few seconds, whether or not a scheduler runs."""

import logging
import threading
from typing import Any

from celery import bootsteps
from celery.signals import worker_shutting_down
from django.db import close_old_connections

from kit.threads import let_go
from reveweb.watch import alerts

log = logging.getLogger(__name__)

EVERY_SECONDS = 15.0

_ends = threading.Event()


class Watchman(bootsteps.StartStopStep):
    """Looks until the worker is told to end."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")  # both may be forks

    def start(self, parent: Any) -> None:
        """Begin, on a thread of its own."""
        threading.Thread(target=watch, name="watchman", daemon=True).start()


def watch() -> None:
    """Look now and then, for as long as this process is not told to end."""
    while not _ends.wait(EVERY_SECONDS):
        once()


def once() -> None:
    """Look once; whatever goes wrong is tried again."""
    try:
        alerts.look()
        alerts.send_due()
    except Exception as error:  # the database is away, which nobody could write down
        log.warning("What alarms could not be looked at: %r", error)
    finally:
        let_go()
        close_old_connections()


@worker_shutting_down.connect
def _end(**_: Any) -> None:
    _ends.set()
