"""Tell a worker that a generation wants to be sent or polled, without importing what it works with."""

from kit import broker

SUBMIT = "generator.jobs.tasks.submit"
POLL_DUE = "generator.jobs.tasks.poll_due"


def enqueue(pk: int) -> None:
    """Tell a worker to send generation `pk`. With the broker away nothing is lost: the sweep finds the row."""
    broker.tell(SUBMIT, pk)


def wake_poller(after: float) -> None:
    """Have the due drawings polled in `after` seconds, more exactly than the beat would."""
    broker.tell(POLL_DUE, after=after)
