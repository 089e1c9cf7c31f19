"""The Celery tasks of the request log."""

import logging
from datetime import time

from celery import shared_task

from generator.calls import purge
from kit import nights
from kit.threads import one_at_a_time

log = logging.getLogger(__name__)

AT = time(3, 53)  # UTC


@shared_task
@one_at_a_time
def purge_calls() -> None:
    """Delete old calls tonight, unless another worker has."""
    if not nights.claim("purge_calls", at=AT):
        return
    try:
        purge.old()
    except Exception:
        nights.give_back("purge_calls", at=AT)
        log.exception("Old API calls could not be deleted tonight, it is tried again")
