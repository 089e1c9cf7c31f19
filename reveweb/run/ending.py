"""How a worker ends on SIGTERM or SIGINT: with status 0, within WORKER_DRAIN_SECONDS, sooner when it is told twice.

It takes no more messages, and its engine and courier claim nothing more. What is not begun is back in the queue at
once; what others can go on with is let go within a few seconds; what is being sent is waited for. Celery's own
handlers wait for tasks without a limit, and on a second SIGINT from within the handler.
"""

import signal
from typing import Any

from celery import bootsteps
from celery.signals import worker_shutting_down
from celery.worker import state
from django.conf import settings

from kit import ending

STOPPED_SECONDS = 5.0  # for what is left when all that worked has ended: only threads that hang take longer


class Ending(bootsteps.StartStopStep):
    """Takes both signals."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")  # both may be forks

    def start(self, parent: Any) -> None:
        """Begin to listen."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self._end(parent, signal.Signals(number).name))

    def stop(self, parent: Any) -> None:
        """Nothing: the signals are ours to the end."""

    terminate = stop

    def _end(self, parent: Any, name: str) -> None:
        state.should_stop = 0  # type: ignore[assignment]  # None until then, and not said to be more
        worker_shutting_down.send(sender=parent.hostname, sig=name, how="Warm", exitcode=0)


@worker_shutting_down.connect
def _begin(**_: Any) -> None:
    ending.begin(settings.WORKER_DRAIN_SECONDS)


def leave() -> None:
    """Let the process go, whose work has ended: a signal that comes now changes nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    ending.within(STOPPED_SECONDS)
