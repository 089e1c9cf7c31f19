"""Wake-ups: publish on commit, wait for one generation, stream a wallet's changes to a page.

A message only says "look now"; the row is the truth, and a waiter also checks the row every few seconds, so
a lost message costs a moment and nothing else. A process holds one subscription however many wait in it.
"""

import asyncio
import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from functools import partial

import redis
import redis.asyncio
from django.conf import settings

from generator.models import Generation
from kit import wakeups
from kit.threads import in_thread
from kit.wakeups import wallet_topic

log = logging.getLogger(__name__)

__all__ = ["generation_topic", "listen", "publish_on_commit", "ticks", "wait_until_final", "wallet_topic"]

RECHECK_SECONDS = 2.0  # how long a waiter trusts the silence


def publish_on_commit(generation: Generation) -> None:
    """Wake everybody who waits for this generation or watches its wallet, once the transaction is committed."""
    wakeups.publish_on_commit(generation_topic(generation.public_id), wallet_topic(generation.wallet_id))


def generation_topic(public_id: str) -> str:
    """The topic of one generation."""
    return f"generation:{public_id}"


@contextlib.contextmanager
def listen(topic: str) -> Iterator[asyncio.Event]:
    """Give an event that is set whenever somebody publishes to `topic`; the listener clears it."""
    hub = _hub()
    event = asyncio.Event()
    hub.listeners[topic].add(event)
    try:
        yield event
    finally:
        hub.listeners[topic].discard(event)
        if not hub.listeners[topic]:
            del hub.listeners[topic]


async def ticks(topic: str, seconds: float) -> AsyncGenerator[bool]:
    """Yield at once, then at each wake-up of `topic` or after a while of silence, until `seconds` have passed.

    What is yielded tells a wake-up (and the first look) from silence.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    with listen(topic) as event:
        await _hub().ready()
        yield True
        while (left := end - loop.time()) > 0:
            # Not `wait_for`: before Python 3.12 it can swallow the cancellation of a caller that hung up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, RECHECK_SECONDS)):
                    await event.wait()
            woken = event.is_set()
            event.clear()
            yield woken


async def wait_until_final(generation: Generation, seconds: float) -> Generation:
    """Return the generation once it has ended, or as it is after `seconds`; holds no thread meanwhile."""
    row = partial(Generation.objects.get, pk=generation.pk)
    async with contextlib.aclosing(ticks(generation_topic(generation.public_id), seconds)) as moments:
        async for _ in moments:
            generation = await in_thread(row)
            if generation.is_final:
                break
    return generation


class _Hub:
    """One process's subscription, dispatched in memory."""

    def __init__(self) -> None:
        self.listeners: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.subscribed = asyncio.Event()
        self.task = asyncio.create_task(self.run(), name="live-hub")

    async def ready(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self.subscribed.wait()

    async def run(self) -> None:
        while True:
            try:
                await self.dispatch()
            except (redis.RedisError, OSError) as error:
                self.subscribed.clear()
                log.warning("Wake-ups cannot be received, polling instead: %s", error)
                await asyncio.sleep(1.0)

    async def dispatch(self) -> None:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, health_check_interval=15)
        async with client, client.pubsub() as pubsub:
            await pubsub.subscribe(wakeups.CHANNEL)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    self.subscribed.set()
                elif message["type"] == "message":
                    self.wake(json.loads(message["data"]))

    def wake(self, topics: list[str]) -> None:
        for topic in topics:
            for event in self.listeners.get(topic, ()):
                event.set()


_hubs: dict[asyncio.AbstractEventLoop, _Hub] = {}


def _hub() -> _Hub:
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None or hub.task.done():
        for stale in [other for other in _hubs if other.is_closed()]:
            del _hubs[stale]
        hub = _hubs[loop] = _Hub()
    return hub
