"""Send tasks to the workers. Rows are the queue, so a broker that cannot be reached costs a moment and nothing else.

Tasks are sent by name: a web process need not import what a worker works with.
"""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from kit import request_id

log = logging.getLogger(__name__)


def tell_on_commit(task: str, argument: int | str) -> None:
    """Send the task of this name its one argument once the transaction is committed."""
    transaction.on_commit(lambda: tell(task, argument))


def tell(task: str, *arguments: int | str, after: float | None = None) -> None:
    """Send a task its arguments, to be done in `after` seconds. Without a broker the beat finds the row."""
    try:
        headers = {"request_id": request_id.current.get()}
        current_app.send_task(task, arguments, countdown=after, ignore_result=True, headers=headers)
    except (OperationalError, OSError) as error:
        log.warning("The broker cannot be reached, the beat will run %s %s: %s", task, arguments, error)
