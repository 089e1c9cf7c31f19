"""What is to be done to many rows, before anything is: those that a filter found as they were then, or a file's lines.

A draft is confirmed by whoever made it. What is confirmed is exactly what it showed.
"""

import hashlib
import zlib
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from accounts.models import User
from billing.bulk import kinds
from billing.bulk.kinds import GRANT, Kind, Target
from billing.models import Bulk, BulkLine
from kit.broker import tell_on_commit

MOST_LINES = 100_000
MOST_BYTES = 12 * 1024 * 1024
AT_ONCE = 2_000  # rows of one statement
KEPT_DRAFT = timedelta(days=7)
KEPT_LINES = timedelta(days=90)  # since it ended; the act itself and its counts are kept
TASK = "billing.tasks.run_bulk"

State = Bulk.State


class TooMany(ValueError):
    """More rows than one act may have."""


def of_rows(*, actor: User, kind: Kind, rows: QuerySet[Any], source: str) -> Bulk:
    """Take down the rows that were found, to be acted on once that is confirmed. Raises PermissionDenied, TooMany.

    Some rows at a time, so that nobody else who writes waits for all of them. Until the last one is there it cannot be
    confirmed; one whose process died before is dropped as any draft is.
    """
    if not kind.may(actor):
        raise PermissionDenied
    too_many = TooMany(f"The filter finds more than {kind.counted(MOST_LINES)}, the most of one act: narrow it.")
    if rows.order_by()[: MOST_LINES + 1].count() > MOST_LINES:
        raise too_many
    found = list(kinds.targets(kind, rows[: MOST_LINES + 1].iterator(chunk_size=AT_ONCE)))
    if len(found) > MOST_LINES:  # some came since they were counted, and part of them is never taken for all
        raise too_many
    unfinished = {"state": State.FAULTY, "last_error": "It was interrupted while its rows were taken down. Begin anew."}
    bulk = Bulk.objects.create(act=kind.name, source=source[:300], actor=actor, **unfinished)
    for at in range(0, len(found), AT_ONCE):
        some = enumerate(found[at : at + AT_ONCE], start=at + 1)
        BulkLine.objects.bulk_create([_line(bulk, number, target) for number, target in some])
    Bulk.objects.filter(pk=bulk.pk, state=State.FAULTY).update(state=State.READY, total=len(found), last_error="")
    bulk.refresh_from_db()
    return bulk


@transaction.atomic
def of_file(*, actor: User, name: str, content: bytes) -> Bulk:
    """Take a file of grants in, which a worker checks (`billing.bulk.files`). Raises PermissionDenied, TooMany."""
    if not kinds.of(GRANT).may(actor):
        raise PermissionDenied
    if len(content) > MOST_BYTES:
        raise TooMany("The file is larger than 12 MB: split it.")
    bulk = Bulk.objects.create(
        act=GRANT,
        source=name[:300],
        actor=actor,
        state=State.CHECKING,
        file=zlib.compress(content),
        file_digest=hashlib.sha256(content).hexdigest(),
    )
    tell_on_commit(TASK, bulk.pk)
    return bulk


def twin(bulk: Bulk) -> Bulk | None:
    """Return an earlier act of the very same file that was confirmed, if there is one."""
    if not bulk.file_digest:
        return None
    same = Bulk.objects.filter(file_digest=bulk.file_digest).exclude(pk=bulk.pk)
    return same.exclude(started_at=None).order_by("-pk").first()


def tidy() -> int:
    """Drop drafts that nobody confirmed, and the lines of what ended long ago; return how many acts these were."""
    now = timezone.now()
    old = Bulk.objects.filter(state__in=Bulk.OPEN, created_at__lt=now - KEPT_DRAFT)
    ended = Bulk.objects.filter(finished_at__lt=now - KEPT_LINES, lines__isnull=False).distinct()
    done = 0
    for bulk in old[:50]:
        # Nobody confirms it any more, from here on.
        if Bulk.objects.filter(pk=bulk.pk, state__in=Bulk.OPEN).update(
            state=State.CANCELLED, claim="", finished_at=now
        ):
            drop_lines(bulk)
            bulk.delete()
            done += 1
    for bulk in ended[:50]:
        Bulk.objects.filter(pk=bulk.pk, counts={}).update(counts=counted(bulk))
        drop_lines(bulk)
        done += 1
    return done


def counted(bulk: Bulk) -> dict[str, int]:
    """Return how many of its lines stand how, by state, those without any left out."""
    return dict(bulk.lines.order_by().values_list("state").annotate(Count("pk")))


def drop_lines(bulk: Bulk) -> None:
    """Delete the lines of an act, some at a time."""
    while pks := list(bulk.lines.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        BulkLine.objects.filter(pk__in=pks).delete()


def _line(bulk: Bulk, number: int, target: Target) -> BulkLine:
    return BulkLine(bulk=bulk, number=number, target=target.key, label=target.label[:320], user_id=target.user_id)
