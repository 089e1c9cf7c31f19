"""The door of `/mcp`: what an MCP request has to bring before the `mcp` package sees it.

It is served beside Django's handler, as the two seed endpoints are (`reveweb.lean`), for that package is an ASGI
application of its own. So what the middleware of other calls does is done here: the request's id, HTTPS, CORS. Whoever
hangs up is not worked for any longer; an image that is under way goes on, as everywhere.
"""

import asyncio
import importlib
import json
import time
from collections.abc import Awaitable, Mapping
from functools import partial
from io import BytesIO
from typing import Any, cast
from urllib.parse import urlsplit

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils.log import log_response

from generator.api import calling
from generator.api.calling import ApiRequest
from generator.ask import limits
from kit import request_id
from kit.http.json_body import NotJson
from kit.http.requests import site_of
from kit.loops import PerLoop
from kit.threads import Pool, in_thread
from reveweb import https, noting
from reveweb.answers import ANSWERS, Answer, NeedsHttps
from reveweb.api import api
from reveweb.held import Receive, Scope, Send, Utf8Request
from reveweb.lean import disconnection, read_body, send_response
from reveweb.mcp import sessions
from reveweb.mcp.calls import CALL, Call
from reveweb.mcp.sessions import Session, SessionUnknown
from reveweb.voices import MCP, error_response

METHODS = ("POST", "DELETE")
SESSION = "Mcp-Session-Id"
SESSION_CREDITS = "Mcp-Session-Credits"  # a lower cap than this site's, for whoever sends it with each request
EVENTS = "text/event-stream"
_STRANGE_ORIGIN = Answer(403, "origin_not_allowed", "Pages of other sites may not call this server from a browser.")
_NO_SESSION = Answer(404, "session_not_found", "There is no such session any more. Begin a new one with 'initialize'.")
_ODD_CAP = Answer(
    400, "invalid_request", f"{SESSION_CREDITS} must be a whole number of credits, from 1.", SESSION_CREDITS
)
_cors = CorsMiddleware(lambda request: HttpResponse())


def takes(scope: Scope) -> bool:
    """Tell whether a request is served here; Django answers other methods (`otherwise`), and says which there are."""
    return scope["path"].rstrip("/") == MCP and scope["method"] in METHODS and not scope.get("root_path")


async def otherwise(request: HttpRequest) -> HttpResponse:
    """Refuse a method: nobody listens here for what the server says unasked, for it says nothing (GET)."""
    return HttpResponseNotAllowed(METHODS)


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request that `takes` is true for."""
    began = time.perf_counter()
    try:
        body = await read_body(receive)
    except RequestAborted:
        return
    request = cast(ApiRequest, Utf8Request(scope, BytesIO(body)))
    id = request_id.begin()
    try:
        if request.method == "POST" and request.content_type != "application/json":
            raise NotJson  # the machine would say so in plain text
        message = _parsed(request.body)
        method = str(message.get("method", ""))
        call = await _admitted(request, method)
        response = await _end(call.session) if request.method == "DELETE" else None
    except _Refused as error:
        response = error.response
    except Exception as error:
        response = api.on_exception(request, error)
    if response is not None:
        if response.status_code == 401:
            response["WWW-Authenticate"] = _challenge(request)
        if response.status_code >= 400:
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        _note(request, response, began)
        _complete(request, response, id)
        await send_response(response, send)
        return
    headers = HttpResponse()
    del headers["Content-Type"]
    if method == "initialize":
        headers[SESSION] = sessions.begin(request.caller)
    headers["Cache-Control"] = "no-store"
    _complete(request, headers, id)
    machine = await _machine()
    in_events = _wants_progress(message) and EVENTS in request.headers.get("Accept", "")
    gone = asyncio.Event()
    work = machine.serve({**scope, CALL: call}, _replay(body, gone), _with(headers, send), in_events=in_events)
    is_answered = await _unless_gone(work, receive, gone)
    if method == "tools/call" and not is_answered and not call.came_to:
        _note(request, None, began)
    elif method == "tools/call":
        told = call.came_to[0].data if call.came_to and not call.came_to[0].is_list else {}
        _note(request, JsonResponse(told, headers={"X-Credits-Charged": told.get("credits_charged", 0)}), began)


def _note(request: HttpRequest, response: HttpResponse | None, began: float) -> None:
    if noting.is_kept(request):
        noting.note(request, response, began)


class _Refused(Exception):
    def __init__(self, response: HttpResponse) -> None:
        self.response = response


async def _admitted(request: ApiRequest, method: str) -> Call:
    """Return who calls, in which session. Raises _Refused, and what the API's own endpoints raise of a caller."""
    if https.is_needed(request):
        raise _Refused(error_response(request, ANSWERS[NeedsHttps]))
    request.get_host()  # raises DisallowedHost
    if not _may_ask(request.headers.get("Origin"), site_of(request)):
        raise _Refused(error_response(request, _STRANGE_ORIGIN))
    if not calling.recall(request, None):
        await in_thread(partial(calling.look_up, request, None))
    cap = request.headers.get(SESSION_CREDITS, "0")
    if not (cap.isascii() and cap.isdigit() and len(cap) < 10) or (SESSION_CREDITS in request.headers and not int(cap)):
        raise _Refused(error_response(request, _ODD_CAP))
    named = None if method == "initialize" else request.headers.get(SESSION)
    try:
        session = sessions.find(request.caller, named, int(cap))
    except SessionUnknown:
        raise _Refused(error_response(request, _NO_SESSION)) from None
    if (named is None and request.method == "DELETE") or (named is not None and await session.has_ended()):
        raise _Refused(error_response(request, _NO_SESSION))
    if method != "tools/call":  # tools count for themselves
        await limits.take_status_soon(request.caller)
    return Call(request, session)


