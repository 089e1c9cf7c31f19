"""Celery tasks, thin. A lost, late or doubled message is harmless: rows say what is due."""

import logging
from time import monotonic

from celery import shared_task
from kombu.exceptions import OperationalError

from generator.jobs import lifecycle, worker
from generator.library import trash

log = logging.getLogger(__name__)

PURGE_SECONDS = 20
SLACK_SECONDS = 0.02  # a poll must not come a moment before its row is due


@shared_task
def submit(pk: int) -> None:
    """Send one queued generation to the upstream, if nobody else has."""
    generation = lifecycle.claim_submission(pk)
    if generation is None:
        return
    after = worker.send(generation)
    if after is not None:
        wake_poller(after + SLACK_SECONDS)


@shared_task
def poll_due() -> None:
    """Look at every drawing that is due, batch by batch."""
    while claimed := lifecycle.claim_due_polls(worker.POLL_BATCH):
        worker.poll(claimed)
        if len(claimed) < worker.POLL_BATCH:
            break


@shared_task
def sweep() -> None:
    """Send what was left behind, end what is stuck."""
    for pk in lifecycle.due_submissions(500):
        enqueue(pk)
    worker.sweep()


@shared_task
def purge_trash() -> None:
    """Remove for good what was thrown away and can't be taken back any more; as much as fits before the next beat."""
    until = monotonic() + PURGE_SECONDS
    while trash.purge_due() and monotonic() < until:
        pass


def enqueue(pk: int) -> None:
    """Tell a worker to send generation `pk`. With the broker away nothing is lost: the sweep finds the row."""
    try:
        submit.delay(pk)
    except (OperationalError, OSError) as error:
        log.warning("The broker is away, the sweep will find generation %s: %s", pk, error)


def wake_poller(after: float) -> None:
    """Have the due drawings looked at in `after` seconds, more exactly than the beat would."""
    try:
        poll_due.apply_async(countdown=after)
    except (OperationalError, OSError) as error:
        log.warning("The broker is away, the beat will poll: %s", error)
