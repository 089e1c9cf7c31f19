"""Thin Celery tasks. A lost, late or duplicated message is harmless: rows say what is due."""

from time import monotonic

from celery import shared_task

from generator.jobs import lifecycle, tell, worker
from generator.library import trash

PURGE_SECONDS = 20
SLACK_SECONDS = 0.02  # a poll must not come a moment before its row is due


@shared_task
def submit(pk: int) -> None:
    """Send one queued generation to the upstream, unless another worker has."""
    generation = lifecycle.claim_submission(pk)
    if generation is None:
        return
    after = worker.send(generation)
    if after is not None:
        tell.wake_poller(after + SLACK_SECONDS)


@shared_task
def poll_due() -> None:
    """Poll every drawing that is due, batch by batch."""
    while claimed := lifecycle.claim_due_polls(worker.POLL_BATCH):
        worker.poll(claimed)
        if len(claimed) < worker.POLL_BATCH:
            break


@shared_task
def sweep() -> None:
    """Send queued generations that were left behind, end those that are stuck."""
    for pk in lifecycle.due_submissions(500):
        tell.enqueue(pk)
    worker.sweep()


@shared_task
def purge_trash() -> None:
    """Remove for good what was trashed and can no longer be restored, as much as fits before the next beat."""
    until = monotonic() + PURGE_SECONDS
    while trash.purge_due() and monotonic() < until:
        pass
