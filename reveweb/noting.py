"""Every answer of the API is noted for the request log of whoever called: one function, and the layer that calls it.

Nothing is looked into here, no database is asked and nothing is waited for (`generator.calls`): a call costs some
microseconds more, and whatever goes wrong with the log is the log's alone.
"""

import asyncio
import logging
import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import async_only_middleware

from accounts import keys
from accounts.errors import MissingApiKey
from generator.calls import words
from generator.calls.seen import Seen
from generator.calls.writing import BUFFER
from kit import request_id
from kit.http.requests import client_ip
from reveweb.lanes import Lane, lane_of
from reveweb.middleware import GetResponse

log = logging.getLogger(__name__)

HUNG_UP = 499  # as nginx calls it: the caller was gone before there was an answer
ASKED_WITH = ("Content-Type", "Idempotency-Key", "Prefer", "Origin", "Accept", "OpenAI-Organization")
ANSWERED_WITH = (
    "Content-Type",
    "X-Credits-Remaining",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "Idempotent-Replayed",
    "Preference-Applied",
    "Location",
    "Deprecation",
)


@async_only_middleware
def noted(get_response: GetResponse) -> GetResponse:
    """Notes what the API answers."""

    async def asynchronous(request: HttpRequest) -> HttpResponseBase:
        if not is_kept(request):
            plain: HttpResponseBase = await get_response(request)
            return plain
        began = time.perf_counter()
        try:
            response: HttpResponseBase = await get_response(request)
        except asyncio.CancelledError:
            note(request, None, began)
            raise
        note(request, response, began)
        return response

    return asynchronous


def is_kept(request: HttpRequest) -> bool:
    """Tell whether a request is one that a log is kept of: with a key, of the API, and by a program's own will."""
    return (
        settings.REQUEST_LOG_DAYS > 0
        and request.method != "OPTIONS"
        and Lane.API in lane_of(request.path_info)
        and "HTTP_AUTHORIZATION" in request.META
    )


def note(request: HttpRequest, response: HttpResponseBase | None, began: float) -> None:
    """Note a call and its answer, None where the caller hung up; `began` is `time.perf_counter()` as it came.

    Never raises.
    """
    try:
        if call := _seen(request, response, began):
            BUFFER.put(call)
    except Exception:
        log.exception("A call is missing in the request log")


def _seen(request: HttpRequest, response: HttpResponseBase | None, began: float) -> Seen | None:
    caller: Any = getattr(request, "caller", None)
    digest = ""
    if caller is not None:
        key = caller.api_key
        prefix = key.prefix
    elif (sent := _fingerprint(request)) is not None:
        key = None
        prefix, digest = sent
    else:
        return None
    meta = request.META
    body, size = _asked(request)
    told = {} if response is None else response.headers
    return Seen(
        request_id=request_id.current.get(),
        wallet_id=caller.wallet.pk if key else None,
        api_key_id=key.pk if key else None,
        key_prefix=prefix,
        key_digest=digest,
        is_test=bool(key and key.is_test),
        method=request.method or "",
        path=request.path,
        status=HUNG_UP if response is None else response.status_code,
        duration_ms=round((time.perf_counter() - began) * 1000),
        credits=int(told.get("X-Credits-Charged") or 0),
        ip=client_ip(request),
        user_agent=meta.get("HTTP_USER_AGENT", "")[:200],
        at=timezone.now(),
        request_headers={name: value for name in ASKED_WITH if (value := request.headers.get(name))},
        answer_headers={name: told[name] for name in ANSWERED_WITH if name in told},
        request_body=body,
        request_bytes=size,
        answer_body=_answered(response),
        # The lists themselves: who hangs up is noted before what is asked for may have been admitted.
        about=vars(request).setdefault("about", []),
        charged=vars(request).setdefault("charged", []) if response is None else [],
    )


def _fingerprint(request: HttpRequest) -> tuple[str, str] | None:
    """Return what is kept of the key that came with a call whose caller nobody looked up, or who was refused."""
    try:
        return keys.fingerprint(keys.from_header(request.headers.get("Authorization")))
    except MissingApiKey:
        return None


def _asked(request: HttpRequest) -> tuple[bytes, int]:
    """Return what a view has read of a request's words, as JSON, and how many bytes were sent."""
    body: bytes = getattr(request, "_body", b"")
    size = len(body) or int(request.META.get("CONTENT_LENGTH") or 0)
    told: bytes | None = getattr(request, "told", None)
    if told is not None:
        return told, size
    return words.shortened(body) if _is_json(request) else b"", size


def _is_json(request: HttpRequest) -> bool:
    kind = (request.content_type or "application/json").lower()
    return kind == "application/json" or kind.endswith("+json")


def _answered(response: HttpResponseBase | None) -> bytes:
    """Return the JSON of an answer; pictures and streams are none of it."""
    if not isinstance(response, HttpResponse) or "json" not in response.headers.get("Content-Type", ""):
        return b""
    return words.shortened(response.content)
