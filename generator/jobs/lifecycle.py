"""The only writer of a generation's status. Every step is claimed by a conditional UPDATE whose row count decides.

    QUEUED ──claim_submission──▶ SUBMITTING ──accepted──▶ DRAWING ──complete──▶ COMPLETED
      ▲                              │                       │
      └────────── requeue ───────────┘                       │
      └──────────────────────────────┴─────────fail──────────┴──▶ FAILED

A worker that dies leaves a row whose `due_at` lapses. A lapsed QUEUED or DRAWING row is simply resumed. A lapsed
SUBMITTING row may have reached the upstream, so it is never sent again: it fails, and its credit returns.
"""

import math
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from billing import ledger
from generator import live
from generator.files.images import StoredImage
from generator.jobs import caps
from generator.models import Generation

Status = Generation.Status

LEASE = timedelta(seconds=settings.CLAIM_SECONDS)  # a claim lapses after this unless its worker renews it
MODEL_MAX_LENGTH = 120


def claim_submission(pk: int) -> Generation | None:
    """Take a queued, due generation for sending; None when another worker has it or it is not due."""
    now = timezone.now()
    claimed = Generation.objects.filter(pk=pk, status=Status.QUEUED, due_at__lte=now).update(
        status=Status.SUBMITTING, due_at=now + LEASE, submits=F("submits") + 1
    )
    if not claimed:
        return None
    generation = Generation.objects.get(pk=pk)
    live.publish_on_commit(generation)
    return generation


def requeue(generation: Generation, *, after: float) -> None:
    """Put a generation back that the upstream certainly did not accept, to be sent again in `after` seconds."""
    Generation.objects.filter(pk=generation.pk, status=Status.SUBMITTING).update(
        status=Status.QUEUED, due_at=timezone.now() + timedelta(seconds=after)
    )


def accepted(generation: Generation, *, upstream_id: str, poll_after: float) -> bool:
    """Note that the upstream took the job and calls it `upstream_id`; poll it after `poll_after` seconds."""
    now = timezone.now()
    with transaction.atomic():
        moved = Generation.objects.filter(pk=generation.pk, status=Status.SUBMITTING).update(
            status=Status.DRAWING,
            upstream_id=upstream_id,
            submitted_at=now,
            due_at=now + timedelta(seconds=poll_after),
        )
        if moved:
            live.publish_on_commit(generation)
    return bool(moved)


def claim_due_polls(limit: int) -> list[Generation]:
    """Take up to `limit` drawings that are due for a poll; each is taken by one worker only."""
    now = timezone.now()
    due = Generation.objects.filter(status=Status.DRAWING, due_at__lte=now).order_by("due_at")
    if not due.exists():  # the usual answer, and on SQLite one that needs no write lock
        return []
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        claimed = list(due[:limit])
        if claimed:
            Generation.objects.filter(pk__in=[generation.pk for generation in claimed]).update(
                due_at=now + LEASE, polls=F("polls") + 1
            )
    return claimed


def renew(generation: Generation) -> None:
    """Hold on to a claimed generation for another `LEASE`, while its worker is still at it."""
    Generation.objects.filter(pk=generation.pk, status__in=(Status.SUBMITTING, Status.DRAWING)).update(
        due_at=timezone.now() + LEASE
    )


def poll_again(generation: Generation, *, after: float, is_failed: bool = False) -> None:
    """Poll a drawing again in `after` seconds; `is_failed` counts an answer that was of no use."""
    _reschedule(generation, after)
    if is_failed:
        Generation.objects.filter(pk=generation.pk, status=Status.DRAWING).update(failed_polls=F("failed_polls") + 1)


@transaction.atomic
def complete(generation: Generation, *, image: StoredImage, model: str) -> bool:
    """End a drawing with its saved image and spend the credit, together; False when it had ended already."""
    moved = Generation.objects.filter(pk=generation.pk, status=Status.DRAWING).update(
        status=Status.COMPLETED,
        file_extension=image.extension,
        file_size=image.size,
        width=image.width,
        height=image.height,
        colour=image.colour,
        model=model[:MODEL_MAX_LENGTH],
        finished_at=timezone.now(),
    )
    if not moved:
        return False
    ledger.settle(reference=generation.credit_reference)
    live.publish_on_commit(generation)
    return True


@transaction.atomic
def fail(
    generation: Generation, *, code: str, message: str, only_from: Iterable[Status] = Generation.UNFINISHED
) -> bool:
    """End a generation without an image and return the credit, together; False when it had ended already."""
    moved = Generation.objects.filter(pk=generation.pk, status__in=list(only_from)).update(
        status=Status.FAILED, error_code=code, error_message=message[:500], finished_at=timezone.now()
    )
    if not moved:
        return False
    returned = ledger.release(reference=generation.credit_reference, cause=f"Returned: {message}"[:300])
    caps.give_back(generation, returned.amount)  # after the ledger, which locks the wallet: as admission does it
    live.publish_on_commit(generation)
    return True


def due_submissions(limit: int) -> list[int]:
    """Return the keys of queued generations that are due to be sent, oldest first."""
    due = Generation.objects.filter(status=Status.QUEUED, due_at__lte=timezone.now())
    return list(due.order_by("due_at").values_list("pk", flat=True)[:limit])


def lapsed_submissions() -> QuerySet[Generation]:
    """The generations whose sender died or hung: they may have reached the upstream."""
    return Generation.objects.filter(status=Status.SUBMITTING, due_at__lte=timezone.now())


def past_deadline() -> QuerySet[Generation]:
    """The unfinished generations whose time is up."""
    return Generation.objects.filter(status__in=Generation.UNFINISHED, deadline_at__lte=timezone.now())


def first_poll_after() -> float:
    """Return the seconds from submission to the first poll: about as long as the upstream usually takes."""
    return max(0.15, float(settings.UPSTREAM_TYPICAL_SECONDS))


def next_poll_after(polls: int) -> float:
    """Return the seconds from poll number `polls` to the next: short steps first, then growing to 15 s."""
    return min(15.0, 0.4 * math.pow(1.25, max(0, polls - 4)))


def _reschedule(generation: Generation, seconds: float) -> None:
    Generation.objects.filter(pk=generation.pk, status=Status.DRAWING).update(
        due_at=timezone.now() + timedelta(seconds=seconds)
    )
