"""The Celery tasks of this room, and what a worker does about storage that several machines share."""

import logging
from datetime import time
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown

from generator.files import leftovers, shared_mark, uploads
from kit import nights
from kit.threads import one_at_a_time

log = logging.getLogger(__name__)

AT = time(4, 29)  # UTC
UPLOADS_AT = time(3, 41)


@worker_ready.connect
def keep_mark(sender: Any, **_: Any) -> None:
    """Let other machines see whether they share this worker's storage."""
    shared_mark.watch(sender.hostname, writes=True)


@worker_shutdown.connect
def remove_mark(**_: Any) -> None:
    """Take that back."""
    shared_mark.stop()


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


@shared_task
@one_at_a_time
def expire_uploads() -> None:
    """Delete uploads that have expired tonight, unless another worker has; their files go with the trash."""
    if not nights.claim("expire_uploads", at=UPLOADS_AT):
        return
    try:
        uploads.expire_due()
    except Exception:
        nights.give_back("expire_uploads", at=UPLOADS_AT)
        log.exception("Uploads could not be deleted tonight, it is tried again")
