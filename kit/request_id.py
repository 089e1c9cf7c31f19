"""The id of the request that is being served: in its answer, in all that it logs, and with the tasks it tells of.

A context variable, so that it follows the request into threads (`kit.threads`, asgiref) and tasks of the event loop.
An image that it asks for keeps it, so that what a worker logs of that names the same request, and beside it the image.
"""

import logging
import secrets
from contextvars import ContextVar

current: ContextVar[str] = ContextVar("request_id", default="")
subject: ContextVar[str] = ContextVar("generation_id", default="")  # the image that is being worked on


def begin() -> str:
    """Give the request that is now served its id, never one that the caller chose, and return it."""
    current.set(f"req_{secrets.token_hex(12)}")
    return current.get()


def of_now() -> str:
    """Return the id of the request that is being served, "" for none: what rows that it makes are to keep."""
    return current.get()


def work_on(generation: str, *, asked_by: str) -> None:
    """Have what this context logs from now on name an image, and the request that asked for it."""
    subject.set(generation)
    current.set(asked_by)


class LogFilter(logging.Filter):
    """Tells each log line which request it was written for, and of which image; `-` for none."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = current.get() or "-"
        if not hasattr(record, "generation_id"):
            record.generation_id = subject.get() or "-"
        return True
