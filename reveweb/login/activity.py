"""Notes when each browser that is logged in was last used, a few minutes coarse."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from accounts import sessions
from kit.http.requests import client_ip

GetResponse = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def session_activity(get_response: GetResponse) -> GetResponse:
    """Writes once in `sessions.SEEN_STEP` for each session, after the answer, and costs no query in between."""

    async def asynchronous(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await get_response(request)
        if _is_due(request):
            await sync_to_async(_note)(request)
        return response

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)
        if _is_due(request):
            _note(request)
        return response

    return asynchronous if iscoroutinefunction(get_response) else synchronous


def _is_due(request: HttpRequest) -> bool:
    return sessions.is_due(request.session.session_key)


def _note(request: HttpRequest) -> None:
    if request.user.is_authenticated and request.session.get(sessions.LISTED):
        user_agent = request.headers.get("User-Agent", "")
        key = request.session.session_key
        assert key is not None
        sessions.note_use(key, ip=client_ip(request) or "0.0.0.0", user_agent=user_agent)  # noqa: S104 (not known)
