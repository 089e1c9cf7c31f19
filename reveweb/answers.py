"""For every error of the domain, and of HTTP before it, what the caller of the API gets to see: the one table."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import Http404, HttpRequest

from accounts import keys, tokens
from accounts.errors import (
    CutApiKey,
    InvalidApiKey,
    IpNotAllowed,
    MissingApiKey,
    NotForTokens,
    ScopeMissing,
    TokenNotFound,
    TooManyTokens,
    WrongOrigin,
)
from generator.ask.callers import Caller
from generator.errors import (
    BrokenForm,
    CapPeriod,
    FormTooWordy,
    GenerationNotFound,
    IdempotencyConflict,
    ImageDeleted,
    InputGone,
    IntakePaused,
    InvalidIdempotencyKey,
    InvalidRequest,
    KeyLimitReached,
    LimiterUnavailable,
    ModelNotAllowed,
    NotFinished,
    NotOffered,
    OutOfCredits,
    PictureRefused,
    PromptNotAllowed,
    RateLimited,
    TooManyAtOnce,
    UploadNotFound,
    UploadsFull,
    UpstreamPaused,
)
from kit.http.json_body import BodyTooLarge, Encoded, InvalidJson, NotAnObject, NotJson
from kit.storage import StorageAway
from kit.text import counted
from reveweb.lanes import API_BODY_BYTES, MIB, most_bytes


class BodyTooSlow(Exception):
    """The request's body has not come to its end in time."""


class BrokenBody(Exception):
    """The request's body broke off, or is not in chunks as HTTP has them."""


class NeedsHttps(Exception):
    """The request came over plain HTTP, and this site takes none."""


@dataclass(frozen=True)
class Answer:
    """What a caller gets to see of an error."""

    status: int
    code: str
    message: str
    param: str | None = None


