"""Assembles `/v1` from the apps' routers, and says for every domain error what the caller gets to see."""

import logging
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from accounts import keys
from accounts.errors import CutApiKey, InvalidApiKey, MissingApiKey
from generator.api import describe_standing
from generator.api import router as images_router
from generator.api_models import router as models_router
from generator.api_pictures import router as pictures_router
from generator.errors import (
    BrokenForm,
    GenerationNotFound,
    IdempotencyConflict,
    InputGone,
    InvalidIdempotencyKey,
    InvalidRequest,
    KeyLimitReached,
    LimiterUnavailable,
    NotOffered,
    OutOfCredits,
    PictureRefused,
    RateLimited,
    TooManyAtOnce,
    UploadNotFound,
    UploadsFull,
    UpstreamPaused,
)
from kit.http import json_body
from kit.http.json_body import BodyTooLarge as BodyTooLarge
from kit.http.json_body import Encoded as Encoded
from kit.http.json_body import InvalidJson as InvalidJson
from kit.http.json_body import NotAnObject as NotAnObject
from kit.http.json_body import NotJson as NotJson
from kit.postgresql.outage import RETRY_SECONDS, is_outage
from kit.storage import StorageAway
from kit.text import counted
from reveweb.lanes import API_BODY_BYTES, MIB, most_bytes

log = logging.getLogger(__name__)


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
    InputGone: Answer(422, "invalid_request", "A picture that it was to be made from is not there any more."),
    PictureRefused: Answer(422, "invalid_request", "A picture that you sent or named cannot be used."),
    UploadsFull: Answer(
        422,
        "uploads_full",
        "Your account keeps as many files as it may. Delete what you do not need; the others go after a while.",
    ),
    BrokenForm: Answer(400, "invalid_form", "The body must be multipart/form-data, and complete."),
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
        "This API key has spent its monthly credit limit. It resets on the 1st (UTC); raise it on your dashboard.",
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
    GenerationNotFound: Answer(404, "not_found", "There is no image with this id in your account."),
    UploadNotFound: Answer(404, "not_found", "There is no file with this id in your account."),
    NeedsHttps: Answer(
        403,
        "https_required",
        "Call this address over https://. Nothing was done. A key that was sent over plain HTTP may have been read by "
        "others: replace it on your dashboard.",
    ),
    DisallowedHost: Answer(400, "invalid_host", "The Host header names another site or is malformed."),
    Http404: Answer(
        404, "not_found", "There is nothing at this address. The API's endpoints begin with /v1/reve-image/."
    ),
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


class JsonParser(Parser):
    """Takes JSON in UTF-8 within bounds and nothing else."""

    def parse_body(self, request: HttpRequest) -> Any:
        return json_body.parse(request, most=API_BODY_BYTES)


def refusal(status: int, request: HttpRequest) -> Answer:
    """Return what a caller gets to see whose body was given up with this status before anybody looked at it."""
    kind = REFUSALS[status]
    most = most_bytes(request.path_info, request.headers.get("Content-Type", ""))
    error = BodyTooLarge(most) if kind is BodyTooLarge else kind()
    return told(answer_of(error), error)


def answer_of(error: Exception) -> Answer:
    """Return what a caller gets to see of an error that `ANSWERS` lists, or of a special case of one that it lists."""
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)


def error_response(answer: Answer, *, image_id: str | None = None) -> JsonResponse:
    """Return the JSON of an error, always in the same shape; `image_id` is of the image that is in the way."""
    error = {"code": answer.code, "message": answer.message}
    if answer.param:
        error["param"] = answer.param
    if image_id:
        error["image_id"] = image_id
    response = JsonResponse({"error": error}, status=answer.status)
    response["Cache-Control"] = "no-store"
    if answer.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="api"'
    return response


def _on_domain_error(request: HttpRequest, error: Exception) -> HttpResponse:
    response = error_response(told(answer_of(error), error), image_id=getattr(error, "public_id", None))
    rate = getattr(error, "rate", None)
    describe_standing(request, response, rate, getattr(error, "balance", None))
    if isinstance(error, RateLimited):
        response["Retry-After"] = str(error.rate.reset)
    elif isinstance(error, TooManyAtOnce):
        response["Retry-After"] = "2"
    elif isinstance(error, (LimiterUnavailable, StorageAway)):
        response["Retry-After"] = "5"
    elif isinstance(error, UpstreamPaused):
        response["Retry-After"] = "60"
    return response


def told(answer: Answer, error: Exception) -> Answer:
    """Return an answer with what only this error knows: the field at fault, or the price."""
    match error:
        case InvalidRequest(param=param):
            return replace(answer, message=f"{param}: {error}", param=param)
        case BodyTooLarge(most=most) if most != API_BODY_BYTES:
            return replace(answer, message=f"The body may have at most {most // MIB} MB.")
        case OutOfCredits(balance=balance, needed=needed) if balance or needed > 1:
            words = f"This costs {counted(needed, 'credit')}; you have {counted(balance, 'credit')}."
            return replace(answer, message=f"{words} Upgrade your plan or buy more credits.")
    return answer


def _on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    path = [str(part) for part in first["loc"] if part not in ("body", "path", "query")]
    if not path:  # the framework shows an empty body to no parser
        return _on_domain_error(request, InvalidJson())
    response = error_response(Answer(422, "invalid_request", f"{path[0]}: {first['msg']}", path[0]))
    describe_standing(request, response, None)
    return response


def _on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    cause = error.__cause__  # the framework wraps what its parser raises
    if isinstance(cause, Exception) and isinstance(cause, tuple(ANSWERS)):
        return _on_domain_error(request, cause)
    return error_response(Answer(error.status_code, "invalid_request", str(error)))


def _on_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    if is_outage(error):
        log.error("%s %s failed, for the database is away: %s", request.method, request.path, error)
        response = error_response(DATABASE_AWAY)
        response["Retry-After"] = str(RETRY_SECONDS)
        return response
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return error_response(INTERNAL_ERROR)


api = NinjaAPI(
    title=f"{settings.SITE_NAME} API",
    version="1",
    description="Draw images from words.",
    parser=JsonParser(),
    docs_url=None,
    openapi_url=None,  # `reveweb.openapi` has it
)
for _kind in ANSWERS:
    api.exception_handler(_kind)(_on_domain_error)
api.exception_handler(ValidationError)(_on_invalid)
api.exception_handler(HttpError)(_on_http_error)
api.exception_handler(Exception)(_on_bug)
for _router in (images_router, pictures_router, models_router):
    api.add_router("", _router)
