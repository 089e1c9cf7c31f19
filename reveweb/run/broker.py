"""Celery's connection to the broker, which is tried again every second or two while the broker is away."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from celery.app.amqp import AMQP, Queues
from celery.signals import beat_init, celeryd_init
from django.conf import settings
from kombu import Connection, Exchange, Queue

from kit import site
from reveweb.run import watchdog

PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 2  # between two tries; Celery's own grow to half a minute


class PatientConnection(Connection):
    """A connection that is back soon after the broker is, and says meanwhile that somebody is at it."""

    def _ensure_connection(  # type: ignore[override]  # whoever calls it names what comes after the first two
        self, errback: Any = None, max_retries: int | None = None, **options: Any
    ) -> Any:
        options |= {
            "interval_start": PAUSE_SECONDS,
            "interval_step": PAUSE_SECONDS,
            "interval_max": LONGEST_PAUSE_SECONDS,
            "callback": _heard(options.get("callback")),
        }
        return super()._ensure_connection(errback, max_retries, **options)


class Amqp(AMQP):
    """What Celery makes its connections and queues from, whatever the broker is."""

    Connection = PatientConnection

    @cached_property
    def queues(self) -> Queues:
        """The installation's own queues, which `--queues` and routes call by their short names. Raises NameUnknown.

        Each has a key of its own: under Celery's default they would share one, and each message would go to all.
        """
        own = site.name()
        exchange = Exchange(f"reveweb.{own}")
        return self.Queues(
            [Queue(f"reveweb.{own}.{name}", exchange, routing_key=name, alias=name) for name in settings.QUEUES]
        )


def short_names(app: Any) -> set[str]:
    """Return what the queues that this process takes messages from are called here."""
    return {queue.routing_key for queue in app.amqp.queues.consume_from.values()}


@celeryd_init.connect
def _take_name(instance: Any, **_: Any) -> None:
    """Before a worker knows its queues: theirs, and what it took and has not done yet, are this installation's own."""
    own = f"reveweb.{site.wait()}"
    instance.app.conf.event_exchange = f"{own}.events"
    if instance.app.conf.broker_read_url.startswith("redis"):
        kept = {key: f"{own}.{key}" for key in ("unacked_key", "unacked_index_key", "unacked_mutex_key")}
        instance.app.conf.broker_transport_options = {**instance.app.conf.broker_transport_options, **kept}


@beat_init.connect
def _wait_for_name(**_: Any) -> None:
    site.wait()


def _heard(callback: Callable[[], object] | None) -> Callable[[], None]:
    def called() -> None:
        watchdog.hear()
        if callback is not None:
            callback()

    return called
