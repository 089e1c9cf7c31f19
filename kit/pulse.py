"""When each kind of process was last heard: a timer that has died says nothing, so somebody has to ask.

Kept on the Redis or Valkey that all processes share. Names: "scheduler", "worker" (it draws), "progress" (it got
something done), "money" (it takes payments), "rest" (all other work), "webhooks" (it sends them), "stripe-accepted"
and "stripe-refused" (a webhook of Stripe's was believed, or not). "version:rest:1.2.3" says which release such a
process is of.
"""

import time
from functools import lru_cache
from typing import cast

import redis
from django.conf import settings

from kit import site


def beat(name: str) -> None:
    """Note that `name` is alive. Raises redis.RedisError."""
    _client().hset(_key(), name, str(time.time()))


def heard() -> dict[str, float]:
    """Return how many seconds ago each name was last heard; what never was is not in it. Raises redis.RedisError."""
    now, pulses = time.time(), cast("dict[bytes, bytes]", _client().hgetall(_key()))
    return {name.decode(): max(0.0, now - float(at)) for name, at in pulses.items()}


def forget(*names: str) -> None:
    """Forget names that mean nobody any more. Raises redis.RedisError."""
    if names:
        _client().hdel(_key(), *names)


def _key() -> str:
    return f"reveweb:pulse:{site.name()}"


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
