"""Refusals that a test key's prompt asks for: `[test:rate_limited]` and the like, each an error's code.

They are raised where the real one would be: what is wrong with the request itself is refused before. What becomes of an
image that was admitted is `jobs.outcomes`. Live keys do not know these words.
"""

from collections.abc import Callable
from dataclasses import dataclass

from billing.models import Wallet
from generator.ask.prices import Quote
from generator.errors import (
    ForcedBreakdown,
    IntakePaused,
    InvalidRequest,
    KeyLimitReached,
    LimiterUnavailable,
    OutOfCredits,
    PromptNotAllowed,
    RateLimit,
    RateLimited,
    TooManyAtOnce,
    UploadsFull,
)
from generator.jobs import outcomes

RETRY_SECONDS = 2  # what a forced refusal asks for: a test need not wait for a minute


@dataclass(frozen=True)
class Door:
    """What a refusal is made of."""

    wallet: Wallet
    quote: Quote
    rate: RateLimit


@dataclass(frozen=True)
class Refusal:
    """What a word stands for, for people, and how to make it. `with_pictures`: only what takes pictures meets it."""

    words: str
    make: Callable[[Door], Exception]
    with_pictures: bool = False


REFUSALS = {  # by the error's code
    "insufficient_credits": Refusal(
        "The balance does not cover the image.",
        lambda door: OutOfCredits(balance=0, needed=door.quote.credits, rate=door.rate),
    ),
    "key_limit_reached": Refusal(
        "The key has spent what it may.",
        lambda door: KeyLimitReached(cap=1, rate=door.rate, balance=door.wallet.balance),
    ),
    "rate_limited": Refusal(
        f"Too many requests; `Retry-After` says {RETRY_SECONDS} seconds.",
        lambda door: RateLimited(RateLimit(door.rate.limit, 0, RETRY_SECONDS)),
    ),
    "too_many_unfinished": Refusal(
        "As many images are unfinished as the plan allows.",
        lambda door: TooManyAtOnce(most=1, rate=door.rate, balance=door.wallet.balance),
    ),
    "unavailable": Refusal(
        "The service is away for a moment; `Retry-After` says for how long.", lambda door: LimiterUnavailable()
    ),
    "intake_paused": Refusal(
        f"No new images are taken on for now; `Retry-After` says {RETRY_SECONDS} seconds.",
        lambda door: IntakePaused(words="", seconds=RETRY_SECONDS),
    ),
    "prompt_not_allowed": Refusal(
        "The prompt breaks a rule of this site's.",
        lambda door: PromptNotAllowed("prompt", "it asks for this refusal", rule=0),
    ),
    "internal_error": Refusal("Something broke on our side.", lambda door: ForcedBreakdown()),
    "invalid_request": Refusal(
        "A field is wrong; `param` names it.", lambda door: InvalidRequest("prompt", "it asks for this refusal")
    ),
    "uploads_full": Refusal(
        "The account keeps as many files as it may. Only where pictures are brought.",
        lambda door: UploadsFull(),
        with_pictures=True,
    ),
}


def refuse(prompt: str, door: Door, *, with_pictures: bool) -> None:
    """Raise what `prompt` asks for, or InvalidRequest where it names what nobody knows, or cannot meet."""
    for name in outcomes.named_in(prompt):
        if (refusal := REFUSALS.get(name)) and (with_pictures or not refusal.with_pictures):
            raise refusal.make(door)
        if name not in outcomes.OUTCOMES:
            known = ", ".join([*outcomes.OUTCOMES, *REFUSALS])
            raise InvalidRequest("prompt", f"there is no [test:{name}] here; what a test key can name is {known}")
