"""The one door for API and studio alike: replay → limit → hold a credit → create the row → hand it to a worker."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import ApiKey
from billing import ledger
from billing.errors import InsufficientCredits
from billing.models import Account
from generator import limits, tasks
from generator.errors import IdempotencyConflict, OutOfCredits, RateLimit, TooManyAtOnce
from generator.models import Generation, new_public_id

CREDITS_PER_IMAGE = 1


@dataclass(frozen=True)
class ImageRequest:
    """What somebody asks for, validated. `wait` tells a synchronous API call from an asynchronous one."""

    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    wait: bool = False

    @property
    def digest(self) -> str:
        """A fingerprint: two requests with the same one ask for the same."""
        parts = [self.prompt, self.negative_prompt, self.aspect_ratio, self.wait]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Admission:
    """What came of a request: the generation, what it was charged and what is left. `rate` is None for a replay."""

    generation: Generation
    credits_charged: int
    credits_remaining: int
    rate: RateLimit | None
    replayed: bool = False


def admit(
    *, account: Account, request: ImageRequest, api_key: ApiKey | None = None, idempotency_key: str | None = None
) -> Admission:
    """Turn a request into a queued generation with its credit held, or return the one it became before.

    Raises IdempotencyConflict, RateLimited, LimiterUnavailable, TooManyAtOnce, OutOfCredits; nothing is charged then.
    """
    if idempotency_key and (earlier := _replay(account, request, idempotency_key)):
        return earlier
    rate = limits.take_generate(account, api_key)
    try:
        generation, balance = _create(account, request, api_key, idempotency_key)
    except _Full as error:
        raise TooManyAtOnce(most=error.most, rate=rate) from error
    except (InsufficientCredits, IntegrityError) as error:
        # The same key came twice at the same moment; the other request won, and perhaps took the last credit.
        if idempotency_key and (earlier := _replay(account, request, idempotency_key)):
            return earlier
        if isinstance(error, InsufficientCredits):
            raise OutOfCredits(balance=error.balance, rate=rate) from error
        raise
    return Admission(generation, CREDITS_PER_IMAGE, balance, rate)


@transaction.atomic
def _create(
    account: Account, request: ImageRequest, api_key: ApiKey | None, idempotency_key: str | None
) -> tuple[Generation, int]:
    generation = Generation(
        public_id=new_public_id(),
        account=account,
        api_key=api_key,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        aspect_ratio=request.aspect_ratio,
        idempotency_key=idempotency_key,
        request_digest=request.digest,
        deadline_at=timezone.now() + timedelta(seconds=settings.GENERATION_DEADLINE_SECONDS),
    )
    held = ledger.hold(
        account=account,
        credits=CREDITS_PER_IMAGE,
        reference=generation.credit_reference,
        cause=f"Image {generation.public_id}",
    )
    _check_room(account)
    generation.save(force_insert=True)
    transaction.on_commit(partial(tasks.enqueue, generation.pk))
    return generation, held.balance_after


class _Full(Exception):
    def __init__(self, most: int) -> None:
        self.most = most


def _check_room(account: Account) -> None:
    """Undo the transaction when the plan's images in flight are all taken; the hold's lock makes the count exact."""
    most = account.plan.max_in_flight if account.plan else None
    if most is not None and account.generations.filter(status__in=Generation.UNFINISHED).count() >= most:
        raise _Full(most)


def _replay(account: Account, request: ImageRequest, idempotency_key: str) -> Admission | None:
    earlier = Generation.objects.filter(account=account, idempotency_key=idempotency_key).first()
    if earlier is None:
        return None
    if earlier.request_digest != request.digest:
        raise IdempotencyConflict
    balance = Account.objects.values_list("balance", flat=True).get(pk=account.pk)
    return Admission(earlier, 0, balance, None, replayed=True)
