"""Every way the API says no, for people: read off the table that the API answers from, so that none can be missing."""

import inspect
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import Http404

from accounts.errors import (
    CutApiKey,
    InvalidApiKey,
    IpNotAllowed,
    MissingApiKey,
    NotForTokens,
    ScopeMissing,
    TooManyTokens,
    WrongOrigin,
)
from generator.errors import (
    BrokenForm,
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
from generator.models import CANCELLED, PROMPT_REFUSED
from kit.http.json_body import BodyTooLarge, Encoded, InvalidJson, NotAnObject, NotJson
from kit.storage import StorageAway
from reveweb.answers import (
    ANSWERS,
    DATABASE_AWAY,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    Answer,
    BodyTooSlow,
    BrokenBody,
    NeedsHttps,
)

NOT_BILLED = "No"


@dataclass(frozen=True)
class Refusal:
    """A row of the errors page: what the API answers, when, what to do about it, and whether it cost a credit."""

    code: str
    status: int
    when: str
    advice: str
    billed: str = NOT_BILLED


@dataclass(frozen=True)
class Failure:
    """A row about a generation that was admitted and failed. `status` is what a caller who waited for it gets."""

    code: str
    status: int
    when: str
    advice: str


_NOT_OFFERED = (
    "The model does not do this, or not in this shape, size or quality.",
    "Send what `message` names, or leave the field out; `param` is the field.",
)
# What the table's messages leave unsaid. An error without an entry shows its class's docstring and its own message.
GUIDANCE: dict[type[Exception], tuple[str, str]] = {
    MissingApiKey: (
        "There is no `Authorization` header, or it isn’t of the form `Bearer …`.",
        "Send your key in that header, with each request.",
    ),
    IpNotAllowed: (
        "The key has a list of addresses, and the call came from another one.",
        "Call from one of these, or change the list on your dashboard.",
    ),
    ScopeMissing: (
        "The key works, but its scopes leave this out.",
        "Give it the scope on your dashboard, or use another key.",
    ),
    NotForTokens: (
        "A browser token was sent to something that only keys may do.",
        "Call it from your server, with a key.",
    ),
    WrongOrigin: (
        "A browser token was sent without an `Origin` header, or from a page of another site than it was made for.",
        "Make a token for the site that your page is on; `origin` names it.",
    ),
    TooManyTokens: (
        "The key has as many browser tokens that work as one may have.",
        "Make one for each visitor and not for each image, and let them end sooner.",
    ),
    ModelNotAllowed: (
        "The key may use some models only, and this is none of them.",
        "Send one that `message` names, or leave `model` out; or change the key’s models on your dashboard.",
    ),
    CutApiKey: (
        "The key is shorter than keys are: only its beginning, or what stands for it in a sample.",
        "Send the whole key. It is shown once; if it is lost, create another one.",
    ),
    InvalidApiKey: (
        "The key is mistyped, unknown, revoked or expired, or its account is suspended.",
        "Check that you sent the whole key. If it is lost, create another one.",
    ),
    BodyTooLarge: (
        f"The body has more than {ANSWERS[BodyTooLarge].message.rpartition('most ')[2].rstrip('.')}, or with pictures "
        "than `message` names.",
        "Shorten the prompt. Upload pictures as files first, and send their ids.",
    ),
    BodyTooSlow: (
        f"The whole body has not arrived {settings.REQUEST_SECONDS} seconds after the request began.",
        "Send the same request again.",
    ),
    BrokenBody: (
        "The body broke off before its end, or its chunks (`Transfer-Encoding: chunked`) are malformed.",
        "Send the request again; let a library write it.",
    ),
    NotJson: ("The `Content-Type` names something other than JSON.", "Send `Content-Type: application/json`."),
    Encoded: ("The body is compressed (`Content-Encoding`).", "Send it as it is; it is small."),
    NotAnObject: ("The body is JSON, but not an object.", 'Send an object: `{"prompt": "…"}`.'),
    InvalidJson: ("The body is empty, or isn’t JSON in UTF-8.", "Let a JSON library write the body."),
    InvalidIdempotencyKey: (
        "The `Idempotency-Key` isn’t 1 to 255 printable ASCII characters without spaces.",
        "Use a UUID.",
    ),
    IdempotencyConflict: (
        "The `Idempotency-Key` was sent before with another body.",
        "Use a new key for a new request. The first request stands; `image_id` names its image.",
    ),
    InvalidRequest: _NOT_OFFERED,
    NotOffered: _NOT_OFFERED,
    InputGone: (
        "A picture that the image was to be made from is not there any more.",
        "Send it again, or name another one; `param` is its field.",
    ),
    PromptNotAllowed: (
        "The prompt breaks a rule of this site’s. `param` says whether `prompt` or `negative_prompt` does.",
        "`message` says which. Change the prompt; the same one will be refused again.",
    ),
    PictureRefused: (
        "A picture that you sent or named cannot be used.",
        "Correct the field that `param` names, such as `image` or `images.2`; `message` says what is wrong.",
    ),
    UploadsFull: (
        "Your account keeps as many files as it may.",
        "Delete some with `DELETE /v1/files/FILE_ID`; each goes by itself after a while.",
    ),
    BrokenForm: (
        "The body says that it is `multipart/form-data` and cannot be read as that, or it should be and isn’t.",
        "Let a library write the form, and its `Content-Type` with the boundary.",
    ),
    FormTooWordy: (
        "The text fields of a form are too large, as with a picture in base64 among them.",
        "Send the picture as a file of the form. In JSON it may be base64.",
    ),
    StorageAway: (
        "Files cannot be kept just now. The request was not accepted.",
        "Wait `Retry-After` seconds, then send it again.",
    ),
    UploadNotFound: (
        "No file of your account has this id. It may have been deleted, or its time is up.",
        "Upload it again.",
    ),
    OutOfCredits: ("The balance doesn’t cover the image.", "Buy credits or change your plan, then send it again."),
    KeyLimitReached: (
        "The API key has spent as many credits as it may in a day or a month (UTC) or in all, or a browser token did.",
        "`message` says which limit it is and when it resets. Raise it on your dashboard, or wait; make another token.",
    ),
    TooManyAtOnce: (
        "As many images are unfinished as your plan allows at a time.",
        "Wait `Retry-After` seconds, or until one is done.",
    ),
    RateLimited: ("You used up the requests of the last minute.", "Wait `Retry-After` seconds, then send it again."),
    LimiterUnavailable: (
        "The service is restarting. The request was not accepted.",
        "Wait `Retry-After` seconds, then send it again.",
    ),
    UpstreamPaused: (
        "No images can be drawn until we have mended something. The request was not accepted.",
        "Wait `Retry-After` seconds, then send it again. Images that were accepted before are kept waiting.",
    ),
    IntakePaused: (
        "No new images are taken on, of any model or of this one, as while this site is worked on.",
        "Read `message`. Wait `Retry-After` seconds, then send it again. What was accepted before is drawn.",
    ),
    GenerationNotFound: (
        "No image of your account has this id. Images of others are not found either.",
        "Check the id, and that the key belongs to the account that made the image.",
    ),
    ImageDeleted: (
        "Tools for agents and addresses of other APIs: the `Idempotency-Key` made an image before, which was deleted.",
        "Use a new key to have it made again.",
    ),
    NotFinished: (
        "The image that you would delete is still on its way.",
        "Cancel it first (`POST /v1/reve-image/{id}/cancel`), or delete it when it has ended.",
    ),
    NeedsHttps: (
        "The request came over plain HTTP. Its key was not looked at.",
        "Begin the address with `https://`. Replace the key that you sent: others may have read it on its way.",
    ),
    DisallowedHost: ("The `Host` header names another site.", "Use this site’s own address."),
    Http404: ("Nothing is at this address.", "Check the path; `message` lists what there is."),
}
INVALID_FIELD = Refusal(
    "invalid_request",
    422,
    "A field is missing, of the wrong type, too long, or not one of the values it can take.",
    "Correct the field that `param` names; `message` says what is wrong.",
)
_MAY_BE_BILLED = "Only if the image was made, and once at most"
_FAILURES = (
    Failure(
        PROMPT_REFUSED,
        422,
        "The model refuses the prompt. `param` is `prompt`.",
        "Change the prompt; the same one will be refused again.",
    ),
    Failure(
        "upstream_failed",
        502,
        "The image could not be made, or came out broken.",
        "Send the request again, with a new `Idempotency-Key`.",
    ),
    Failure(
        "timed_out",
        502,
        "There was no image by the deadline. A `502` calls it `upstream_failed`.",
        "Send the request again, with a new `Idempotency-Key`.",
    ),
    Failure(
        CANCELLED,
        502,
        "Its owner cancelled it in the studio before it was drawn, or closed the account. A `502` calls it "
        "`upstream_failed`.",
        "Nothing. Send the request again, with a new `Idempotency-Key`, if it is wanted after all.",
    ),
)


def refusals() -> list[Refusal]:
    """Return every error that a request can be answered with before it becomes a generation, by HTTP status."""
    rows: dict[Answer, Refusal] = {}
    for kind, answer in ANSWERS.items():
        rows.setdefault(answer, _refusal(kind, answer))
    rows[METHOD_NOT_ALLOWED] = _row(
        METHOD_NOT_ALLOWED,
        "The address takes another method.",
        "Send a `POST` to generate, a `GET` for the status; `Allow` names what is possible.",
    )
    rows[DATABASE_AWAY] = _row(
        DATABASE_AWAY,
        "The service is restarting, and whether the request was accepted is not known.",
        "Wait `Retry-After` seconds, then send it again with the same `Idempotency-Key`.",
        _MAY_BE_BILLED,
    )
    rows[INTERNAL_ERROR] = _row(
        INTERNAL_ERROR,
        "Something broke on our side.",
        "Send it again with the same `Idempotency-Key`: you get what was made, or it is made now.",
        _MAY_BE_BILLED,
    )
    return sorted([*rows.values(), INVALID_FIELD], key=lambda row: row.status)


def failures() -> tuple[Failure, ...]:
    """Return every way a generation can end without an image."""
    return _FAILURES


def _refusal(kind: type[Exception], answer: Answer) -> Refusal:
    first_line = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
    when, advice = GUIDANCE.get(kind, (first_line, answer.message))
    return _row(answer, when, advice)


def _row(answer: Answer, when: str, advice: str, billed: str = NOT_BILLED) -> Refusal:
    return Refusal(answer.code, answer.status, when.replace("|", "\\|"), advice.replace("|", "\\|"), billed)
