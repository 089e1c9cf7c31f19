"""What can stop a request for an image before it becomes a generation, and what is no image.

GeneratorError
├─ OutOfCredits            the balance does not cover the image
├─ KeyLimitReached         the API key has spent what it may in a month
├─ TooManyAtOnce           as many unfinished images as the plan allows
├─ RateLimited             too many requests; carries when to come back
├─ LimiterUnavailable      the rate limiter's server cannot be reached
├─ UploadsFull             the account keeps as many uploads as it may
├─ UpstreamPaused          the upstream draws for nobody until its operator has mended something
├─ InvalidRequest          a field asks for what cannot be; carries which one, and why
│  ├─ NotOffered           no model does that, or not in that shape, size or quality
│  ├─ InputGone            a picture that it was to be made from is not there any more
│  └─ PictureRefused       a picture that it was to be made from is none, or is not to be had
├─ BrokenForm              a body that says it is a form with files is none
├─ IdempotencyConflict     the same Idempotency-Key came with another body
├─ UploadNotFound          no such upload of this account
└─ GenerationNotFound      no such generation of this account

BadImage                   what is offered as an image is none that we keep
├─ OddSize                 … for it has too few pixels, too many, or too many bytes
├─ NotFetched              … for it is not to be had from where its caller says that it is
└─ ImageUnreachable        … or cannot be fetched just now
"""

from dataclasses import dataclass


class GeneratorError(Exception):
    """Root of this app's errors (the module draws the tree)."""


@dataclass(frozen=True)
class RateLimit:
    """Where an account stands in its sliding window. `reset` is seconds until a request is free again."""

    limit: int
    remaining: int
    reset: int


class OutOfCredits(GeneratorError):
    """The balance of `balance` credits does not cover the `needed` ones; nothing was charged."""

    def __init__(self, *, balance: int, rate: RateLimit, needed: int) -> None:
        super().__init__(f"{balance} of {needed} credits")
        self.balance = balance
        self.needed = needed
        self.rate = rate


class KeyLimitReached(GeneratorError):
    """The API key has spent its `cap` of credits this month, and a `balance` is left; nothing was charged."""

    def __init__(self, *, cap: int, rate: RateLimit, balance: int) -> None:
        super().__init__(f"{cap} credits a month")
        self.cap = cap
        self.rate = rate
        self.balance = balance


class TooManyAtOnce(GeneratorError):
    """The account has `most` unfinished images, as many as its plan allows, and a `balance`; nothing was charged."""

    def __init__(self, *, most: int, rate: RateLimit, balance: int) -> None:
        super().__init__(f"{most} at a time")
        self.most = most
        self.rate = rate
        self.balance = balance


class RateLimited(GeneratorError):
    """The limit is used up; nothing was charged."""

    def __init__(self, rate: RateLimit) -> None:
        super().__init__(f"{rate.limit} requests a minute")
        self.rate = rate


class LimiterUnavailable(GeneratorError):
    """Limits cannot be counted now, so nothing is admitted."""


class UploadsFull(GeneratorError):
    """The account's uploads take as much room as they may (`UPLOADS_MAX_BYTES`)."""


class UpstreamPaused(GeneratorError):
    """The upstream draws for nobody until our operator has mended something, so nothing is admitted."""


class InvalidRequest(GeneratorError):
    """The field `param` of the request asks for what cannot be, and the words say why; nothing was charged."""

    def __init__(self, param: str, words: str) -> None:
        super().__init__(words)
        self.param = param


class NotOffered(InvalidRequest):
    """No model does that, or the one that was named does not, or not in that shape, size or quality."""


class InputGone(InvalidRequest):
    """A picture that the image was to be made from is not there any more, or is not the account's own."""


class PictureRefused(InvalidRequest):
    """A picture that the image was to be made from is none that we take, or is not to be had."""


class BrokenForm(GeneratorError):
    """The body says that it is multipart/form-data, and cannot be read as that."""


class IdempotencyConflict(GeneratorError):
    """This Idempotency-Key belongs to an earlier request with another body, which made the image `public_id`."""

    def __init__(self, public_id: str) -> None:
        super().__init__(public_id)
        self.public_id = public_id


class InvalidIdempotencyKey(GeneratorError):
    """An Idempotency-Key is 1 to 255 printable ASCII characters without spaces."""


class GenerationNotFound(GeneratorError):
    """There is no such generation, or it is somebody else's."""


class UploadNotFound(GeneratorError):
    """There is no such upload, or it is somebody else's."""


class BadImage(Exception):
    """What is offered as the image is none that we keep."""


class OddSize(BadImage):
    """It has too few pixels, too many, or too many bytes; the message is for people."""


class NotFetched(BadImage):
    """It is not to be had from where its caller says that it is; the message is for people."""


class ImageUnreachable(BadImage):
    """The image cannot be fetched just now; `retry_after` is the seconds that its server asked for, if it did."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
