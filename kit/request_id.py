"""The id of the request that is being served: in its answer, in all that it logs, and with the tasks it tells of.

A context variable, so that it follows the request into threads (`kit.threads`, asgiref) and tasks of the event loop.
"""

import logging
import secrets
from contextvars import ContextVar

current: ContextVar[str] = ContextVar("request_id", default="")


def begin() -> str:
    """Give the request that is now served its id, never one that the caller chose, and return it."""
    current.set(f"req_{secrets.token_hex(12)}")
    return current.get()


class LogFilter(logging.Filter):
    """Tells each log line which request it was written for; `-` for none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current.get() or "-"
        return True
