"""The one door for API and studio alike: replay → limit → hold a credit → create the row → hand it to a worker."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import ApiKey
from billing import ledger
from billing.errors import InsufficientCredits
from billing.models import Wallet
from generator.ask import limits
from generator.errors import IdempotencyConflict, KeyLimitReached, OutOfCredits, RateLimit, RateLimited, TooManyAtOnce
from generator.jobs import caps
from generator.models import Generation, new_public_id
from kit import wakeups

CREDITS_PER_IMAGE = 1
MOMENT = 0.25  # seconds


@dataclass(frozen=True)
class ImageRequest:
    """What somebody asks for, validated: `count` images at once, each a generation and a credit of its own.

    `wait` tells a synchronous API call from an asynchronous one.
    """

    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    wait: bool = False
    count: int = 1

    @property
    def digest(self) -> str:
        """A fingerprint: two requests with the same one ask for the same."""
        parts = [self.prompt, self.negative_prompt, self.aspect_ratio, self.wait]
        if self.count > 1:  # for one image it is what it was before there could be several
            parts.append(self.count)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def credits(self) -> int:
        """What all of it costs."""
        return self.count * CREDITS_PER_IMAGE


@dataclass(frozen=True)
class Admission:
    """The result of a request: its generations, what they were charged and what is left. `rate`: None for a replay."""

    generations: tuple[Generation, ...]
    credits_charged: int
    credits_remaining: int
    rate: RateLimit | None
    replayed: bool = False

    @property
    def generation(self) -> Generation:
        """The first one; most requests have no other."""
        return self.generations[0]


def admit(
    *, wallet: Wallet, request: ImageRequest, api_key: ApiKey | None = None, idempotency_key: str | None = None
) -> Admission:
    """Turn a request into queued generations with their credits held, or return those that it became before.

    All of them or none. Raises IdempotencyConflict, RateLimited, LimiterUnavailable, TooManyAtOnce, KeyLimitReached,
    OutOfCredits; nothing is charged then.
    """
    if idempotency_key and (earlier := _replay(wallet, request, idempotency_key)):
        return earlier
    try:
        rate = limits.take_generate(wallet, api_key, request.count)
    except RateLimited:
        if idempotency_key and (earlier := _replay_soon(wallet, request, idempotency_key)):
            return earlier
        raise
    try:
        generations, balance = _create(wallet, request, api_key, idempotency_key)
    except (_Full, _Capped, InsufficientCredits, IntegrityError) as error:
        # The same key came twice at the same moment; the other request won, and perhaps took the last credit or place.
        if idempotency_key and (earlier := _replay(wallet, request, idempotency_key)):
            return earlier
        if isinstance(error, _Full):
            raise TooManyAtOnce(most=error.most, rate=rate) from error
        if isinstance(error, _Capped):
            raise KeyLimitReached(cap=error.cap, rate=rate) from error
        if isinstance(error, InsufficientCredits):
            ledger.write_off_expired(wallet)  # the refusal names the balance after that, and undid it
            raise OutOfCredits(balance=error.balance, needed=error.needed, rate=rate) from error
        raise
    return Admission(generations, request.credits, balance, rate)


@transaction.atomic
def _create(
    wallet: Wallet, request: ImageRequest, api_key: ApiKey | None, idempotency_key: str | None
) -> tuple[tuple[Generation, ...], int]:
    """Hold the credits and insert the rows, all in one transaction; return the rows and the balance."""
    generations = tuple(_drafts(wallet, request, api_key, idempotency_key))
    balance = _hold_all(wallet, generations)
    _check_room(wallet, request.count)
    _count_against_cap(api_key, request.credits, at=generations[0].created_at)
    for generation in reversed(generations):  # so that a list with the newest first begins with a group's first image
        generation.save(force_insert=True)
    wakeups.publish_on_commit(wakeups.WORK)
    return generations, balance


def _drafts(
    wallet: Wallet, request: ImageRequest, api_key: ApiKey | None, idempotency_key: str | None
) -> Iterator[Generation]:
    now = timezone.now()
    for key in _keys(idempotency_key, request.count):
        yield Generation(
            public_id=new_public_id(),
            wallet=wallet,
            api_key=api_key,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            aspect_ratio=request.aspect_ratio,
            idempotency_key=key,
            request_digest=request.digest,
            is_awaited=api_key is None or request.wait,
            created_at=now,
            deadline_at=now + timedelta(seconds=settings.GENERATION_DEADLINE_SECONDS),
        )


def _hold_all(wallet: Wallet, generations: tuple[Generation, ...]) -> int:
    """Hold each generation's credit on its own, so that each can settle or return alone; return the balance."""
    for number, generation in enumerate(generations):
        try:
            held = ledger.hold(
                wallet=wallet,
                credits=CREDITS_PER_IMAGE,
                reference=generation.credit_reference,
                cause=f"Image {generation.public_id}",
            )
        except InsufficientCredits as error:
            before = error.balance + number * CREDITS_PER_IMAGE  # what was held above is about to be undone
            raise InsufficientCredits(balance=before, needed=len(generations) * CREDITS_PER_IMAGE) from error
    return held.balance_after


class _Full(Exception):
    def __init__(self, most: int) -> None:
        self.most = most


def _check_room(wallet: Wallet, count: int) -> None:
    """Undo the transaction when the plan's images in flight leave no room; the hold's lock makes the count exact."""
    most = wallet.plan.max_in_flight if wallet.plan else None
    if most is not None and wallet.generations.filter(status__in=Generation.UNFINISHED).count() + count > most:
        raise _Full(most)


class _Capped(Exception):
    def __init__(self, cap: int) -> None:
        self.cap = cap


def _count_against_cap(api_key: ApiKey | None, credits: int, *, at: datetime) -> None:
    """Count what a key spends, and undo the transaction when its cap leaves no room for that this month.

    A key without a cap is counted too: it may be given one at any time of the month.
    """
    if api_key is None:
        return
    caps.take(api_key, credits, at)
    cap = api_key.monthly_credit_cap
    if cap is not None and caps.spent_against(api_key) > cap:
        raise _Capped(cap)


def _replay(wallet: Wallet, request: ImageRequest, idempotency_key: str) -> Admission | None:
    keys = _keys(idempotency_key, request.count)
    earlier = tuple(Generation.objects.filter(wallet=wallet, idempotency_key__in=keys).order_by("-pk"))
    if not earlier:
        return None
    if earlier[0].request_digest != request.digest:  # which differs for another count as well
        raise IdempotencyConflict
    balance = Wallet.objects.values_list("balance", flat=True).get(pk=wallet.pk)
    return Admission(earlier, 0, balance, None, replayed=True)


def _replay_soon(wallet: Wallet, request: ImageRequest, idempotency_key: str) -> Admission | None:
    """Look once more after a moment: the same request, sent twice at once, may just be on its way through the door."""
    time.sleep(MOMENT)
    return _replay(wallet, request, idempotency_key)


def _keys(idempotency_key: str | None, count: int) -> list[str | None]:
    """One key for each generation; the first one's is the request's own, so that another count finds it too."""
    if idempotency_key is None:
        return [None] * count
    return [idempotency_key, *(f"{idempotency_key}:{number}" for number in range(2, count + 1))]
