"""Requests that may wait for minutes: the handler of `Lane.HELD`, async from the server to the view."""

import asyncio
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from typing import IO, Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured, RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.urls import resolve, set_script_prefix, set_urlconf
from django.utils.functional import cached_property
from django.utils.log import log_response
from django.utils.module_loading import import_string

from kit.http.requests import site_of
from kit.threads import Pool, in_thread
from reveweb import nowhere
from reveweb.answers import METHOD_NOT_ALLOWED, answer_of, refusal
from reveweb.api import api
from reveweb.lanes import API_BODY_BYTES, Lane, lane_of
from reveweb.middleware import refusal_of, refused_plainly
from reveweb.voices import error_response

security_log = logging.getLogger("django.security.DisallowedHost")

_PIECE = 512 * 1024  # bytes of a body that are written at a time

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Answering = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class Utf8Request(ASGIRequest):
    """A request in UTF-8, whatever charset it names: Python has codecs that decode to what nothing can store.

    Nor can PostgreSQL store or compare a NUL: a query has none, and forms refuse theirs.
    """

    encoding = property(lambda self: "utf-8", lambda self, named: None)

    @cached_property
    def GET(self) -> Any:  # type: ignore[override]  # noqa: N802 (Django's name, as Django has it)
        return QueryDict(self.META["QUERY_STRING"].replace("%00", "%EF%BF%BD").replace("\x00", "%EF%BF%BD"))


class HeldHandler(ASGIHandler):
    """Django's handler without its threads: neither one for each request's whole life nor one that all of them share.

    It passes `settings.API_MIDDLEWARE` and nothing else. Its views are async and take what blocks to a pool
    (`kit.threads`). Django's signals of a request's beginning and end are not sent: they would run on a thread that all
    share, and what listens to them by default closes connections, which the pools do themselves.
    """

    request_class = Utf8Request

    def load_middleware(self, is_async: bool = True) -> None:
        """Build the chain, and refuse a layer that is not async: it would put all before it on one shared thread."""
        chain = _never_raises(self.answer)
        for path in reversed(settings.API_MIDDLEWARE):
            layer = import_string(path)(chain)
            if not iscoroutinefunction(layer):
                raise ImproperlyConfigured(f"{path} is not async, so it cannot be in API_MIDDLEWARE.")
            chain = _never_raises(layer)
        self._middleware_chain = chain

    async def read_body(self, receive: Receive) -> IO[bytes]:
        """Return a request's body as a file: in memory as far as it is small, else on the disk, written in threads.

        Raises RequestAborted when the caller hangs up.
        """
        body, gathered = tempfile.SpooledTemporaryFile(max_size=API_BODY_BYTES), bytearray()  # noqa: SIM115 (`__call__`)
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestAborted
                gathered += message.get("body", b"")
                more = message.get("more_body", False)
                if len(gathered) > _PIECE:
                    piece, gathered = gathered, bytearray()
                    await in_thread(partial(body.write, piece), Pool.FILES)
            if gathered:
                body.write(gathered)
            body.seek(0)
        except BaseException:
            body.close()
            raise
        return body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            if request is not None:
                if "CONTENT_LENGTH" not in request.META and (size := _size_of(body)):
                    request.META["CONTENT_LENGTH"] = str(size)  # in chunks; Django takes a form without one for empty
                await self._serve(request, receive, send)
            elif refusal is not None:
                await self.send_response(refusal, send)

    async def get_response_async(self, request: HttpRequest) -> Any:
        """Answer a request; what goes wrong becomes an answer too."""
        set_urlconf(settings.ROOT_URLCONF)
        response: Any = await self._middleware_chain(request)
        response._resource_closers.append(request.close)
        if response.status_code >= 400:
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        return response

    async def answer(self, request: HttpRequest) -> HttpResponseBase:
        """Take a request to its view, and let no answer of `/v1` out that is not JSON."""
        is_api = Lane.API in lane_of(request.path_info)
        if status := refusal_of(request):
            return error_response(request, refusal(status, request)) if is_api else refused_plainly(status)
        asked = request.method
        if is_api and asked == "HEAD":  # what GET answers, without its body
            request.method = "GET"
        try:
            if is_api:
                site_of(request)  # an answer names it: better refused now than after something was charged
            response = await self._view(request)
        except Http404:
            response = error_response(request, nowhere.answer(request)) if is_api else HttpResponse(status=404)
        except DisallowedHost as error:
            security_log.error("%s", error)
            response = error_response(request, answer_of(error))
        if is_api and response.status_code == 405:
            response = _other_methods(request, response, asked)
        if is_api and asked == "HEAD" and isinstance(response, HttpResponse):
            length = len(response.content)
            response.content = b""
            response["Content-Length"] = str(length)
        return response

    async def _view(self, request: HttpRequest) -> HttpResponseBase:
        match = request.resolver_match = resolve(request.path_info)
        view = partial(match.func, request, *match.args, **match.kwargs)
        response: HttpResponseBase = await (view() if iscoroutinefunction(match.func) else in_thread(view))
        return response

    async def _serve(self, request: HttpRequest, receive: Receive, send: Send) -> None:
        """Answer, unless the caller hangs up first."""
        answering = asyncio.create_task(self._answer_to(request, send))
        listening = asyncio.create_task(self._until_disconnect(receive))
        try:
            await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            if not answering.done():
                answering.cancel()  # views may want to tidy up
            await asyncio.wait({answering, listening})
        if not answering.cancelled():
            answering.result()

    async def _answer_to(self, request: HttpRequest, send: Send) -> None:
        response = await self.run_get_response(request)
        try:
            await self.send_response(response, send)
        finally:
            response.close()

    async def _until_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def _size_of(body: IO[bytes]) -> int:
    """Return how many bytes a body has, which is at its beginning."""
    size = body.seek(0, os.SEEK_END)
    body.seek(0)
    return size


def _other_methods(request: HttpRequest, refusal: HttpResponseBase, asked: str | None) -> HttpResponse:
    """Answer with the methods that an address takes: to whoever asks for them, or used another one."""
    allowed = [method.strip() for method in refusal.get("Allow", "").split(",")]
    allowed += ["HEAD"] * ("GET" in allowed) + ["OPTIONS"]
    response = JsonResponse({"methods": allowed}) if asked == "OPTIONS" else error_response(request, METHOD_NOT_ALLOWED)
    response["Allow"] = ", ".join(allowed)
    return response


def _never_raises(layer: Answering) -> Answering:
    @wraps(layer)
    async def inner(request: HttpRequest) -> HttpResponseBase:
        try:
            return await layer(request)
        except Exception as error:
            return await in_thread(partial(_response_for, request, error))

    return inner


def _response_for(request: HttpRequest, error: Exception) -> HttpResponseBase:
    if Lane.API in lane_of(request.path_info):
        response: HttpResponseBase = api.on_exception(request, error)
        return response
    try:
        raise error  # Django asks `sys.exc_info`, which each thread has of its own
    except Exception:
        return response_for_exception(request, error)
