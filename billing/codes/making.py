"""Making codes and switching them off: acts of staff, each with its record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from billing.codes import spelling
from billing.errors import CodeRefused
from billing.models import Code, CodeOffer
from billing.staff import acts

MOST_USES = 1_000_000
MOST_CODES = 10_000  # of a batch
AT_ONCE = 1_000  # rows of one statement
PERMISSION = "manage_codes"


@dataclass(frozen=True)
class Terms:
    """What codes bring, to whom, and when. Days are of 24 hours; None is without a limit."""

    name: str
    credits: int
    starts_at: datetime
    note: str = ""
    credits_days: int | None = None
    ends_at: datetime | None = None
    new_days: int | None = None
    is_once: bool = True


def make_promo(*, actor: acts.Actor, typed: str, most: int, terms: Terms, reason: str, nonce: UUID) -> CodeOffer:
    """Make a code of the operator's own choice for `most` uses. Idempotent by its nonce.

    Raises PermissionDenied, ValueError, and CodeRefused where there is such a code already, or the form was sent before
    for another one.
    """
    reason = acts.permitted(actor, PERMISSION, None, reason)
    digest = spelling.digest(typed)
    if not digest or not 0 < most <= MOST_USES:
        raise ValueError("A code of letters and digits, and at least one use.")
    if known := _known(nonce, digest):
        return known
    try:
        with transaction.atomic():
            offer = _offer(actor, CodeOffer.Kind.PROMO, terms, nonce)
            Code.objects.create(offer=offer, digest=digest, shown=typed.strip().upper(), most=most)
            _record(actor, reason, offer, uses=most)
    except IntegrityError:
        if known := _known(nonce, digest):
            return known
        raise CodeRefused("There is a code already that is written like this, or looks just like it.") from None
    return offer


def make_batch(
    *, actor: acts.Actor, count: int, prefix: str, terms: Terms, reason: str, nonce: UUID
) -> tuple[CodeOffer, Sequence[str]]:
    """Make `count` codes for one use each and return them, for the only time: their hashes are all that is kept.

    None of them are returned where the nonce was used before. Raises PermissionDenied, ValueError.
    """
    reason = acts.permitted(actor, PERMISSION, None, reason)
    if not 0 < count <= MOST_CODES:
        raise ValueError(f"From 1 to {MOST_CODES:,} codes.")
    try:
        with transaction.atomic():
            offer = _offer(actor, CodeOffer.Kind.BATCH, terms, nonce)
            codes = [spelling.made(prefix) for _ in range(count)]
            rows = [
                Code(offer=offer, digest=spelling.digest(code), shown=spelling.tail(code), most=1) for code in codes
            ]
            Code.objects.bulk_create(rows, batch_size=AT_ONCE)
            _record(actor, reason, offer, codes=count)
    except IntegrityError:
        return CodeOffer.objects.get(nonce=nonce), ()
    return offer, codes


@transaction.atomic
def switch_off(*, actor: acts.Actor, offer: CodeOffer, reason: str, code: Code | None = None) -> bool:
    """Let nobody redeem the offer any more, or only one `code` of it; False when that was so before.

    Credits that came by it stay. Raises PermissionDenied, ValueError.
    """
    reason = acts.permitted(actor, PERMISSION, None, reason)
    rows: Any = CodeOffer.objects.filter(pk=offer.pk) if code is None else Code.objects.filter(pk=code.pk, offer=offer)
    switched = bool(rows.filter(off_at=None).update(off_at=timezone.now()))
    if switched:
        what = {"offer": offer.pk, "name": offer.name} | ({"code": code.shown} if code else {})
        acts.record(actor, acts.Act.STOP_CODES, reason, before={**what, "off": False}, after={**what, "off": True})
    return switched


def _known(nonce: UUID, digest: str) -> CodeOffer | None:
    """Return what a form made before. Raises CodeRefused where that was another code."""
    known = CodeOffer.objects.filter(nonce=nonce).first()
    if known and not known.codes.filter(digest=digest).exists():
        raise CodeRefused(f"This form was sent before, for {known.name}. Open it anew for another code.")
    return known


def _offer(actor: acts.Actor, kind: CodeOffer.Kind, terms: Terms, nonce: UUID) -> CodeOffer:
    if not 0 < terms.credits <= acts.MAX_CREDITS:
        raise ValueError(f"From 1 to {acts.MAX_CREDITS:,} credits.")
    return CodeOffer.objects.create(kind=kind, nonce=nonce, created_by=actor, **vars(terms))


def _record(actor: acts.Actor, reason: str, offer: CodeOffer, **values: int) -> None:
    terms = {
        "offer": offer.pk,
        "name": offer.name,
        "credits": offer.credits,
        "credits_days": offer.credits_days,
        "starts_at": offer.starts_at.isoformat(),
        "ends_at": offer.ends_at.isoformat() if offer.ends_at else None,
        "new_days": offer.new_days,
        "once": offer.is_once,
        **values,
    }
    acts.record(actor, acts.Act.MAKE_CODES, reason, before={}, after=terms)
