"""Calls that a client sends again by itself, but by no name: each gets the one that it had before.

OpenAI's clients count their tries (`x-stainless-retry-count`) and send no Idempotency-Key. So the first try of a call
is given a key here, and a later one of the same call takes it up: what was drawn, and charged, for a try that nobody
could wait for is what the next one gets. Of several same calls that are tried again at once each takes up another key.

Clients of reve.com's API do not even count. So the images that somebody was charged for and did not get are owed to
the next who send that very call, one to each.

A list of either for each caller and body: keys, by the number of the try that may take them up, and images, the oldest
first. While the server that has them cannot be reached nothing is admitted either (`limits`).
"""

import hashlib
import logging
import secrets
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from generator.ask.callers import Caller
from kit import site
from kit.loops import PerLoop

log = logging.getLogger(__name__)

KEPT_SECONDS = 3600
ANSWER_SECONDS = 1.0

# Of a list: this try's number, a new key. What an earlier try left is taken up, the latest first.
_SCRIPT = f"""
local tries, key = tonumber(ARGV[1]), ARGV[2]
if tries > 0 then
  local left = redis.call('zrevrangebyscore', KEYS[1], tries, 1, 'limit', 0, 1)
  key = left[1] or key
end
redis.call('zadd', KEYS[1], tries + 1, key)
redis.call('expire', KEYS[1], {KEPT_SECONDS})
return key
"""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_AWAY = (redis.RedisError, OSError, TimeoutError)


async def key_of(caller: Caller, digest: str, tries: int) -> str:
    """Return the Idempotency-Key of a call with that body, before which there were `tries` of it."""
    new = f"retried_{secrets.token_hex(16)}"
    try:
        found: Any = await _asked(await _name(caller, digest), tries, new)
    except _AWAY as error:
        log.warning("It is not known which calls are tried again: %s", error)
        return new
    return found.decode() if isinstance(found, bytes) else str(found)


async def done(caller: Caller, digest: str, key: str) -> None:
    """Let no other try take `key` up: its caller has the answer."""
    try:
        await _clients.get().zrem(await _name(caller, digest), key)
    except _AWAY as error:
        log.warning("It is not noted that a call was answered: %s", error)


async def owe(caller: Caller, digest: str, public_id: str) -> None:
    """Note that a call with that body was charged for an image, which its caller did not get."""
    client: Any = _clients.get()
    try:
        name = await _name(caller, digest, "owed")
        async with client.pipeline() as both:
            await both.rpush(name, public_id).expire(name, KEPT_SECONDS).execute()
    except _AWAY as error:
        log.warning("It is not noted that %s is owed: %s", public_id, error)


async def is_owed(caller: Caller, digest: str) -> bool:
    """Tell whether there is an image that `owed` would return."""
    try:
        return bool(await _clients.get().exists(await _name(caller, digest, "owed")))
    except _AWAY as error:
        log.warning("It is not known what is owed: %s", error)
        return False


async def owed(caller: Caller, digest: str) -> str | None:
    """Return the image that has been owed longest for a call with that body, to the first who asks."""
    client: Any = _clients.get()
    try:
        found = await client.lpop(await _name(caller, digest, "owed"))
    except _AWAY as error:
        log.warning("It is not known what is owed: %s", error)
        return None
    return None if found is None else str(found.decode())


async def _name(caller: Caller, digest: str, kind: str = "retried") -> str:
    token = f"-{caller.token.pk}" if caller.token else ""
    return f"reveweb:{kind}:{await site.soon()}:{caller.api_key.pk}{token}:{digest}"


async def _asked(name: str, tries: int, new: str) -> Any:
    client: Any = _clients.get()
    try:
        return await client.evalsha(_SHA, 1, name, tries, new)
    except redis.exceptions.NoScriptError:
        return await client.eval(_SCRIPT, 1, name, tries, new)


def _new_client() -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        retry=Retry(NoBackoff(), 1),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
    )


_clients = PerLoop(_new_client, lambda client: client.aclose())
