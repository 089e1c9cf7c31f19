"""Rate limits: sliding windows on the shared Redis or Valkey, so that every web process counts the same.

A window is a list of the moments of the last minute's images, the newest first; one of them is of an hour. One script
forgets what is older, counts and tells where the account stands: one round trip, and all or nothing of what is asked
for.
"""

import hashlib
import logging
import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.models import ApiKey, BrowserToken
from accounts.tokens import LONGEST
from billing.models import Wallet
from generator.ask.callers import Caller
from generator.errors import LimiterUnavailable, RateLimit, RateLimited
from generator.models import REMIX_MOST_INPUTS
from kit import site
from kit.http import proxies
from kit.loops import PerLoop

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60
TOKENS_PER_MINUTE = 120  # browser tokens that a key mints
REPORTS_PER_MINUTE = 20  # reports of leaked keys, from one address
TESTS_PER_MINUTE = 20  # webhooks that an account sends itself
UPLOADS_PER_CREDIT = 3  # pictures that a browser token brings in all, for each credit that it may spend
ANSWER_SECONDS = 1.0  # how long the server may keep a request waiting

# Of a list: now, the limit, the images (none: only look), for how many seconds they count → whether they fit, how many
# there are, the oldest's moment.
_SCRIPT = """
local now, limit, images, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = redis.call('lindex', KEYS[1], -1)
while oldest and tonumber(oldest) < now - seconds do
  redis.call('rpop', KEYS[1])
  oldest = redis.call('lindex', KEYS[1], -1)
end
local count = redis.call('llen', KEYS[1])
if count + images > limit then
  return {0, count, oldest or ''}
end
if images > 0 then
  for _ = 1, images do
    redis.call('lpush', KEYS[1], ARGV[1])
  end
  redis.call('expire', KEYS[1], seconds)
end
return {1, count + images, oldest or ARGV[1]}
"""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_AWAY = (redis.RedisError, OSError, TimeoutError)


@dataclass(frozen=True)
class Window:
    """What is counted together, and how much of it a minute has room for, or as many `seconds`."""

    kind: str
    owner: int
    per_minute: int
    seconds: int = WINDOW_SECONDS

    @property
    def key(self) -> str:
        """The list's name; another limit begins another list. Raises NameUnknown."""
        return f"reveweb:limit:{site.name()}:{self.kind}:{self.owner}:{self.per_minute}"

    def command(self, images: int) -> tuple[Any, ...]:
        """The script's arguments."""
        return 1, self.key, repr(time.time()), self.per_minute, images, self.seconds

    def read(self, answer: list[Any]) -> tuple[bool, RateLimit]:
        """Return whether the script let the images through, and where the window stands then."""
        allowed, count, oldest = answer
        wait = math.ceil(float(oldest) + self.seconds - time.time()) if oldest else self.seconds
        reset = min(self.seconds, max(1, wait))
        return bool(allowed), RateLimit(limit=self.per_minute, remaining=max(0, self.per_minute - count), reset=reset)


def generate_window(wallet: Wallet, api_key: ApiKey | None) -> Window:
    """Return where generate requests of `wallet` are counted: with `api_key`, when that has a limit of its own.

    Those of test keys are counted apart: however many they are, they leave the account's live keys their whole minute.
    """
    if api_key is not None and api_key.rate_limit is not None:
        return Window("generate-key", api_key.pk, api_key.rate_limit)
    kind = "generate-test" if api_key is not None and api_key.is_test else "generate"
    return Window(kind, wallet.pk, wallet.requests_per_minute)


def take(window: Window, images: int = 1) -> RateLimit:
    """Count `images` in `window`: all of them or none.

    Raises RateLimited when the last minute has no room for them, LimiterUnavailable.
    """
    allowed, rate = _asked(window, images)
    if not allowed:
        raise RateLimited(rate)
    return rate


async def take_soon(window: Window, images: int = 1) -> RateLimit:
    """Do as `take`, for a caller on an event loop."""
    allowed, rate = await _asked_soon(window, images)
    if not allowed:
        raise RateLimited(rate)
    return rate


async def peek_soon(window: Window) -> RateLimit:
    """Tell where `window` stands without counting anything, on an event loop. Raises LimiterUnavailable."""
    return (await _asked_soon(window, 0))[1]


def peek(window: Window) -> RateLimit:
    """Do as `peek_soon`, in a thread."""
    return _asked(window, 0)[1]


def give_back(window: Window, images: int) -> None:
    """Count the latest `images` in `window` no longer. While the limiter cannot be reached they stay counted."""
    try:
        _client().ltrim(window.key, images, -1)
    except _AWAY as error:
        log.warning("What was refused stays counted: %s", error)


