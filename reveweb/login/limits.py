"""How often somebody may guess at a password, and how many mails people may have sent to an address.

What is counted for an account or a mailbox alone can be spent by strangers, and then its owner stands outside. So the
narrow limits count a *pair*: this account, or mailbox, from this network. The wide ones, which hold for an account or a
mailbox from anywhere, take many networks to spend. A browser that somebody has logged in with before is known by a
signed cookie, and is counted apart from everybody else. The rates are `ACCOUNT_RATE_LIMITS`; where the server that
counts is away, `kit.cache` counts in this process.
"""

import secrets
from dataclasses import dataclass

from allauth.core.internal import ratelimit
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from accounts.emails import mailbox
from accounts.models import User

COOKIE = "known_browser"
COOKIE_SECONDS = 365 * 24 * 3600
COOKIE_PATH = "/accounts/"
MOST_KNOWN = 5  # people of one browser, the last ones

_APP = "allauth.account"


@dataclass(frozen=True)
class Known:
    """What a browser's cookie says: its own name, and the users who have logged in with it."""

    browser: str
    users: tuple[int, ...] = ()


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Let the browser show later that `user` has logged in with it."""
    known = _known(request)
    users = (*(pk for pk in known.users if pk != user.pk), user.pk)[-MOST_KNOWN:]
    response.set_cookie(
        COOKIE,
        signing.dumps([known.browser, users], salt=COOKIE),
        max_age=COOKIE_SECONDS,
        path=COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def count_guess(request: HttpRequest, email: str) -> list[ratelimit.RateLimitUsage] | None:
    """Count a guess at the password of `email`, and return what to take back if it was none; None when it is too many.

    The narrowest limit comes first, so that whoever is past it spends nothing of the others. A network that is past its
    own adds nothing to what is counted, whatever addresses it makes up.
    """
    email = email.lower()
    if browser := _known_for(request, email):
        steps = [("login_failed", f"{email}:{browser}")]
    elif _count(request, [("login_failed_network", "")], only_ask=True) is None:
        return None
    else:
        steps = [
            ("login_failed", _pair(request, email)),
            ("login_failed_network", ""),
            ("login_failed_anywhere", email),
        ]
    return _count(request, steps)


def forget_guesses(request: HttpRequest, email: str) -> None:
    """Start again for `email`, whose owner has come by a mail."""
    email = email.lower()
    keys = [_pair(request, email), f"{email}:{_known_for(request, email)}"]
    if user := User.objects.find(email):
        keys.append(f"mfa-auth-user-{user.pk}")  # allauth's, for codes: whoever had the password may have spent it
    for key in keys:
        ratelimit.clear(request, app=_APP, action="login_failed", key=key)
    ratelimit.clear(request, app=_APP, action="login_failed_anywhere", key=email)


def may_mail(request: HttpRequest, kind: str, email: str, *, only_ask: bool = False) -> bool:
    """Count a mail of a kind to an address, and tell whether it may be sent; `only_ask` counts nothing.

    Whoever asks is told the same either way. Each kind has limits of its own, so that none holds another back.
    """
    to, browser = mailbox(email), _known_for(request, email)
    steps = [(kind, f"{to}:{browser}")] if browser else [(kind, _pair(request, to)), (f"{kind}_anywhere", to)]
    return _count(request, steps, only_ask=only_ask) is not None


def may_begin_session(request: HttpRequest) -> bool:
    """Count a session that a stranger begins, and tell whether it may be stored."""
    return _count(request, [("session", "")]) is not None


def _count(
    request: HttpRequest, steps: list[tuple[str, str]], *, only_ask: bool = False
) -> list[ratelimit.RateLimitUsage] | None:
    counted = []
    for action, key in steps:
        usage = ratelimit.consume(request, app=_APP, action=action, key=key, dry_run=only_ask, limit_get=True)
        if usage is None:
            return None
        counted.append(usage)
    return counted


def _pair(request: HttpRequest, what: str) -> str:
    return f"{what}:{ratelimit.get_ip(request)}"


def _known(request: HttpRequest) -> Known:
    try:
        browser, users = signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=COOKIE_SECONDS)
    except (signing.BadSignature, ValueError):
        return Known(secrets.token_urlsafe(12))
    return Known(browser, tuple(users))


def _known_for(request: HttpRequest, email: str) -> str:
    """Return the name of a browser that the account of `email` was opened with before, or ""."""
    known = _known(request)
    user = User.objects.find(email) if known.users else None
    return known.browser if user and user.pk in known.users else ""
