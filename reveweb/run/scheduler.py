"""The scheduler: Celery's beat that keeps nothing on disk, says each second that it lives, and waits for nobody.

Any number of them may run. Ticks only say "look now", so one too many costs a glance at the rows, and what happens once
a night is claimed by whoever does it (`kit.nights`).
"""

import logging
import time
from typing import Any

import redis
from celery import beat, signals

from kit import pulse
from kit.broker import Line
from kit.leash import leash

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
MOST_WAITING = 100  # messages in a queue; beyond them nobody listens, and ticks would only pile up


class Scheduler(beat.Scheduler):
    """Sends the ticks of `beat_schedule`; one that cannot be sent now is dropped, for the next says the same."""

    max_interval = 1  # seconds
    producer: Any = None  # its own would try to connect until it can, and say nothing meanwhile

    def __init__(self, app: Any, lazy: bool = False, **named: Any) -> None:
        super().__init__(app, lazy=lazy, **named)
        self._heard_at = 0.0
        self._is_away = False
        self._line = Line(app)

    def tick(self, *args: Any, **named: Any) -> float:
        """Send what is due, and return the seconds until the next tick."""
        if time.monotonic() - self._heard_at >= PULSE_SECONDS:
            self._heard_at = time.monotonic()
            try:
                pulse.beat("scheduler")
            except redis.RedisError as error:
                log.debug("Not heard: %s", error)
        return min(float(super().tick(*args, **named)), PULSE_SECONDS)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send one tick, unless the broker is away or its queue is long already."""
        try:
            queue = self.app.amqp.router.route({}, entry.task)["queue"]
            if self._line.waiting(queue) < MOST_WAITING:
                self._line.send(entry.task, entry.args, entry.kwargs, **entry.options)
        except Exception as error:  # each broker has its own errors, and none may end the scheduler
            if not self._is_away:
                log.warning("The broker cannot be reached: %s", error)
            self._is_away = True
        else:
            if self._is_away:
                log.warning("The broker is back")
            self._is_away = False


@signals.beat_embedded_init.connect
def _end_with_the_worker(**_: Any) -> None:
    """A beat that outlived the worker it was embedded in (`-B`) would be one that nobody can stop."""
    leash()
