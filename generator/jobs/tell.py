"""Tell the workers that a generation is to be sent, without importing them."""

from kit import wakeups


def enqueue(pk: int) -> None:
    """Wake the workers. A message that is lost costs a second: they look by themselves as well."""
    wakeups.publish(wakeups.WORK)