def _may_ask(origin: str | None, own: str) -> bool:
    """Tell whether a request may come from pages of `origin`; a program that is no browser names none of the web's."""
    if origin is None or origin in (own, *settings.MCP_ALLOWED_ORIGINS):
        return True
    return origin != "null" and urlsplit(origin).scheme not in ("http", "https", "")


def _challenge(request: HttpRequest) -> str:
    error = ', error="invalid_token"' if "Authorization" in request.headers else ""
    return f'Bearer realm="mcp"{error}'


async def _end(session: Session) -> HttpResponse:
    await session.end()
    return JsonResponse({"ended": True})


def _parsed(body: bytes) -> Mapping[str, Any]:
    """Return a message as far as the door looks at it; what is wrong with one is not said here."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _wants_progress(message: Mapping[str, Any]) -> bool:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and meta.get("progressToken") is not None and message.get("method") == "tools/call"


def _complete(request: HttpRequest, response: HttpResponse, id: str) -> None:
    _cors.add_response_headers(request, response)
    https.bind(request, response)
    response["X-Request-Id"] = id


def _with(headers: HttpResponse, send: Send) -> Send:
    """Return `send` for an answer that has these headers too."""
    own = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    names = {name for name, _ in own}

    async def told(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            others = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
            message = {**message, "headers": [*others, *own]}
        await send(message)

    return told


def _replay(body: bytes, gone: asyncio.Event) -> Receive:
    """Return a `receive` of a body that was read already, from a caller who stays until `gone` is set."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Mapping[str, Any]:
        if (message := next(messages, None)) is not None:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    return receive


async def _unless_gone(work: Awaitable[None], receive: Receive, gone: asyncio.Event) -> bool:
    """Do `work` until it is done or the caller has hung up; tell whether it was done."""
    answering = asyncio.ensure_future(work)
    listening = asyncio.create_task(disconnection(receive))
    try:
        await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
            return True
        return False
    finally:
        gone.set()
        for task in (answering, listening):
            task.cancel()


async def _machine() -> Any:
    """Return what serves this event loop. The package that it is made of is loaded when somebody first asks."""
    if not _machines:
        module = await in_thread(partial(importlib.import_module, "reveweb.mcp.server"), Pool.FILES)
        _machines.append(PerLoop(module.Machine, lambda machine: machine.close()))
    return _machines[0].get()


_machines: list[PerLoop[Any]] = []
