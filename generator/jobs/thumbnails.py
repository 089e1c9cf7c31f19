"""Thumbnails, made after the answer: pages show the image itself until they are there.

The row says that they are still to be made. Whoever makes them claims it for a while (`claim` and `due_at`, which an
ended generation needs for nothing else), so a maker that dies leaves work that is taken up again.
"""

import logging
import secrets
from concurrent.futures import Future
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from generator.errors import BadImage
from generator.files import images, marks
from generator.models import Generation
from kit.storage import StorageAway
from kit.threads import Pool, let_go

log = logging.getLogger(__name__)

BATCH = 16
LEASE = timedelta(seconds=60)
AGAIN = timedelta(seconds=30)  # after the storage could not be reached


def make_due() -> int:
    """Make the thumbnails of some images that need them, and return how many there were."""
    claimed = _claim()
    let_go()  # nothing but files from here on
    made = [(generation, Pool.PROCESSOR.executor.submit(_make, generation)) for generation in claimed]
    for generation, work in made:
        _note(generation, work)
    return len(made)


def _claim() -> list[Generation]:
    now, token = timezone.now(), secrets.token_hex(8)
    due = Generation.objects.completed().filter(needs_thumbnails=True, due_at__lte=now)
    due = due.order_by("is_test", "due_at")  # samples when nothing else waits
    if not due.exists():  # the usual answer, and on SQLite one that needs no write lock
        return []
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        claimed = list(due[:BATCH])
        Generation.objects.filter(pk__in=[generation.pk for generation in claimed]).update(
            claim=token, due_at=now + LEASE
        )
    for generation in claimed:
        generation.claim = token
    return claimed


def _make(generation: Generation) -> None:
    made = images.thumbnails(images.read(generation.file_name), marks.mark_of(generation))
    images.keep_thumbnails(generation.file_token, made)


def _note(generation: Generation, work: Future[None]) -> None:
    """Write down what became of it."""
    try:
        work.result()
    except (BadImage, FileNotFoundError):  # it was verified, so this is nothing that another try mends
        log.exception("%s: no thumbnails can be made", generation)
    except Exception as error:
        is_known = isinstance(error, StorageAway)
        log.warning("%s: its thumbnails could not be made now: %s", generation, error, exc_info=not is_known)
        _held(generation).update(claim="", due_at=timezone.now() + AGAIN)
        return
    if not _held(generation).filter(deleted_at=None).update(claim="", needs_thumbnails=False):
        _drop_unwanted(generation)
    let_go()


def _drop_unwanted(generation: Generation) -> None:
    """Delete thumbnails of what was trashed meanwhile: its files may be gone. Restored, it needs them again."""
    if Generation.objects.filter(pk=generation.pk, deleted_at=None).exists():
        return  # another maker has it
    let_go()
    images.delete_thumbnails(generation.file_token)
    _held(generation).update(claim="", due_at=timezone.now())


def _held(generation: Generation) -> QuerySet[Generation]:
    return Generation.objects.filter(pk=generation.pk, claim=generation.claim, needs_thumbnails=True)
