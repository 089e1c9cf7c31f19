"""Rate limits: sliding windows on the shared Redis or Valkey, so that every web process counts the same."""

import logging
import math
import time
from functools import lru_cache

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from accounts.models import ApiKey
from billing.models import Wallet
from generator.errors import LimiterUnavailable, RateLimit, RateLimited

log = logging.getLogger(__name__)


def take_generate(wallet: Wallet, api_key: ApiKey | None, images: int = 1) -> RateLimit:
    """Count `images` that `wallet` asks for (`api_key`, when that has a limit of its own): all of them or none.

    Raises RateLimited when the last minute has no room for them, LimiterUnavailable.
    """
    return _take(*_generate_window(wallet, api_key), cost=images)


def peek_generate(wallet: Wallet, api_key: ApiKey | None) -> RateLimit:
    """Tell where `wallet` stands without counting a request. Raises LimiterUnavailable."""
    return _peek(*_generate_window(wallet, api_key))


def take_status(wallet: Wallet) -> None:
    """Count one status look-up of `wallet`. Raises RateLimited.

    While the limiter cannot be reached look-ups go uncounted: somebody who paid for an image gets to see it.
    """
    try:
        _take("status", wallet.pk, settings.STATUS_RATE_LIMIT_PER_MINUTE)
    except LimiterUnavailable as error:
        log.warning("Status look-ups are not counted: %s", error.__cause__)


def _generate_window(wallet: Wallet, api_key: ApiKey | None) -> tuple[str, int, int]:
    if api_key is not None and api_key.rate_limit is not None:
        return "generate-key", api_key.pk, api_key.rate_limit
    return "generate", wallet.pk, wallet.requests_per_minute


def _take(kind: str, owner: int, per_minute: int, *, cost: int = 1) -> RateLimit:
    try:
        allowed = _limiter().hit(RateLimitItemPerMinute(per_minute, namespace="reveweb"), kind, str(owner), cost=cost)
    except _storage().base_exceptions as error:
        raise LimiterUnavailable from error
    rate = _peek(kind, owner, per_minute)
    if not allowed:
        raise RateLimited(rate)
    return rate


def _peek(kind: str, owner: int, per_minute: int) -> RateLimit:
    item = RateLimitItemPerMinute(per_minute, namespace="reveweb")
    try:
        stats = _limiter().get_window_stats(item, kind, str(owner))
    except _storage().base_exceptions as error:
        raise LimiterUnavailable from error
    wait = math.ceil(stats.reset_time - time.time())
    return RateLimit(limit=per_minute, remaining=stats.remaining, reset=min(60, max(1, wait)))


@lru_cache(maxsize=1)
def _storage() -> RedisStorage:
    return RedisStorage(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


@lru_cache(maxsize=1)
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(_storage())