TOO_LARGE = Answer(413, "body_too_large", f"The body may have at most {API_BODY_BYTES // 1024} KiB.")
NOT_OFFERED = Answer(422, "invalid_request", "A field asks for what the model does not offer.")
ANSWERS: dict[type[Exception], Answer] = {
    MissingApiKey: Answer(401, "missing_api_key", "Send your API key as 'Authorization: Bearer rv_...'."),
    InvalidApiKey: Answer(
        401, "invalid_api_key", "This API key is unknown, revoked or expired. Check it on your dashboard."
    ),
    CutApiKey: Answer(
        401,
        "invalid_api_key",
        f"This is not a whole API key: keys begin with 'rv_' and have {keys.LENGTH} characters. If yours is lost, "
        "create another one on your dashboard.",
    ),
    ScopeMissing: Answer(
        403,
        "scope_missing",
        "This API key may not do this: its scopes leave it out. Change them on your dashboard, or use another key.",
    ),
    NotForTokens: Answer(403, "scope_missing", "A browser token may not do this. Call it from your server with a key."),
    IpNotAllowed: Answer(
        403,
        "ip_not_allowed",
        "This API key may not be used from this address. Add the address to the key's list on your dashboard.",
    ),
    WrongOrigin: Answer(
        403,
        "origin_not_allowed",
        "This browser token works only in pages of the site that it was made for, whose Origin header they send.",
    ),
    TokenNotFound: Answer(404, "not_found", "This API key has no browser token with this id that works."),
    TooManyTokens: Answer(
        429,
        "too_many_tokens",
        f"This API key has {tokens.MOST_TOKENS:,} browser tokens that work, as many as one may have. Try again when "
        "some have expired, or delete some.",
    ),
    BodyTooLarge: TOO_LARGE,
    RequestDataTooBig: TOO_LARGE,  # Django's own limit, which is larger but strikes first
    BodyTooSlow: Answer(
        408, "body_too_slow", "The body did not arrive in time. Nothing was charged; send the request again."
    ),
    BrokenBody: Answer(
        400,
        "broken_body",
        "The body broke off, or its chunks are malformed. Nothing was charged; send the request again.",
    ),
    NotJson: Answer(415, "unsupported_media_type", "Send the body as JSON with 'Content-Type: application/json'."),
    Encoded: Answer(
        415, "unsupported_media_type", "Send the body as it is: compressed ones are not taken (Content-Encoding)."
    ),
    NotAnObject: Answer(422, "invalid_request", "The body must be a JSON object with a 'prompt'."),
    InvalidJson: Answer(400, "invalid_json", "The body is not valid JSON in UTF-8."),
    InvalidIdempotencyKey: Answer(
        422, "invalid_request", "Idempotency-Key: must be 1 to 255 printable ASCII characters.", "Idempotency-Key"
    ),
    InvalidRequest: NOT_OFFERED,
    NotOffered: NOT_OFFERED,
    ModelNotAllowed: Answer(
        422,
        "model_not_allowed",
        "This API key may not use this model. GET /v1/models lists those that it may.",
        "model",
    ),
    PromptNotAllowed: Answer(422, "prompt_not_allowed", "This prompt breaks the rules of this site.", "prompt"),
    InputGone: Answer(422, "invalid_request", "A picture that it was to be made from is not there any more."),
    PictureRefused: Answer(422, "invalid_request", "A picture that you sent or named cannot be used."),
    UploadsFull: Answer(
        422,
        "uploads_full",
        "Your account keeps as many files as it may. Delete what you do not need; the others go after a while.",
    ),
    BrokenForm: Answer(
        400,
        "invalid_form",
        "The body must be multipart/form-data, and complete, with at most "
        f"{settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,} fields and {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files.",
    ),
    FormTooWordy: Answer(
        413,
        "body_too_large",
        f"The text fields of a form may have at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE / MIB:.1f} MB together. "
        "Send a picture as a file of the form, not as text.",
    ),
    StorageAway: Answer(503, "unavailable", "Files cannot be kept just now. Nothing was charged; try again shortly."),
    IdempotencyConflict: Answer(
        409,
        "idempotency_conflict",
        "This Idempotency-Key was used with another body, for the image that 'image_id' names. Use a new key for a new "
        "request.",
    ),
    OutOfCredits: Answer(
        402, "insufficient_credits", "You have no credits left for this image. Upgrade your plan or buy more credits."
    ),
    KeyLimitReached: Answer(
        402,
        "key_limit_reached",
        "This API key has spent its credit limit of a day, a month or in all. Raise it on your dashboard, or wait "
        "until it resets (UTC).",
    ),
    TooManyAtOnce: Answer(
        429,
        "too_many_unfinished",
        "Your plan allows no more unfinished images at a time. Try again when one is done.",
    ),
    RateLimited: Answer(429, "rate_limited", "Too many requests. Try again when Retry-After has passed."),
    LimiterUnavailable: Answer(
        503, "unavailable", "The service is restarting. Nothing was charged; try again shortly."
    ),
    UpstreamPaused: Answer(
        503, "unavailable", "No images can be drawn for the moment. Nothing was charged; try again in a minute."
    ),
    IntakePaused: Answer(
        503,
        "intake_paused",
        "No new images are taken on for now. Nothing was charged; try again when Retry-After has passed.",
    ),
    GenerationNotFound: Answer(404, "not_found", "There is no image with this id in your account."),
    ImageDeleted: Answer(
        404, "image_not_found", "An earlier call with this Idempotency-Key made the image, and it was deleted."
    ),
    NotFinished: Answer(409, "not_finished", "This image is not finished. Cancel it first, or wait for it."),
    UploadNotFound: Answer(404, "not_found", "There is no file with this id in your account."),
    NeedsHttps: Answer(
        403,
        "https_required",
        "Call this address over https://. Nothing was done. A key that was sent over plain HTTP may have been read by "
        "others: replace it on your dashboard.",
    ),
    DisallowedHost: Answer(400, "invalid_host", "The Host header names another site or is malformed."),
    Http404: Answer(404, "not_found", "There is nothing at this address."),  # `nowhere` tells where there is
}
# Before anything looked at the body, whose end never came or is none.
REFUSALS: dict[int, type[Exception]] = {413: BodyTooLarge, 408: BodyTooSlow, 400: BrokenBody}
METHOD_NOT_ALLOWED = Answer(405, "method_not_allowed", "This address does not take this method.")
INTERNAL_ERROR = Answer(
    500,
    "internal_error",
    "Something went wrong on our side. Send the same request again with the same Idempotency-Key: that never charges "
    "twice. Without a key, look in your gallery first: the image may be on its way.",
)
DATABASE_AWAY = Answer(
    503,
    "unavailable",
    "The service is restarting. Send the same request again with the same Idempotency-Key when Retry-After has passed: "
    "that never charges twice. Without a key, look in your gallery first: the image may be on its way.",
)


