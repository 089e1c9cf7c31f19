"""Calls that a client sends again by itself, but by no name: each gets the one that it had before.

OpenAI's clients count their tries (`x-stainless-retry-count`) and send no Idempotency-Key. So the first try of a call
is given a key here, and a try that ends without its image leaves one for the next: its own, by which the next gets what
was drawn, and charged, for it, or which nobody was charged for yet. So each of several same calls that are tried again
takes up another key, and none that a sibling still waits with, unless nothing is left: a process may have died.

Clients of reve.com's API do not even count. So the images that somebody was charged for and did not get are owed to
the next who send that very call, one to each.

A list of either for each caller and body: keys, by what is known of them and since when, and images, the oldest first.
While the server that has them cannot be reached nothing is admitted either (`limits`).
"""

import hashlib
import logging
import secrets
from functools import cache
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

FREE_SECONDS = 180  # for which a key is left that nobody was charged for: clients try again within seconds
MOST = 100  # keys of one list

# Scores are the second in which a key was put there, above the beginning of its kind: a try waits with it (from 0), it
# was left and nobody was charged, it was left and somebody may have been.
_FREE, _PAID = 10**11, 2 * 10**11

# Of a list: whether this is a first try, a new key. Returns the key of this try, and whether it may have been charged.
_SCRIPT = f"""
local list, key, now = KEYS[1], ARGV[2], tonumber(redis.call('time')[1])
redis.call('zremrangebyscore', list, 0, now - {KEPT_SECONDS})
redis.call('zremrangebyscore', list, {_FREE}, {_FREE} + now - {FREE_SECONDS})
redis.call('zremrangebyscore', list, {_PAID}, {_PAID} + now - {KEPT_SECONDS})
local paid = 0
if ARGV[1] == '0' then
  local left = redis.call('zrevrangebyscore', list, '+inf', {_PAID}, 'limit', 0, 1)[1]
  local free = redis.call('zrevrangebyscore', list, '(' .. {_PAID}, {_FREE}, 'limit', 0, 1)[1]
  local held = redis.call('zrangebyscore', list, 0, '(' .. {_FREE}, 'limit', 0, 1)[1]
  if left or (held and not free) then paid = 1 end
  key = left or free or held or key
end
redis.call('zadd', list, now, key)
redis.call('zremrangebyrank', list, 0, -{MOST + 1})
redis.call('expire', list, {KEPT_SECONDS})
return {{key, paid}}
"""
# Of a list: a key that is left, the beginning of its kind.
_LEAVE = f"""
redis.call('zadd', KEYS[1], tonumber(ARGV[2]) + tonumber(redis.call('time')[1]), ARGV[1])
redis.call('zremrangebyrank', KEYS[1], 0, -{MOST + 1})
redis.call('expire', KEYS[1], {KEPT_SECONDS})
"""
_AWAY = (redis.RedisError, OSError, TimeoutError)


class Try:
    """One try of a call, and the Idempotency-Key that it goes by."""

    def __init__(self, caller: Caller, digest: str, key: str, *, may_be_paid: bool) -> None:
        self.key = key
        self._of = caller, digest
        self._may_be_paid = may_be_paid

    async def ended(self) -> None:
        """Let no other try take the key up: its caller has the answer, and does not try again."""
        try:
            await _clients.get().zrem(await _name(*self._of), self.key)
        except _AWAY as error:
            log.warning("It is not noted that a call was answered: %s", error)

    async def refused(self) -> None:
        """Leave the key to the next try: this one was refused, for now."""
        await self._leave(self.key, _PAID if self._may_be_paid else _FREE)

    async def hung_up(self) -> None:
        """Leave the key to the next try, which gets what was or will be drawn for this one."""
        await self._leave(self.key, _PAID)

    async def failed(self) -> None:
        """Leave the next try a key of its own: what this one was charged for failed, and is given back."""
        await self.ended()
        await self._leave(_new(), _FREE)

    async def _leave(self, key: str, kind: int) -> None:
        try:
            await _run(_LEAVE, await _name(*self._of), key, kind)
        except _AWAY as error:
            log.warning("It is not noted that a call may be tried again: %s", error)


async def begin(caller: Caller, digest: str, tries: int) -> Try:
    """Return a try of a call with that body, before which there were `tries` of it."""
    new = _new()
    try:
        key, may_be_paid = await _run(_SCRIPT, await _name(caller, digest), int(tries == 0), new)
    except _AWAY as error:
        log.warning("It is not known which calls are tried again: %s", error)
        return Try(caller, digest, new, may_be_paid=False)
    return Try(caller, digest, key.decode(), may_be_paid=bool(may_be_paid))


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


def _new() -> str:
    return f"retried_{secrets.token_hex(16)}"


async def _run(script: str, name: str, *arguments: str | int) -> Any:
    client: Any = _clients.get()
    try:
        return await client.evalsha(_sha(script), 1, name, *arguments)
    except redis.exceptions.NoScriptError:
        return await client.eval(script, 1, name, *arguments)


@cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _new_client() -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        retry=Retry(NoBackoff(), 1),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
    )


_clients = PerLoop(_new_client, lambda client: client.aclose())
