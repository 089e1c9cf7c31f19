"""Tell a worker that a generation is to be sent or polled, without importing the worker."""

from kit import broker

SUBMIT = "generator.jobs.tasks.submit"
POLL_DUE = "generator.jobs.tasks.poll_due"


def enqueue(pk: int) -> None:
    """Tell a worker to send generation `pk`. Without a broker nothing is lost: the sweep finds the row."""
    broker.tell(SUBMIT, pk)


def wake_poller(after: float) -> None:
    """Have due drawings polled in `after` seconds, sooner than the beat would."""
    broker.tell(POLL_DUE, after=after)
