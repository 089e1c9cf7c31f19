"""Why the studio could not take a form, in words that say what to do."""

from dataclasses import dataclass

from generator.errors import (
    GeneratorError,
    IdempotencyConflict,
    IntakePaused,
    InvalidRequest,
    LimiterUnavailable,
    OutOfCredits,
    RateLimit,
    RateLimited,
    TooManyAtOnce,
    UploadsFull,
    UpstreamPaused,
)
from kit.text import counted

_FIELDS = {
    "aspect_ratio": "shape",
    "image": "picture",
    "images": "pictures",
    "n": "number",
}  # what the studio calls a field that it does not call by its name


@dataclass(frozen=True)
class Refusal:
    """Why the studio could not take a form: the status, the words beside the form, and when to come back."""

    status: int
    words: str
    retry_after: int | None = None


def refusal_of(error: GeneratorError, count: int) -> Refusal:
    """Return what somebody who asked for `count` images is told of `error`; another kind is raised again."""
    match error:
        case OutOfCredits(balance=balance, needed=needed) if balance:
            cost = "costs" if count == 1 else "cost"
            words = f"{counted(count, 'image')} {cost} {counted(needed, 'credit')}; you have {balance:,}."
            fewer = "Choose fewer images, or get" if count > 1 else "Get"
            return Refusal(402, f"{words} Nothing was charged. {fewer} more credits.")
        case OutOfCredits():
            these = "this image" if count == 1 else "these images"
            return Refusal(402, f"You have no credits left for {these}. Nothing was charged.")
        case InvalidRequest(param=param):
            return Refusal(422, f"{_FIELDS.get(param, param).capitalize()}: {error}. Nothing was charged.")
        case RateLimited(rate=rate):
            return Refusal(429, f"{_why_limited(rate, count)} in {counted(rate.reset, 'second')}.", rate.reset)
        case TooManyAtOnce(most=most):
            words = f"Your plan makes {counted(most, 'image')} at a time."
            then = "try again when one is done" if count == 1 else "choose fewer, or try again when some are done"
            return Refusal(429, f"{words} Nothing was charged; {then}.", 2)
        case UploadsFull():
            return Refusal(409, "Your uploads fill the room there is for them. Pick a picture from your gallery.")
        case LimiterUnavailable():
            return Refusal(503, "New images can't be accepted for a moment. Nothing was charged; try again shortly.", 5)
        case UpstreamPaused():
            words = "No images can be drawn for the moment; we have been told."
            return Refusal(503, f"{words} Nothing was charged. Try again in a few minutes.", 60)
        case IntakePaused(words=words, seconds=seconds):
            said = f"{words.rstrip('.')}. " if words else ""
            return Refusal(503, f"No new images are taken on for now. {said}Nothing was charged; try later.", seconds)
        case IdempotencyConflict():
            return Refusal(
                409, "This page had already started another image. Press Generate again to start this one as well."
            )
    raise error


def _why_limited(rate: RateLimit, count: int) -> str:
    """Say what the limit is, and what helps beside waiting."""
    words = f"You can start {counted(rate.limit, 'image')} a minute"
    if count > 1 and rate.remaining:
        return f"{words}; {rate.remaining:,} are left. Nothing was charged. Choose fewer, or try again"
    return f"{words}. Nothing was charged; try again"
