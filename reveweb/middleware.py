"""What happens to a request before a view sees it."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.middleware.gzip import GZipMiddleware
from django.urls import resolve
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from kit.http import parts
from kit.http.requests import site_of
from reveweb.api import ANSWERS, METHOD_NOT_ALLOWED, error_response
from reveweb.lanes import Lane, lane_of

GetResponse = Callable[[HttpRequest], Any]
Response = HttpResponseBase | Awaitable[HttpResponseBase]

COMPRESSIBLE = ("text/", "application/json", "image/svg+xml", "application/xml")


class NamedRequest(HttpRequest):
    """A request that was given its name."""

    id: str


class RequestId:
    """Names every request, in a header that support can be given and logs can be searched for."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: NamedRequest) -> Response:
        request.id = f"req_{secrets.token_hex(12)}"
        if self.is_async:
            return self._named_async(request)
        return self._named(request, self.get_response(request))

    async def _named_async(self, request: NamedRequest) -> HttpResponseBase:
        return self._named(request, await self.get_response(request))

    def _named(self, request: NamedRequest, response: HttpResponseBase) -> HttpResponseBase:
        response["X-Request-Id"] = request.id
        return response


class ApiDoor:
    """Takes requests without cookies straight to their view, and lets no answer of `/v1` out that is not JSON."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Response:
        if Lane.BARE not in lane_of(request.path_info):
            # Forms are UTF-8, whatever the request says: other codecs of Python decode to what nothing can store.
            request.encoding = "utf-8"
            response: Response = self.get_response(request)
            return response
        if self.is_async:
            return self._pass(request)
        return async_to_sync(self._pass)(request)

    async def _pass(self, request: HttpRequest) -> HttpResponseBase:
        is_api = Lane.API in lane_of(request.path_info)
        try:
            if is_api:
                site_of(request)  # an answer names it: better refused now than after something was charged
            response = await self._view(request)
        except Http404:
            return error_response(ANSWERS[Http404]) if is_api else HttpResponse(status=404)
        except DisallowedHost:
            return error_response(ANSWERS[DisallowedHost])
        if is_api and response.status_code == 405:
            allowed = response.get("Allow", "")
            response = error_response(METHOD_NOT_ALLOWED)
            response["Allow"] = allowed
        return response

    async def _view(self, request: HttpRequest) -> HttpResponseBase:
        match = request.resolver_match = resolve(request.path_info)
        view = match.func if iscoroutinefunction(match.func) else sync_to_async(match.func, thread_sensitive=False)
        response: HttpResponseBase = await view(request, *match.args, **match.kwargs)
        return response


class ContentSecurityPolicy(CSPMiddleware):
    """Tells the browser what a page may load: the site's own files, and in the admin what its widgets need."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and not report_only:
            parts.config = settings.ADMIN_CONTENT_SECURITY_POLICY
        return parts


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
