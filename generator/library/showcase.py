"""Explore: what everybody may see, and how staff take an image off it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts.models import User
from billing.models import AuditRecord
from billing.staff import acts
from generator.models import Generation, GenerationQuerySet
from kit.http.requests import without_nul

PAGE_SIZE = 48
PERMISSION = "generator.change_generation"


@dataclass(frozen=True)
class Page:
    """A page of Explore, newest first. `older` is the last one's public id when there are more."""

    images: list[Generation]
    older: str | None


def shown() -> GenerationQuerySet:
    """Return the images on Explore: shared and shown there by their owners, whose accounts are not suspended."""
    listed = Generation.objects.completed().filter(is_listed=True, share_token__isnull=False)
    return listed.filter(wallet__user__is_active=True)


def page(*, before: str = "") -> Page:
    """Return the images on Explore from just before the image `before`, in two queries at most.

    An unknown `before` begins at the newest; one that is no longer shown still marks its place.
    """
    images = shown()
    known = Generation.objects.filter(public_id=without_nul(before[:40])).values_list("pk", flat=True)
    if before and (last := known.first()):
        images = images.filter(pk__lt=last)
    found = list(images.order_by("-pk")[: PAGE_SIZE + 1])
    return Page(found[:PAGE_SIZE], found[PAGE_SIZE - 1].public_id if len(found) > PAGE_SIZE else None)


@transaction.atomic
def take_off(*, actor: User, generations: Iterable[Generation], reason: str) -> int:
    """Take images off Explore for good and return how many were on it; their public links go on working.

    Each leaves an audit record. Raises PermissionDenied, and ValueError for a reason that is empty or too long.
    """
    if not may_take_off(actor):
        raise PermissionDenied
    wanted = [generation.pk for generation in generations]
    rows = Generation.objects.select_for_update(of=("self",)).filter(pk__in=wanted, is_listed=True)
    listed = list(rows.select_related("wallet__user").order_by("pk"))
    Generation.objects.filter(pk__in=[generation.pk for generation in listed]).update(is_listed=False)
    for generation in listed:
        acts.require_reach(actor, generation.wallet.user)
        acts.record(
            actor,
            acts.Act.TAKE_OFF_EXPLORE,
            reason,
            wallet=generation.wallet,
            before={"image": generation.public_id, "listed": True},
            after={"image": generation.public_id, "listed": False},
        )
    return len(listed)


def may_take_off(actor: User) -> bool:
    """Tell whether `actor` may take images off Explore."""
    return actor.is_staff and actor.has_perm(PERMISSION)


def was_taken_off(generation: Generation) -> bool:
    """Tell whether staff took the image off Explore: its owner can't put it back."""
    records = AuditRecord.objects.filter(wallet_id=generation.wallet_id, action=acts.Act.TAKE_OFF_EXPLORE.value)
    return records.filter(after__image=generation.public_id).exists()
