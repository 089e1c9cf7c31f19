"""The Celery task of this room."""

import logging
from datetime import time

from celery import shared_task

from generator.files import leftovers
from kit import nights
from kit.threads import one_at_a_time

log = logging.getLogger(__name__)

AT = time(4, 29)  # UTC


@shared_task
@one_at_a_time
def compare_storage() -> None:
    """Compare storage with the rows tonight, unless another worker has."""
    if not nights.claim("compare_storage", at=AT):
        return
    try:
        leftovers.compare_nightly()
    except Exception:
        nights.give_back("compare_storage", at=AT)
        log.exception("Storage could not be compared tonight, it is tried again")
