"""Thin Celery tasks. A lost or duplicated message is harmless: days that are not kept are counted by the next."""

from datetime import time

from celery import shared_task

from kit import nights
from kit.threads import one_at_a_time
from reveweb.books import days

AT = time(4, 11)  # UTC


@shared_task
@one_at_a_time
def keep_days() -> None:
    """Count every day that is over and not kept."""
    days.keep()
    days.keep_margins()


@shared_task
@one_at_a_time
def nightly() -> None:
    """Count the days that are over, and the latest ones again, once a night."""
    if nights.claim("books", at=AT):
        days.keep()
        days.keep_again()
        days.keep_margins()