def refusal(status: int, request: HttpRequest) -> Answer:
    """Return what a caller gets to see whose body was given up with this status before anybody looked at it."""
    kind = REFUSALS[status]
    most = most_bytes(request.path_info, request.headers.get("Content-Type", ""))
    error = BodyTooLarge(most) if kind is BodyTooLarge else kind()
    return told(answer_of(error), error)


def answer_of(error: Exception) -> Answer:
    """Return what a caller gets to see of an error that `ANSWERS` lists, or of a special case of one that it lists."""
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)


def retry_seconds(error: Exception) -> int | None:
    """Return after how many seconds the same may work, where that is known."""
    match error:
        case RateLimited():
            return error.rate.reset
        case TooManyAtOnce():
            return 2
        case LimiterUnavailable() | StorageAway():
            return 5
        case UpstreamPaused():
            return 60
        case IntakePaused():
            return error.seconds
    return None


def told(answer: Answer, error: Exception, caller: Caller | None = None) -> Answer:
    """Return an answer with what only this error knows: the field at fault, or the price.

    What its account has, or its key may spend, is none of the business of a `caller` with a browser token.
    """
    if caller is not None and caller.token is not None and _is_the_accounts(error):
        return answer
    match error:
        case InvalidRequest(param=param):
            return replace(answer, message=f"{param}: {error}", param=param)
        case IntakePaused(words=str(words)) if words:
            return replace(answer, message=f"{words.rstrip('.')}. {answer.message}")
        case IpNotAllowed(ip=str(ip)):
            return replace(answer, message=answer.message.replace("this address.", f"{ip}."))
        case KeyLimitReached(cap=cap, period=period, resets_at=resets_at):
            return replace(answer, message=_spent(cap, period, resets_at))
        case IdempotencyConflict(public_id=""):
            return replace(
                answer, message="This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        case BodyTooLarge(most=most) if most != API_BODY_BYTES:
            return replace(answer, message=f"The body may have at most {most // MIB} MB.")
        case OutOfCredits(balance=balance, needed=needed) if balance or needed > 1:
            words = f"This costs {counted(needed, 'credit')}; you have {counted(balance, 'credit')}."
            return replace(answer, message=f"{words} Upgrade your plan or buy more credits.")
    return answer


def _is_the_accounts(error: Exception) -> bool:
    return isinstance(error, OutOfCredits) or (isinstance(error, KeyLimitReached) and error.period != "token")


_PERIODS: dict[CapPeriod, str] = {"day": "daily", "month": "monthly", "lifetime": "lifetime", "token": ""}


def _spent(cap: int, period: CapPeriod, resets_at: datetime | None) -> str:
    """Say which cap is reached, and what helps."""
    if period == "token":
        return f"This browser token has spent its limit of {counted(cap, 'credit')}. Ask for a new one."
    words = f"This API key has spent its {_PERIODS[period]} credit limit of {cap:,}."
    if resets_at is None:
        return f"{words} Raise it on your dashboard."
    return f"{words} It resets at {resets_at:%Y-%m-%dT%H:%M:%SZ}; raise it on your dashboard."
