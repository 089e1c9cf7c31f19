"""How long Stripe is waited for, and when it is not asked at all.

Somebody who has clicked waits CLICK_SECONDS for all that their click asks of Stripe, however many calls and tries that
takes. What no one waits for (events, the night's work, the operator's commands) is patient. Neither waits for a Stripe
that gave no answer three times in a row: then one call in PAUSE_SECONDS is a trial, and all others fail at once.
"""

import contextlib
import contextvars
import time
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

from kit.breaker import Breaker

CLICK_SECONDS = 8.0  # with our own work around it a click is answered within 10
CLICK_TRY_SECONDS = 4.0  # so that a connection that is dead costs one try, and not the whole click
TRY_SECONDS = 10.0
LEAST_SECONDS = 1.0  # with less left nothing is begun: it could only be lost
PAUSE_SECONDS = 15.0
CONNECTIONS = 32  # that are kept; more are made, and closed

STRIPE = Breaker("Stripe", failures=3, pause=PAUSE_SECONDS, window=60)
_until: contextvars.ContextVar[float | None] = contextvars.ContextVar("_until", default=None)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let all that the block asks of Stripe end within `seconds`, or sooner if it is in another such block."""
    until, outer = time.monotonic() + seconds, _until.get()
    token = _until.set(until if outer is None else min(until, outer))
    try:
        yield
    finally:
        _until.reset(token)


class NotTried(requests.RequestException):
    """Stripe was not asked (again): no time is left, or it has not answered others lately."""


class Session(requests.Session):
    """Connections to Stripe, for all threads; each try ends in time."""

    def __init__(self) -> None:
        super().__init__()
        self.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        self.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))

    def request(self, *arguments: Any, **named: Any) -> requests.Response:
        """Send one try. Raises NotTried, and what `requests` raises."""
        if _left() < LEAST_SECONDS:
            raise NotTried("no time is left")
        if not STRIPE.allows():
            raise NotTried("it has not answered lately")
        named["timeout"] = Timeout(total=_try_seconds())
        try:
            response = super().request(*arguments, **named)
        except (requests.Timeout, requests.ConnectionError) as error:
            STRIPE.failed()
            if _left() < LEAST_SECONDS:  # told apart from what the SDK tries again, after a pause
                raise NotTried(f"{type(error).__name__}, and no time is left") from error
            raise
        STRIPE.answered()
        return response


def _left() -> float:
    until = _until.get()
    return float("inf") if until is None else until - time.monotonic()


def _try_seconds() -> float:
    return min(TRY_SECONDS if _until.get() is None else CLICK_TRY_SECONDS, _left())
