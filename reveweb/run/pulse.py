"""A Celery worker says every few seconds which of its queues it listens to."""

import logging
from typing import Any

import redis
from celery import bootsteps

from kit import pulse
from reveweb.run import watchdog
from reveweb.run.broker import short_names
from reveweb.version import VERSION

log = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
VERSION_OF = "version"  # what is said of a worker's release: "version:rest:1.2.3"
NAMES = {"money": "money", "rest": "rest"}  # what a worker is called that listens to a queue; drawing has its own


class Pulse(bootsteps.StartStopStep):
    """Beats from the loop that takes messages: one that hangs, or has lost the broker, is not heard."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Begin once the queues are listened to; again after each lost connection."""
        names = [name for queue, name in NAMES.items() if queue in short_names(consumer.app)]
        self.timer = consumer.timer.call_repeatedly(EVERY_SECONDS, _beat, (names,))
        watchdog.hear()
        _beat(names)

    def stop(self, consumer: Any) -> None:
        """Fall silent."""
        self.timer.cancel()


def _beat(names: list[str]) -> None:
    watchdog.hear()
    for name in (*names, *(f"{VERSION_OF}:{name}:{VERSION}" for name in names)):
        try:
            pulse.beat(name)
        except redis.RedisError as error:
            log.debug("%s was not heard: %s", name, error)
