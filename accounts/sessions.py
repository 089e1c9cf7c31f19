"""The browsers that somebody is logged in with: seen, ended, and when they were last there.

allauth keeps a row for each log-in. It counts as long as Django's own session is there and knows the current password.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import browsers
from accounts.models import User
from kit.pages import delete_by_pages

LISTED = "listed"  # a session's own note that allauth keeps a row for it
SEEN_STEP = timedelta(minutes=5)  # how coarse “last seen” is: one write in this time and process, not one a request
MOST_REMEMBERED = 10_000
BEGINS_WITHIN = timedelta(days=1)

_SESSION_KEY = re.compile(r"[0-9a-z]{8,40}")
_noted: dict[str, float] = {}


@dataclass(frozen=True)
class LogIn:
    """One browser that is logged in."""

    pk: int
    browser: str
    is_handheld: bool
    ip: str
    began_at: datetime
    seen_at: datetime
    is_current: bool


def of(user: User, current_key: str | None) -> list[LogIn]:
    """Return where `user` is logged in: the session `current_key` first, then by last use. Two queries."""
    rows = list(UserSession.objects.filter(user=user))
    stored = Session.objects.filter(pk__in=[row.session_key for row in rows], expire_date__gt=timezone.now())
    live = {one.session_key for one in stored if _knows_password(one.get_decoded(), user)}
    found = [_log_in(row, current_key) for row in rows if row.session_key in live]
    return sorted(found, key=lambda one: (one.is_current, one.seen_at), reverse=True)


def end(user: User, pk: int) -> bool:
    """Log one of `user`'s browsers out; False when it is not there, or not theirs."""
    return bool(_end(UserSession.objects.filter(user=user, pk=pk)))


def end_others(user: User, current_key: str | None) -> int:
    """Log `user` out everywhere but in the session `current_key`, and return how many ended."""
    return _end(UserSession.objects.filter(user=user).exclude(session_key=current_key or ""))


def end_all(user: User) -> int:
    """Log `user` out everywhere, and return how many sessions ended."""
    return _end(UserSession.objects.filter(user=user))


def is_logged_in(session_key: str, user: User) -> bool:
    """Tell whether the session is still there and logged in as `user`. One query, by primary key."""
    return people_of([session_key]).get(session_key) == user.pk


def people_of(session_keys: Iterable[str]) -> dict[str, int]:
    """Return which of these sessions are there, and as which users they are logged in. One query, by primary key."""
    stored = Session.objects.filter(pk__in=list(session_keys), expire_date__gt=timezone.now())
    people = {one.session_key: one.get_decoded().get(SESSION_KEY) for one in stored}
    return {key: int(user) for key, user in people.items() if user is not None}


def user_of(session_key: str) -> User | None:
    """Return who is logged in with the session; None for nobody. Two queries, and it never writes.

    For a stream that an open page listens to: unlike a request for a page it is no use of the session.
    """
    if not _SESSION_KEY.fullmatch(session_key):
        return None
    stored = Session.objects.filter(pk=session_key, expire_date__gt=timezone.now()).first()
    data = stored.get_decoded() if stored else {}
    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=data[SESSION_KEY], is_active=True).first()
    if user is None:
        return None
    return user if _knows_password(data, user) else None


def is_due(session_key: str | None) -> bool:
    """Tell whether this process has not noted a use of the session lately. No query."""
    if not session_key or not _SESSION_KEY.fullmatch(session_key):
        return False
    return time.monotonic() - _noted.get(session_key, float("-inf")) >= SEEN_STEP.total_seconds()


def note_use(session_key: str, *, ip: str, user_agent: str) -> None:
    """Record that the session is in use now, from where and with what browser."""
    if len(_noted) >= MOST_REMEMBERED:
        _noted.clear()
    _noted[session_key] = time.monotonic()
    now = timezone.now()
    longest = UserSession._meta.get_field("user_agent").max_length
    UserSession.objects.filter(session_key=session_key, last_seen_at__lt=now - SEEN_STEP).update(
        last_seen_at=now, ip=ip, user_agent=user_agent[:longest]
    )


def clear_expired() -> int:
    """Delete the sessions that are over, and allauth's rows of those that are gone; return how many there were.

    allauth's row is older than the session that it belongs to, which is stored as the first answer goes out.
    """
    over = delete_by_pages(Session.objects.filter(expire_date__lte=timezone.now()))
    kept = Session.objects.filter(pk=OuterRef("session_key"))
    old = UserSession.objects.filter(created_at__lt=timezone.now() - BEGINS_WITHIN)
    return over + delete_by_pages(old.filter(~Exists(kept)))


def _knows_password(session: Mapping[str, Any], user: User) -> bool:
    """Tell whether a session began with the user's present password, also under an earlier SECRET_KEY."""
    given = session.get(HASH_SESSION_KEY, "")
    known = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(given, one) for one in known)


def _log_in(row: UserSession, current_key: str | None) -> LogIn:
    return LogIn(
        pk=row.pk,
        browser=browsers.describe(row.user_agent),
        is_handheld=browsers.is_handheld(row.user_agent),
        ip=row.ip,
        began_at=row.created_at,
        seen_at=row.last_seen_at,
        is_current=row.session_key == current_key,
    )


@transaction.atomic
def _end(rows: Iterable[UserSession]) -> int:
    found = list(rows)
    Session.objects.filter(pk__in=[row.session_key for row in found]).delete()
    UserSession.objects.filter(pk__in=[row.pk for row in found]).delete()
    return len(found)
