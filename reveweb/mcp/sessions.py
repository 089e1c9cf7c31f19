"""MCP sessions: who may go on with one, and how many credits it may still spend.

A session's id is signed and names the key that began it, so every web process knows it without having seen it before.
What a session has spent is counted on Redis, in one script for each step, so that calls at the same moment spend no
more than the cap together, in any number of processes. Credits are counted before an image is asked for; what was not
charged after all, or came back because its image failed, is given back to the session. While Redis is away nothing is
drawn (admission refuses then, too), and a session that was ended is let in to look.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from django.core import signing
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from generator.ask.callers import Caller
from generator.errors import LimiterUnavailable
from generator.models import Generation
from kit import site
from kit.loops import PerLoop
from kit.threads import in_thread

log = logging.getLogger(__name__)

SESSION_SECONDS = 7 * 24 * 3600  # a session ends then, whatever it did
PAUSE_SECONDS = 3600  # so long a key spends nothing before calls without a session are counted anew
ANSWER_SECONDS = 1.0  # how long Redis may keep a request waiting
_AWAY = (redis.RedisError, OSError, TimeoutError)
_SIGNER = signing.TimestampSigner(salt="reveweb.mcp.session")

# Of a hash: what to do, the cap (0: none), seconds that it is kept, an image, credits of it, credits counted for it.
# → whether it was done, and what the session has spent then.
_SCRIPT = """
local spent = tonumber(redis.call('hget', KEYS[1], 'spent') or '0')
local cap, image, credits, counted = tonumber(ARGV[2]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local done = 1
if ARGV[1] == 'take' then
  if redis.call('hexists', KEYS[1], 'ended') == 1 or (cap > 0 and spent + credits > cap) then
    return {0, spent}
  end
  spent = spent + credits
elseif ARGV[1] == 'note' then
  spent = spent - counted + credits
  if credits > 0 then
    redis.call('hset', KEYS[1], image, credits)
  end
elseif ARGV[1] == 'return' then
  local charged = redis.call('hget', KEYS[1], image)
  if not charged then
    return {0, spent}
  end
  redis.call('hdel', KEYS[1], image)
  spent = spent - tonumber(charged)
elseif ARGV[1] == 'end' then
  redis.call('hset', KEYS[1], 'ended', '1')
end
if spent < 0 then
  spent = 0
end
redis.call('hset', KEYS[1], 'spent', spent)
redis.call('expire', KEYS[1], ARGV[3])
return {done, spent}
"""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class SessionUnknown(Exception):
    """The session ended, or was never begun by this key."""


class SessionSpent(Exception):
    """The session has `spent` of the `cap` of credits that it may spend, and this needs `needed`."""

    def __init__(self, *, cap: int, spent: int, needed: int) -> None:
        super().__init__(f"{spent} of {cap} credits")
        self.cap = cap
        self.spent = spent
        self.needed = needed


@dataclass(frozen=True)
class Session:
    """What some calls have in common: a session, or a key's calls without one. `cap` of 0 stands for none."""

    name: str
    seconds: int
    cap: int

    async def take(self, credits: int) -> int:
        """Count `credits` before they are charged, and return what is spent then.

        Raises SessionSpent, when nothing is counted, and LimiterUnavailable.
        """
        taken, spent = await self._do("take", credits=credits)
        if not taken and await self._return_failed():
            taken, spent = await self._do("take", credits=credits)
        if not taken:
            raise SessionSpent(cap=self.cap, spent=spent, needed=credits)
        return spent

    async def note(self, *, counted: int, image: str = "", charged: int = 0) -> int:
        """Put what was `charged` for an image in the place of what was `counted`; return what is spent then."""
        return (await self._do("note", image=image, credits=charged, counted=counted))[1]

    async def give_back(self, image: str) -> int:
        """Give back what an image was charged that failed, once; return what is spent then."""
        return (await self._do("return", image=image))[1]

    async def spent(self) -> int:
        """Return what it has spent, in credits. Raises LimiterUnavailable."""
        try:
            return int(await _clients.get().hget(await self._key(), "spent") or 0)  # type: ignore[misc]  # typed as both kinds of client
        except _AWAY as error:
            raise LimiterUnavailable from error

    async def end(self) -> None:
        """Let nobody go on with it. Raises LimiterUnavailable."""
        await self._do("end")

    async def has_ended(self) -> bool:
        """Tell whether somebody ended it; no, while that cannot be known."""
        try:
            return bool(await _clients.get().hexists(await self._key(), "ended"))  # type: ignore[misc]  # likewise
        except _AWAY as error:
            log.warning("Whether an MCP session has ended is not known: %s", error)
            return False

    async def _return_failed(self) -> bool:
        """Give back what images were charged that failed since anybody looked; tell whether there were any."""
        try:
            names = await _clients.get().hkeys(await self._key())  # type: ignore[misc]  # likewise
        except _AWAY as error:
            raise LimiterUnavailable from error
        images = [name.decode() for name in names if name not in (b"spent", b"ended")]
        ended = Generation.objects.filter(public_id__in=images, status=Generation.Status.FAILED)
        failed = await in_thread(lambda: list(ended.values_list("public_id", flat=True)))
        for image in failed:
            await self.give_back(image)
        return bool(failed)

    async def _do(self, what: str, *, image: str = "", credits: int = 0, counted: int = 0) -> tuple[bool, int]:
        client = _clients.get()
        try:
            command = (1, await self._key(), what, self.cap, self.seconds, image, credits, counted)
            try:
                answer: Any = await client.evalsha(_SHA, *command)  # type: ignore[misc]  # likewise
            except redis.exceptions.NoScriptError:  # a server that was started anew
                answer = await client.eval(_SCRIPT, *command)  # type: ignore[misc]  # likewise
        except _AWAY as error:
            raise LimiterUnavailable from error
        return bool(answer[0]), int(answer[1])

    async def _key(self) -> str:
        return f"reveweb:mcp:{await site.soon()}:{self.name}"


def begin(caller: Caller) -> str:
    """Return the id of a new session of `caller`'s; nothing is kept of it before it spends something."""
    return _SIGNER.sign(f"{caller.api_key.pk}.{secrets.token_urlsafe(12)}")


def find(caller: Caller, id: str | None, cap: int) -> Session:
    """Return the session that `id` names, or without one what counts together then. Raises SessionUnknown.

    `cap` is the caller's own, in credits; it lowers this site's, never raises it.
    """
    most = min((one for one in (settings.MCP_SESSION_CREDITS, cap) if one), default=0)
    most = 0 if caller.api_key.is_test else most  # it spends nothing
    if id is None:
        return Session(f"key:{caller.api_key.pk}", PAUSE_SECONDS, most)
    try:
        named: str = _SIGNER.unsign(id, max_age=SESSION_SECONDS)
    except signing.BadSignature as error:
        raise SessionUnknown from error
    if named.partition(".")[0] != str(caller.api_key.pk):
        raise SessionUnknown
    return Session(f"session:{named}", SESSION_SECONDS, most)


def _new_client() -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        retry=Retry(NoBackoff(), 1),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
    )


_clients = PerLoop(_new_client, lambda client: client.aclose())
