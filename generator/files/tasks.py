"""The Celery task of this room."""

from celery import shared_task

from generator.files import leftovers


@shared_task
def compare_storage() -> None:
    """Compare storage with the rows, once a night."""
    leftovers.compare_nightly()
