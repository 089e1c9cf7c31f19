"""Thin Celery tasks. A lost, late or duplicated message is harmless: rows say what is due."""

import logging
import threading
from datetime import time
from time import monotonic
from typing import Any

from celery import bootsteps, shared_task
from celery.signals import worker_init, worker_shutting_down

from generator.files import uploads
from generator.jobs import engine
from generator.jobs import sweep as sweeping
from generator.jobs import thumbnails as making
from generator.library import trash
from kit import ending, nights
from kit.threads import one_at_a_time

PURGE_SECONDS = 20
THUMBNAIL_SECONDS = 20
SAMPLES_AT = time(3, 53)  # UTC
log = logging.getLogger(__name__)
_makes = threading.Lock()


@shared_task
def submit(*_: Any) -> None:
    """Have what is due sent to the upstream. (Messages of earlier versions name one generation.)"""
    engine.send_now()


@shared_task
def look() -> None:
    """Have every drawing that is due looked at."""
    engine.look_now()


@shared_task
def sweep() -> None:
    """End generations that are stuck. (The engine does it by itself; this is for whoever wants it now.)"""
    sweeping.fail_stuck()


@shared_task
def thumbnails() -> None:
    """Make the thumbnails that are missing, as many as fit in a while; one message at a time does so."""
    if not _makes.acquire(blocking=False):
        return
    try:
        until = monotonic() + THUMBNAIL_SECONDS
        while making.make_due() and _goes_on(until):
            pass
    finally:
        _makes.release()


@shared_task
def purge_trash() -> None:
    """Remove for good what was trashed and can no longer be restored, as much as fits before the next beat."""
    until = monotonic() + PURGE_SECONDS
    while sweeping.delete_files_of_failures() and _goes_on(until):
        pass
    while trash.purge_due() and _goes_on(until):
        pass
    while uploads.purge_due() and _goes_on(until):
        pass


def _goes_on(until: float) -> bool:
    return monotonic() < until and not ending.has_begun()


@shared_task
@one_at_a_time
def forget_samples() -> None:
    """Throw old samples of test keys away tonight, unless another worker has; their files go with the trash."""
    if not nights.claim("forget_samples", at=SAMPLES_AT):
        return
    try:
        trash.discard_old_samples()
    except Exception:
        nights.give_back("forget_samples", at=SAMPLES_AT)
        log.exception("Old samples could not be thrown away tonight, it is tried again")


# --- The engine runs in the worker that is sent what is to be drawn ----------------------------------------------


class EngineStep(bootsteps.StartStopStep):
    """Starts after the pool and the beat, which may be forks of this process, and before it waits for a broker."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")

    def start(self, parent: Any) -> None:
        engine.start()

    def stop(self, parent: Any) -> None:
        engine.stop()

    terminate = stop


@worker_init.connect
def add_engine(sender: Any, **_: Any) -> None:
    """Run the engine here if this worker takes messages of the queue `submit`."""
    if any(queue.routing_key == "submit" for queue in sender.app.amqp.queues.consume_from.values()):
        engine.runs_in_parent = True
        sender.app.steps["worker"].add(EngineStep)


@worker_shutting_down.connect
def close_engine(**_: Any) -> None:
    """Claim nothing more as soon as the process is told to end."""
    engine.close()
