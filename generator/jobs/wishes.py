"""What owners would call off though an upstream may have it: a wish in the row, which a worker sees to.

noted ──claim──▶ asked of the upstream ──▶ dropped: `lifecycle.call_off`
                           └──refuse──▶ it goes on; should its attempt come to nothing, there is no other one
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from generator import live
from generator.jobs import attempts
from generator.jobs.rows import claim_due
from generator.models import Generation
from kit import wakeups

Status = Generation.Status


@transaction.atomic
def note(generation: Generation) -> bool:
    """Note that its owner would call off what an upstream may have; False when that is known, or it has ended.

    From now on it is sent nowhere else.
    """
    unfinished = Generation.objects.filter(pk=generation.pk, status__in=Generation.UNFINISHED, cancel_asked_at=None)
    noted = unfinished.update(cancel_asked_at=timezone.now())
    wakeups.publish_on_commit(wakeups.CANCEL)
    return bool(noted)


def among(pks: Sequence[int]) -> set[int]:
    """Return which of these their owners do not want any more."""
    return set(Generation.objects.filter(pk__in=pks, cancel_asked_at__isnull=False).values_list("pk", flat=True))


def outstanding(limit: int) -> list[Generation]:
    """Return what nobody has seen to yet, the oldest wish first."""
    wished = Generation.objects.unfinished().filter(cancel_asked_at__isnull=False, cancel_refused_at=None)
    return list(wished.order_by("cancel_asked_at")[:limit])


def claim(found: Sequence[Generation]) -> list[Generation]:
    """Take those of these that are drawn just now and that nobody has in hand, with their attempts."""
    drawing = [generation.pk for generation in found if generation.status == Status.DRAWING]
    if not drawing:
        return []
    now = timezone.now()
    taken = claim_due(
        status=Status.DRAWING,
        at=now + timedelta(days=7),  # whenever the next look is
        limit=len(drawing),
        pks=drawing,
        only_if="claim = '' AND cancel_refused_at IS NULL",
        assign="claim = %s, due_at = %s",
        values=[secrets.token_hex(8), now + timedelta(seconds=settings.CLAIM_SECONDS)],
    )
    alive = attempts.alive_of(taken) if taken else {}
    for generation in taken:
        generation.attempt = alive.get(generation.pk) or attempts.stand_in(generation)
    return taken


@transaction.atomic
def refuse(generation: Generation) -> bool:
    """Let go of a claimed drawing that its upstream did not certainly drop, and tell whoever waits to hear that."""
    held = Generation.objects.filter(pk=generation.pk, claim=generation.claim, status=Status.DRAWING)
    now = timezone.now()
    moved = held.update(claim="", due_at=now, cancel_refused_at=now)
    if moved:
        live.publish_on_commit(generation)
    return bool(moved)


@transaction.atomic
def refuse_sample(generation: Generation) -> None:
    """Say that a sample is drawn to its end, as an image is whose upstream knows no cancelling."""
    drawn = Generation.objects.filter(pk=generation.pk, is_test=True, status=Status.DRAWING)
    drawn.update(cancel_refused_at=timezone.now())
    live.publish_on_commit(generation)
