"""Thin Celery tasks. A lost or duplicated message is harmless: the night's row says what is due."""

from celery import shared_task

from kit.threads import one_at_a_time
from reveweb.backup import nights


@shared_task
@one_at_a_time
def begin_nightly() -> None:
    """Have tonight's backup made, unless it was, or is being made."""
    nights.begin()
