"""What happens once a night, whoever is told to do it and however often.

Kept on the Redis or Valkey that all processes share. Should that lose its data in the middle of a night, the work is
done once more, so it must be work that may be.
"""

from datetime import datetime, time, timedelta
from functools import lru_cache

import redis
from django.conf import settings
from django.utils import timezone

from kit import site

LONGEST = timedelta(hours=4)  # how long after its time a night's work may still begin


def claim(name: str, *, at: time) -> bool:
    """Tell whether this caller is the one to do `name` tonight, from `at` (UTC) on. Raises redis.RedisError."""
    now = timezone.now()
    begins = datetime.combine(now.date(), at, tzinfo=now.tzinfo)
    if not begins <= now < begins + LONGEST:
        return False
    return bool(_client().set(_key(name, begins), "1", nx=True, ex=timedelta(days=2)))


def give_back(name: str, *, at: time) -> None:
    """Let somebody else do tonight what could not be done. Raises redis.RedisError."""
    now = timezone.now()
    _client().delete(_key(name, datetime.combine(now.date(), at, tzinfo=now.tzinfo)))


def _key(name: str, begins: datetime) -> str:
    return f"reveweb:night:{site.name()}:{name}:{begins:%Y-%m-%d}"


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