async def take_status_soon(caller: Caller) -> None:
    """Count one status look-up of `caller`, on an event loop. Raises RateLimited.

    While the limiter cannot be reached look-ups go uncounted: somebody who paid for an image gets to see it.
    """
    try:
        await take_soon(window_of(caller, "status", settings.STATUS_RATE_LIMIT_PER_MINUTE))
    except LimiterUnavailable as error:
        log.warning("Status look-ups are not counted: %s", error.__cause__)


async def take_uploads_soon(wallet: Wallet, count: int, token: BrowserToken | None = None) -> None:
    """Count pictures that somebody brings, on an event loop. Raises RateLimited, LimiterUnavailable.

    Those of a browser token are counted apart, and in all: nobody fills an account with pictures by one.
    """
    if not count:
        return
    if token is None:
        await take_soon(Window("uploads", wallet.pk, settings.UPLOAD_RATE_LIMIT_PER_MINUTE), count)
        return
    await take_soon(Window("uploads-token", token.pk, settings.UPLOAD_RATE_LIMIT_PER_MINUTE), count)
    most = max(REMIX_MOST_INPUTS, UPLOADS_PER_CREDIT * token.credit_cap)
    await take_soon(Window("uploads-token-in-all", token.pk, most, seconds=LONGEST), count)  # no token lives longer


async def take_tokens_soon(api_key: ApiKey) -> None:
    """Count a browser token that `api_key` is to mint, on an event loop. Raises RateLimited, LimiterUnavailable."""
    await take_soon(Window("tokens", api_key.pk, TOKENS_PER_MINUTE))


async def take_reports_soon(ip: str | None) -> None:
    """Count a report of leaked keys from an address, on an event loop; uncounted while the limiter is away.

    Raises RateLimited.
    """
    try:
        await take_soon(_report_window(ip))
    except LimiterUnavailable as error:
        log.warning("Reports are not counted: %s", error.__cause__)


def take_reports(ip: str | None) -> None:
    """Do as `take_reports_soon`, for a page."""
    try:
        take(_report_window(ip))
    except LimiterUnavailable as error:
        log.warning("Reports are not counted: %s", error.__cause__)


def take_tests(wallet: Wallet) -> None:
    """Count a test that an account's endpoint is sent; uncounted while the limiter is away. Raises RateLimited."""
    try:
        take(Window("webhook-tests", wallet.pk, TESTS_PER_MINUTE))
    except LimiterUnavailable as error:
        log.warning("Tests of webhooks are not counted: %s", error.__cause__)


def _report_window(ip: str | None) -> Window:
    return Window("reports", _number_of(ip), REPORTS_PER_MINUTE)


def _number_of(ip: str | None) -> int:
    """Return one number for all the addresses that one caller may choose from: of IPv6 a whole network."""
    address = proxies.address_of(ip or "")
    return 0 if address is None else int(address) >> (64 if address.version == 6 else 0)


def window_of(caller: Caller, kind: str, per_minute: int) -> Window:
    """Return where something that costs nothing is counted: an account's live keys together, its test keys together,
    and each browser token alone, which is a stranger's."""
    if caller.token is not None:
        return Window(f"{kind}-token", caller.token.pk, per_minute)
    return Window(f"{kind}-test" if caller.api_key.is_test else kind, caller.wallet.pk, per_minute)


def _asked(window: Window, images: int) -> tuple[bool, RateLimit]:
    client = _client()
    try:
        command = window.command(images)
        try:
            answer: Any = client.evalsha(_SHA, *command)
        except redis.exceptions.NoScriptError:  # a server that was started anew
            answer = client.eval(_SCRIPT, *command)
    except _AWAY as error:
        raise LimiterUnavailable from error
    return window.read(answer)


async def _asked_soon(window: Window, images: int) -> tuple[bool, RateLimit]:
    client = _clients.get()
    try:
        await site.soon()
        command = window.command(images)
        try:
            answer: Any = await client.evalsha(_SHA, *command)  # type: ignore[misc]  # typed as both kinds of client
        except redis.exceptions.NoScriptError:
            answer = await client.eval(_SCRIPT, *command)  # type: ignore[misc]  # likewise
    except _AWAY as error:
        raise LimiterUnavailable from error
    return window.read(answer)


# One try more, for a connection that the server ended while it was idle; a server that is away refuses that at once.
_OPTIONS: dict[str, Any] = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 1), **_OPTIONS)


def _new_client() -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(settings.REDIS_URL, retry=AsyncRetry(NoBackoff(), 1), **_OPTIONS)


_clients = PerLoop(_new_client, lambda client: client.aclose())
