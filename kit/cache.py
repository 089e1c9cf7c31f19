"""Django's cache, on the Redis or Valkey that all web processes share.

Its user is allauth, for what counts only when all processes count together: how often somebody tried to log in, and
which codes of an authenticator app were used already.

While the server cannot be reached each process counts in its own memory. An error would answer every log-in with 500; a
cache that takes nothing would refuse everybody, because allauth lets nobody in whom it can't count; one that takes
everything would let passwords be guessed and codes be used twice. In memory the limits hold for each
process, and that is as much as one process can know.
"""

import json
import logging
import time
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import RedisError

from kit import site

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1  # how long the server may keep a log-in waiting
PAUSE_SECONDS = 5.0  # how long one that did not answer is left alone: a log-in asks about twenty times
MOST_IN_MEMORY = 10_000

_away = {"until": 0.0}  # this process's own view, by the monotonic clock


def _asked(name: str) -> Callable[..., Any]:
    """Return the cache's method `name`: asked of the server, or of this process's memory without one."""

    def method(self: "SharedCache", *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= _away["until"]:
            try:
                return getattr(super(SharedCache, self), name)(*args, **kwargs)
            except (RedisError, OSError) as error:
                _away["until"] = time.monotonic() + PAUSE_SECONDS
                log.warning("The cache cannot be reached, this process counts log-ins alone: %s", error)
        return getattr(self.memory, name)(*args, **kwargs)

    return method


class SharedCache(RedisCache):
    """A Redis cache that falls back to the process's memory, holds JSON only and clears no keys but its own."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.server = server
        self.memory = LocMemCache(server, {**params, "OPTIONS": {"MAX_ENTRIES": MOST_IN_MEMORY}})

    @cached_property
    def _cache(self) -> RedisCacheClient:
        return _client(self.server)

    add = _asked("add")
    get = _asked("get")
    _set = _asked("set")
    touch = _asked("touch")
    delete = _asked("delete")
    get_many = _asked("get_many")
    has_key = _asked("has_key")
    incr = _asked("incr")
    set_many = _asked("set_many")
    delete_many = _asked("delete_many")

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keep what JSON can hold. Other values are not kept: a cache may forget, and none here is worth a pickle.

        The admin's search would keep whom it found for five minutes; without that it is always true.
        """
        try:
            self._set(key, value, timeout, version)
        except NotJson:
            self.delete(key, version)

    def make_key(self, key: str, version: int | None = None) -> str:
        """Keep the keys of installations that share a server apart."""
        return super().make_key(f"{site.name()}:{key}", version)

    def clear(self) -> None:
        """Forget what this cache holds; Django's own would empty the database, and with it limits and the broker."""
        self.memory.clear()
        client = self._cache.get_client(write=True)
        for key in client.scan_iter(match=f"{self.key_prefix}:*:{site.name()}:*", count=1000):
            client.delete(key)


class NotJson(TypeError):
    """A value that JSON can't hold."""


class Json:
    """How values are written: whoever could write to the server would run code here if they were pickles."""

    def dumps(self, obj: Any) -> bytes:
        try:
            return json.dumps(obj).encode()
        except TypeError as error:
            raise NotJson(str(error)) from error

    def loads(self, data: Any) -> Any:
        return json.loads(data)


@lru_cache
def _client(server: str) -> RedisCacheClient:
    """One pool of connections for the process: Django makes a cache for every request of an asynchronous server."""
    return RedisCacheClient(
        [server], serializer=Json, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )
