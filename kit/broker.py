"""Tell a worker to look at something. Rows are the queue, so a broker that is away costs a moment and nothing else.

Tasks are told by name: a web process need not import what a worker works with.
"""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def tell_on_commit(task: str, argument: int | str) -> None:
    """Send the task of this name its one argument once the transaction is committed."""
    transaction.on_commit(lambda: tell(task, argument))


def tell(task: str, *arguments: int | str, after: float | None = None) -> None:
    """Send a task its arguments, to be done in `after` seconds. With the broker away the beat finds the row."""
    try:
        current_app.send_task(task, arguments, countdown=after, ignore_result=True)
    except (OperationalError, OSError) as error:
        log.warning("The broker is away, the beat will see to %s %s: %s", task, arguments, error)
