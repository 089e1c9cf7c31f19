"""Tell a worker to look at something. Rows are the queue, so a broker that is away costs a moment and nothing else."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def tell_on_commit(task: str, argument: int | str) -> None:
    """Send the task of this name its one argument once the transaction is committed."""
    transaction.on_commit(lambda: tell(task, argument))


def tell(task: str, argument: int | str) -> None:
    """Send the task of this name its one argument; with the broker away the beat finds the row."""
    try:
        current_app.send_task(task, [argument], ignore_result=True)
    except (OperationalError, OSError) as error:
        log.warning("The broker is away, the beat will see to %s %s: %s", task, argument, error)
