"""Notes when each browser that is logged in was last used, a few minutes coarse."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase

from accounts import sessions
from kit.http.requests import client_ip

SKIPPED = ("/events/",)  # an open page, not a person who does something


class SessionActivity:
    """Writes once in `sessions.SEEN_STEP` for each session, after the answer, and costs no query in between."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._async(request)
        response: HttpResponseBase = self.get_response(request)
        if _is_due(request):
            _note(request)
        return response

    async def _async(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        if _is_due(request):
            await sync_to_async(_note)(request)
        return response


def _is_due(request: HttpRequest) -> bool:
    return not request.path_info.startswith(SKIPPED) and sessions.is_due(request.session.session_key)


def _note(request: HttpRequest) -> None:
    if request.user.is_authenticated and request.session.get(sessions.LISTED):
        user_agent = request.headers.get("User-Agent", "")
        key = request.session.session_key
        assert key is not None
        sessions.note_use(key, ip=client_ip(request) or "0.0.0.0", user_agent=user_agent)  # noqa: S104 (not known)
