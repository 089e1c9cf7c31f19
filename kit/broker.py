"""Send tasks to the workers. Rows are the queue, so a broker that cannot be reached costs a moment and nothing else.

Tasks are sent by name: a web process need not import what a worker works with. They are sent aside, so that a broker
that stalls costs whoever tells of one nothing.
"""

import logging
from dataclasses import dataclass

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from kit import request_id
from kit.aside import Aside

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """A task that is to be run with `arguments` in `after` seconds, and the request that told of it."""

    task: str
    arguments: tuple[int | str, ...]
    after: float | None
    request_id: str


def tell_on_commit(task: str, argument: int | str) -> None:
    """Send the task of this name its one argument once the transaction is committed."""
    transaction.on_commit(lambda: tell(task, argument))


def tell(task: str, *arguments: int | str, after: float | None = None) -> None:
    """Send a task its arguments, to be done in `after` seconds. Without a broker the scheduler finds the row."""
    _aside.put(Message(task, arguments, after, request_id.current.get()))


def flush(seconds: float = 1.0) -> bool:
    """Return once all is sent that was told before, or False after `seconds`."""
    return _aside.flush(seconds)


def _send(batch: list[Message]) -> None:
    for message in dict.fromkeys(batch):
        headers = {"request_id": message.request_id}
        try:
            current_app.send_task(
                message.task, message.arguments, countdown=message.after, ignore_result=True, headers=headers
            )
        except (OperationalError, OSError) as error:
            log.warning(
                "The broker cannot be reached, the scheduler will run %s %s: %s", message.task, message.arguments, error
            )


_aside: Aside[Message] = Aside("broker", _send, most=1_000)
