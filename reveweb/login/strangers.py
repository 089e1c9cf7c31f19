"""Sessions, in Django's table; those of strangers are small, short-lived and few from one network.

Anybody may have a row written: by a prompt that waits while they sign up, by asking for a passkey, by a provider's
log-in that they do not finish. Where a network has begun too many today, what a stranger does is not remembered: a
prompt is typed again and a passkey has to wait, while a password logs in as ever.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as TableStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from reveweb.login import limits

MOST_BYTES = 24 * 1024  # of what is stored: two prompts as long as they may be, in Chinese
LIFE = timedelta(days=1)


class SessionStore(TableStore):
    """A session that knows whether it is a stranger's.

    The name of the class is part of how Django signs what is stored, so it stays.
    """

    may_begin: Callable[[], bool] | None = None  # asked once, before a row is made

    def save(self, must_create: bool = False) -> None:
        if self.is_strangers():
            if self.session_key is None and not self.begins():
                return
            self._shrink()
        super().save(must_create)

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = super().create_model_instance(data)
        assert isinstance(row, Session)
        if SESSION_KEY not in data:
            row.expire_date = min(row.expire_date, timezone.now() + LIFE)
        return row

    def is_strangers(self) -> bool:
        """Tell whether nobody is logged in with it."""
        return SESSION_KEY not in self

    def begins(self) -> bool:
        """Tell whether a row may be made for it."""
        if self.may_begin is not None and not self.may_begin():
            return False
        self.may_begin = None
        return True

    def _shrink(self) -> None:
        """Leave out the longest of what is kept until the rest is small enough."""
        while len(self.encode(self._session)) > MOST_BYTES:  # type: ignore[attr-defined]  # Django's own
            del self[max(self.keys(), key=lambda name: len(str(self[name])))]


class StrangersSessions(SessionMiddleware):
    """Django's own, which counts the sessions that strangers of a network begin."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        session = request.session
        assert isinstance(session, SessionStore)
        session.may_begin = lambda: limits.may_begin_session(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = request.session
        is_new = session.modified and not session.is_empty() and session.session_key is None
        if is_new and isinstance(session, SessionStore) and session.is_strangers() and not session.begins():
            return response
        return super().process_response(request, response)
