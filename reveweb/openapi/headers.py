"""The headers of the API's answers, as the document lists them."""

from collections.abc import Iterator
from typing import Any

from reveweb.openapi.operations import DRAWS, MODELS, STATUS

Json = dict[str, Any]


def _header(description: str, schema: Json, *, always: bool = False) -> Json:
    return {"description": description, "required": always, "schema": schema}


def _count(**limits: int) -> Json:
    return {"type": "integer", "minimum": 0, **limits}


# `required` says that it is there wherever `headers` lists it.
HEADERS = {
    "X-Request-Id": _header(
        "Names this request, for support.", {"type": "string", "pattern": "^req_[0-9a-f]{24}$"}, always=True
    ),
    "Cache-Control": _header("No cache may keep the answer.", {"type": "string", "const": "no-store"}, always=True),
    "Vary": _header("For caches.", {"type": "string", "examples": ["origin"]}, always=True),
    "Access-Control-Allow-Origin": _header(
        "To requests from pages of other sites: any may read the answer.", {"type": "string", "const": "*"}
    ),
    "Access-Control-Expose-Headers": _header(
        "To requests from pages of other sites: the headers that their scripts may read.", {"type": "string"}
    ),
    "Strict-Transport-Security": _header("Over HTTPS, where the site insists on it.", {"type": "string"}),
    "X-Credits-Charged": _header("Credits that this request cost.", _count()),
    "X-Credits-Would-Charge": _header("To a test key: the credits that a live key would have been charged.", _count()),
    "X-Credits-Remaining": _header("Credits that are left.", {"type": "integer"}),
    "RateLimit-Limit": _header("Requests in the sliding minute.", _count(minimum=1)),
    "RateLimit-Remaining": _header("How many of them are left.", _count()),
    "RateLimit-Reset": _header("Seconds until one is free again.", _count()),
    "RateLimit-Policy": _header("The limit and its window in seconds.", {"type": "string", "pattern": r"^\d+;w=60$"}),
    "Idempotent-Replayed": _header(
        "The Idempotency-Key was known: this is the first image, for free.", {"type": "string", "const": "true"}
    ),
    "Preference-Applied": _header(
        "What was done of what `Prefer` asked for.", {"type": "string", "examples": ["wait=30"]}
    ),
    "Retry-After": _header(
        "Seconds to wait before the request is sent again; with `202`, before the status is asked for.",
        _count(),
        always=True,
    ),
    "retry-after-ms": _header("The same in milliseconds, for OpenAI's clients.", _count(), always=True),
    "WWW-Authenticate": _header("How to send a key.", {"type": "string", "const": 'Bearer realm="api"'}, always=True),
    "Allow": _header("The methods that the address takes.", {"type": "string"}, always=True),
}
_ON_ALL = (
    "X-Request-Id",
    "Cache-Control",
    "Vary",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Strict-Transport-Security",
)
_CREDITS = ("X-Credits-Charged", "X-Credits-Remaining")
_RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
_WITH_RATE = (200, 202, 402, 422, 429, 502)
_WITHOUT_CREDITS = (401, 403, 405, 408, 413, 500)  # whoever calls is not known, or nothing is
_REPLAYED = (200, 202, 422, 502)


def headers(operation: str, status: int) -> Iterator[str]:
    """Name the headers that an answer of an operation can have, beside those of HTTP's own such as its length."""
    yield from _ON_ALL
    if operation in DRAWS:
        if status not in _WITHOUT_CREDITS:
            yield from _CREDITS
        if status in _WITH_RATE:
            yield from _RATE
        if status in _REPLAYED:
            yield from ("Idempotent-Replayed", "Preference-Applied", "X-Credits-Would-Charge")
    if operation in (STATUS, "get_image") and status == 200:
        yield "Preference-Applied"
    own = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
    if status in own:
        yield own[status]
    if status == 202 and operation in DRAWS:
        yield "Retry-After"
    if own.get(status) == "Retry-After" and operation == MODELS:
        yield "retry-after-ms"
