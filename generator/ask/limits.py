"""Rate limits: sliding windows on the shared Redis or Valkey, so that every web process counts the same.

A window is a list of the moments of the last minute's images, the newest first. One script forgets what is older,
counts and tells where the account stands: one round trip, and all or nothing of what is asked for.
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

from accounts.models import ApiKey
from billing.models import Wallet
from generator.errors import LimiterUnavailable, RateLimit, RateLimited
from kit import site
from kit.loops import PerLoop

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60
ANSWER_SECONDS = 1.0  # how long the server may keep a request waiting

# Of a list: now, the limit, the images (none: only look) → whether they fit, how many there are, the oldest's moment.
_SCRIPT = f"""
local now, limit, images = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local oldest = redis.call('lindex', KEYS[1], -1)
while oldest and tonumber(oldest) < now - {WINDOW_SECONDS} do
  redis.call('rpop', KEYS[1])
  oldest = redis.call('lindex', KEYS[1], -1)
end
local count = redis.call('llen', KEYS[1])
if count + images > limit then
  return {{0, count, oldest or ''}}
end
if images > 0 then
  for _ = 1, images do
    redis.call('lpush', KEYS[1], ARGV[1])
  end
  redis.call('expire', KEYS[1], {WINDOW_SECONDS})
end
return {{1, count + images, oldest or ARGV[1]}}
"""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_AWAY = (redis.RedisError, OSError, TimeoutError)


@dataclass(frozen=True)
class Window:
    """What is counted together, and how much of it a minute has room for."""

    kind: str
    owner: int
    per_minute: int

    @property
    def key(self) -> str:
        """The list's name; another limit begins another list. Raises NameUnknown."""
        return f"reveweb:limit:{site.name()}:{self.kind}:{self.owner}:{self.per_minute}"

    def command(self, images: int) -> tuple[Any, ...]:
        """The script's arguments."""
        return 1, self.key, repr(time.time()), self.per_minute, images

    def read(self, answer: list[Any]) -> tuple[bool, RateLimit]:
        """Return whether the script let the images through, and where the window stands then."""
        allowed, count, oldest = answer
        wait = math.ceil(float(oldest) + WINDOW_SECONDS - time.time()) if oldest else WINDOW_SECONDS
        reset = min(WINDOW_SECONDS, max(1, wait))
        return bool(allowed), RateLimit(limit=self.per_minute, remaining=max(0, self.per_minute - count), reset=reset)


def generate_window(wallet: Wallet, api_key: ApiKey | None) -> Window:
    """Return where generate requests of `wallet` are counted: with `api_key`, when that has a limit of its own."""
    if api_key is not None and api_key.rate_limit is not None:
        return Window("generate-key", api_key.pk, api_key.rate_limit)
    return Window("generate", wallet.pk, wallet.requests_per_minute)


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


async def take_status_soon(wallet: Wallet) -> None:
    """Count one status look-up of `wallet`, on an event loop. Raises RateLimited.

    While the limiter cannot be reached look-ups go uncounted: somebody who paid for an image gets to see it.
    """
    try:
        await take_soon(_status_window(wallet))
    except LimiterUnavailable as error:
        log.warning("Status look-ups are not counted: %s", error.__cause__)


async def take_uploads_soon(wallet: Wallet, count: int) -> None:
    """Count pictures that somebody brings, on an event loop. Raises RateLimited, LimiterUnavailable."""
    if count:
        await take_soon(Window("uploads", wallet.pk, settings.UPLOAD_RATE_LIMIT_PER_MINUTE), count)


def _status_window(wallet: Wallet) -> Window:
    return Window("status", wallet.pk, settings.STATUS_RATE_LIMIT_PER_MINUTE)


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
