"""Celery's connection to the broker, which is tried again every second or two while the broker is away."""

from collections.abc import Callable
from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

from reveweb.run import watchdog

PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 2  # between two tries; Celery's own grow to half a minute


class PatientConnection(Connection):
    """A connection that is back soon after the broker is, and says meanwhile that somebody is at it."""

    def _ensure_connection(self, errback: Any = None, max_retries: int | None = None, **options: Any) -> Any:
        options |= {
            "interval_start": PAUSE_SECONDS,
            "interval_step": PAUSE_SECONDS,
            "interval_max": LONGEST_PAUSE_SECONDS,
            "callback": _heard(options.get("callback")),
        }
        return super()._ensure_connection(errback, max_retries, **options)


class Amqp(AMQP):
    """What Celery makes its connections from, whatever the broker is."""

    Connection = PatientConnection


def _heard(callback: Callable[[], object] | None) -> Callable[[], None]:
    def called() -> None:
        watchdog.hear()
        if callback is not None:
            callback()

    return called
