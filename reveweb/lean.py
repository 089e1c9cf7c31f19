"""The two seed endpoints without Django's handler, which costs more than what they do: `generate` and image status.

Everything that decides is shared with the framework's views (`generator.api`): who calls, what is valid, admission,
waiting, answers and the table of errors. What is odd goes to Django's handler before anything was done for it, body and
all, so that there is one place that says what is wrong with a request.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any, cast

from corsheaders.middleware import CorsMiddleware
from django.core.exceptions import RequestAborted
from django.http import HttpResponse, HttpResponseBase
from django.utils.log import log_response

from accounts.models import KeyScope
from generator.api import calling, images, prefer
from generator.api.calling import ApiRequest
from generator.ask.schemas import GenerateRequest
from kit import request_id
from kit.http.requests import site_of
from kit.threads import in_thread
from reveweb import https, noting
from reveweb.api import api
from reveweb.held import Receive, Scope, Send, Utf8Request

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

GENERATE = "/v1/reve-image/generate"
_STATUS = re.compile(r"/v1/reve-image/status/([^/]+)")
_cors = CorsMiddleware(lambda request: HttpResponse())


class _Odd(Exception):
    """Not for this handler."""


def takes(scope: Scope) -> bool:
    """Tell whether a request is one of the two that are served here, by its method and path."""
    path, method = scope["path"], scope["method"]
    if scope.get("root_path"):
        return False
    return (method == "POST" and path == GENERATE) or (method == "GET" and _STATUS.fullmatch(path) is not None)


async def serve(scope: Scope, receive: Receive, send: Send, otherwise: Application) -> None:
    """Answer one request that `takes` is true for; `otherwise` answers what is odd about it."""
    began = time.perf_counter()
    try:
        body = await read_body(receive)
    except RequestAborted:
        return
    try:
        request = cast(ApiRequest, Utf8Request(scope, BytesIO(body)))
        work, waits = await _understood(request)
    except Exception:
        await otherwise(scope, _replay(body, receive), send)
        return
    id = request_id.begin()
    answering = _answer(request, work)
    response = await (_unless_disconnected(answering, receive) if waits else answering)
    if noting.is_kept(request):
        noting.note(request, response, began)
    if response is None:
        return
    _cors.add_response_headers(request, response)
    https.bind(request, response)
    response["X-Request-Id"] = id
    if response.status_code >= 400:
        log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
    await send_response(response, send)


async def _understood(request: ApiRequest) -> tuple[Callable[[], Awaitable[HttpResponse]], bool]:
    """Return what is to be done for `request`, and whether that may take long.

    Raises what is wrong with it; nothing has happened then.
    """
    if https.is_needed(request):
        raise _Odd
    site_of(request)  # an answer names it: better refused now than after something was charged
    scope = KeyScope.READ if request.method == "GET" else KeyScope.GENERATE
    if not calling.recall(request, scope):
        await in_thread(partial(calling.look_up, request, scope))
    if request.method == "GET":
        [image_id] = _STATUS.fullmatch(request.path).groups()  # type: ignore[union-attr]  # `takes` has seen to it
        return partial(images.look, request, image_id), bool(prefer.of(request).wait)
    calling.idempotency_key(request)
    if not request.body:
        raise _Odd  # the framework has its own words for that
    body = GenerateRequest.model_validate(api.parser.parse_body(request))
    return partial(images.draw, request, body), prefer.of(request).seconds(not body.asynchronous) > 0


async def _answer(request: ApiRequest, work: Callable[[], Awaitable[HttpResponse]]) -> HttpResponse:
    try:
        return await work()
    except Exception as error:
        return api.on_exception(request, error)


async def read_body(receive: Receive) -> bytes:
    """Return a request's body. Raises RequestAborted when the caller hangs up."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] != "http.disconnect":
        if not message.get("more_body", False):
            return body
        message = await receive()
        body += message.get("body", b"")
    raise RequestAborted


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that begins with what was read already."""
    read = iter([{"type": "http.request", "body": body}])

    async def again() -> Mapping[str, Any]:
        return next(read, None) or await receive()

    return again


async def _unless_disconnected(work: Awaitable[HttpResponse], receive: Receive) -> HttpResponse | None:
    """Return the result of `work`, or None once the caller has hung up, as somebody who waits for an image may."""
    answering = asyncio.ensure_future(work)
    listening = asyncio.create_task(disconnection(receive))
    try:
        await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
        return answering.result() if answering.done() else None
    finally:
        for task in (answering, listening):
            task.cancel()


async def disconnection(receive: Receive) -> None:
    """Return once the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_response(response: HttpResponseBase, send: Send) -> None:
    """Send an answer that is whole."""
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": cast(HttpResponse, response).content})
