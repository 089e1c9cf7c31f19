"""What happens to a request before a view sees it."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.utils.decorators import async_only_middleware, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from kit import request_id, storage
from kit.http import parts, signed
from reveweb.lanes import Lane, lane_of
from reveweb.voices import is_read_by_openais, speaks_openai

GetResponse = Callable[[HttpRequest], Any]

REFUSED = "reveweb.refused"  # in an ASGI scope: the status that its body was refused with (`reveweb.bodies`)
WITHOUT_A_POLICY = ("text/css", "text/javascript")
COMPRESSIBLE = ("text/", "application/json", "image/svg+xml", "application/xml")


@sync_and_async_middleware
def named_request(get_response: GetResponse) -> GetResponse:
    """Names every request, in a header that support can be given and in the log lines that it leads to."""

    async def asynchronous(request: HttpRequest) -> HttpResponseBase:
        id = request_id.begin()
        return _named(await get_response(request), id)

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        id = request_id.begin()
        return _named(get_response(request), id)

    return asynchronous if iscoroutinefunction(get_response) else synchronous


def _named(response: HttpResponseBase, id: str) -> HttpResponseBase:
    response["X-Request-Id"] = id
    return response


@async_only_middleware
def preflights_in_json(get_response: GetResponse) -> GetResponse:
    """Gives the API's answers to preflights its own content type; a browser looks at their headers alone."""

    async def asynchronous(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await get_response(request)
        if request.method == "OPTIONS" and response.get("Content-Type", "").startswith("text/html"):
            headers = {name: value for name, value in response.items() if not name.startswith("Content-")}
            return JsonResponse({}, headers=headers)
        return response

    return asynchronous


@async_only_middleware
def as_openai_says_it(get_response: GetResponse) -> GetResponse:
    """Tells OpenAI's clients in their words what our headers say: limits, when to come again, how long it took."""

    async def asynchronous(request: HttpRequest) -> HttpResponseBase:
        if not is_read_by_openais(request):
            told: HttpResponseBase = await get_response(request)
            return told
        began = time.monotonic()
        response: HttpResponseBase = await get_response(request)
        if speaks_openai(request):
            response["openai-processing-ms"] = str(round((time.monotonic() - began) * 1000))
            response["openai-version"] = "2020-10-01"
            for ours, theirs in _OPENAIS.items():
                if value := response.get(ours):
                    response[theirs] = f"{value}s" if ours == "RateLimit-Reset" else value
        if (seconds := response.get("Retry-After", "")).isdigit():
            response["retry-after-ms"] = str(int(seconds) * 1000)
        return response

    return asynchronous


_OPENAIS = {
    "RateLimit-Limit": "x-ratelimit-limit-requests",
    "RateLimit-Remaining": "x-ratelimit-remaining-requests",
    "RateLimit-Reset": "x-ratelimit-reset-requests",
}


def refusal_of(request: HttpRequest) -> int | None:
    """Return the status that the body of `request` was refused with before it was read to its end."""
    refusal: int | None = getattr(request, "scope", {}).get(REFUSED)
    return refusal


def refused_body(get_response: GetResponse) -> GetResponse:
    """Says of a body that was refused why, instead of a view."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if status := refusal_of(request):
            if Lane.PLAIN in lane_of(request.path_info):
                return refused_plainly(status)
            return render(request, f"errors/{status}.html", status=status)
        response: HttpResponseBase = get_response(request)
        return response

    return middleware


def refused_plainly(status: int) -> HttpResponse:
    """Return such an answer for who reads no pages."""
    return HttpResponse(f"{HTTPStatus(status).phrase}\n", status=status, content_type="text/plain")


class ContentSecurityPolicy(CSPMiddleware):
    """Tells the browser what a page may load: the site's own files, and in the admin what its widgets need.

    Styles and scripts load nothing by a policy of their own; a page has twenty of them, and each would carry it along.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.get("Content-Type", "").startswith(WITHOUT_A_POLICY):
            return response
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and not report_only:
            parts.config = settings.ADMIN_CONTENT_SECURITY_POLICY
        if images := signed.origin():
            parts.update = {**(parts.update or {}), "img-src": [images]}
        return parts


class PermissionsPolicy(MiddlewareMixin):
    """Tells the browser what a page may ask of the device; files and data are no pages."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.get("Content-Type", "").startswith("text/html"):
            response["Permissions-Policy"] = settings.PERMISSIONS_POLICY
        return response


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise has no types
    """Serves static files; whitenoise would send them in a way that an asynchronous server has to read whole first."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponseBase:
        found = static_file.get_response(request.method, request.META)
        headers, file = dict(found.headers), found.file
        length = int(headers.get("Content-Length", 0))
        response: HttpResponseBase
        if file is None:
            response = HttpResponse(status=found.status)
        elif length > parts.PIECE:
            response = StreamingHttpResponse(parts.pieces(file, length), status=found.status)
        else:
            with file:
                response = HttpResponse(file.read(), status=found.status)
        del response["Content-Type"]  # it is among the file's own, where there is one
        for name, value in headers.items():
            response[name] = value
        return response


class StorageAnswers(MiddlewareMixin):
    """Answers 503 where a page needs a file that cannot be read now, and says when to come again."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return storage.away() if isinstance(exception, storage.StorageAway) else None


class PrivatePages(MiddlewareMixin):
    """Keeps what a logged-in person sees out of caches; pages around log-in, which show codes, are not even stored."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not response.has_header("Cache-Control"):
            is_around_log_in = request.path_info.startswith("/accounts/")
            response["Cache-Control"] = "private, no-store" if is_around_log_in else "private, no-cache"
        return response


class Compression(GZipMiddleware):
    """Compresses pages; streams are sent as they come, and archives and images are compressed already."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith(COMPRESSIBLE):
            return response
        return super().process_response(request, response)
