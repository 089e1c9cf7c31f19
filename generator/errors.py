"""What can stop a request for an image before it becomes a generation, and what is no image.

GeneratorError
├─ OutOfCredits            the balance does not cover the image
├─ KeyLimitReached         the API key has spent what it may in a day, a month or in all; or a browser token did
├─ TooManyAtOnce           as many unfinished images as the plan allows
├─ RateLimited             too many requests; carries when to come back
├─ LimiterUnavailable      the rate limiter's server cannot be reached
├─ UploadsFull             the account keeps as many uploads as it may
├─ UpstreamPaused          the upstream draws for nobody until its operator has mended something
├─ IntakePaused            the operator has nothing new taken on; carries what they say, and until when
├─ InvalidRequest          a field asks for what cannot be; carries which one, and why
│  ├─ NotOffered           no model does that, or not in that shape, size or quality
│  ├─ ModelNotAllowed      the API key may not use that model
│  ├─ PromptNotAllowed     the prompt breaks a rule of the operator's
│  ├─ InputGone            a picture that it was to be made from is not there any more
│  └─ PictureRefused       a picture that it was to be made from is none, or is not to be had
├─ BrokenForm              a body that says it is a form with files is none
├─ FormTooWordy            a form has more in its text fields than is taken beside files
├─ IdempotencyConflict     the same Idempotency-Key came with another body
├─ ImageDeleted            what the same Idempotency-Key made before was deleted
├─ UploadNotFound          no such upload of this account
├─ NotFinished             an image that is on its way cannot be deleted
└─ GenerationNotFound      no such generation of this account

TooManyParts               usage is asked for in more parts than one answer has

ForcedBreakdown            a test key asked to see what a bug of ours looks like

BadImage                   what is offered as an image is none that we keep
├─ OddSize                 … for it has too few pixels, too many, or too many bytes
├─ NotFetched              … for it is not to be had from where its caller says that it is
└─ ImageUnreachable        … or cannot be fetched just now

WebhookError               what keeps somebody from changing where they are told of their images
├─ TooManyEndpoints        the account has as many endpoints as it may
└─ EndpointNotFound        no such endpoint of this account
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

CapPeriod = Literal["day", "month", "lifetime", "token"]  # what a cap on credits holds for


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
    """The API key has spent its `cap` of credits of a period, and a `balance` is left; nothing was charged.

    The next period begins at `resets_at`; None: there is none.
    """

    def __init__(
        self,
        *,
        cap: int,
        rate: RateLimit,
        balance: int,
        period: CapPeriod = "month",
        resets_at: datetime | None = None,
    ) -> None:
        super().__init__(f"{cap} credits: {period}")
        self.cap = cap
        self.rate = rate
        self.balance = balance
        self.period = period
        self.resets_at = resets_at


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


class IntakePaused(GeneratorError):
    """Our operator has nothing new taken on, of all or of this model, for `seconds` more; nothing was charged.

    `words` are what they say of it, "" for nothing; `until` is None where nobody said when it ends.
    """

    def __init__(self, *, words: str, seconds: int, until: datetime | None = None) -> None:
        super().__init__(words or "intake is paused")
        self.words = words
        self.seconds = seconds
        self.until = until


class InvalidRequest(GeneratorError):
    """The field `param` of the request asks for what cannot be, and the words say why; nothing was charged."""

    def __init__(self, param: str, words: str) -> None:
        super().__init__(words)
        self.param = param


class NotOffered(InvalidRequest):
    """No model does that, or the one that was named does not, or not in that shape, size or quality."""


class ModelNotAllowed(InvalidRequest):
    """The API key may use other models only."""


class PromptNotAllowed(InvalidRequest):
    """The prompt breaks a rule of our operator's, whose key is `rule`; the words are what the rule says."""

    def __init__(self, param: str, words: str, *, rule: int) -> None:
        super().__init__(param, words)
        self.rule = rule


class InputGone(InvalidRequest):
    """A picture that the image was to be made from is not there any more, or is not the account's own."""


class PictureRefused(InvalidRequest):
    """A picture that the image was to be made from is none that we take, or is not to be had."""


class TooManyParts(Exception):
    """What was asked for would have more than `most` rows."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} rows")
        self.most = most


class BrokenForm(GeneratorError):
    """The body says that it is multipart/form-data, and cannot be read as that."""


class FormTooWordy(GeneratorError):
    """The text fields of a form are larger than forms may be beside their files, as one with a picture in base64."""


class IdempotencyConflict(GeneratorError):
    """This Idempotency-Key belongs to an earlier request with another body, which made the image `public_id`.

    "" where whoever asks may not see that one.
    """

    def __init__(self, public_id: str = "") -> None:
        super().__init__(public_id)
        self.public_id = public_id


class ImageDeleted(GeneratorError):
    """An earlier request with this Idempotency-Key made the image `public_id`, and it was deleted."""

    def __init__(self, public_id: str) -> None:
        super().__init__(public_id)
        self.public_id = public_id


class InvalidIdempotencyKey(GeneratorError):
    """An Idempotency-Key is 1 to 255 printable ASCII characters without spaces."""


class GenerationNotFound(GeneratorError):
    """There is no such generation, or it is somebody else's."""


class NotFinished(GeneratorError):
    """The image is on its way, so it cannot be deleted."""


class UploadNotFound(GeneratorError):
    """There is no such upload, or it is somebody else's."""


class ForcedBreakdown(Exception):
    """A test key's prompt asks for what a caller sees of a bug of ours. Nothing is wrong."""


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


class WebhookError(Exception):
    """Root of what is wrong with a wish about webhook endpoints."""


class TooManyEndpoints(WebhookError):
    """The account has `most` endpoints, as many as it may."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} endpoints")
        self.most = most


class EndpointNotFound(WebhookError):
    """The account has no endpoint of this id."""
