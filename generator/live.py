"""Wake-ups: publish on commit, wait for one generation, hear of a wallet's changes.

A message only says "look now"; the row is the truth, and what is waited for is also looked at every few seconds, so a
lost message costs a moment and nothing else. A process holds one subscription however many wait in it, and looks for
all of them in one query.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator

import redis
import redis.asyncio
from django.conf import settings
from django.db.models import QuerySet

from generator.models import Generation
from kit import site, wakeups
from kit.batch import MOST, Batch
from kit.threads import Pool, in_thread
from kit.wakeups import wallet_topic

log = logging.getLogger(__name__)

__all__ = [
    "answer_held",
    "generation_topic",
    "listen",
    "may_wait_for",
    "publish_on_commit",
    "ready",
    "ticks",
    "wait_until_final",
    "wallet_topic",
]

RECHECK_SECONDS = 2.0  # how long the silence is trusted
WAITING_FOR_ONE = 8  # in one process; no limit counts repeated calls, and each holds a connection
REMEMBERED_SECONDS = 5.0  # how long it is known which generations were heard of
_GENERATION = "generation:"


def publish_on_commit(generation: Generation, *, ended: bool = True) -> None:
    """Wake whoever watches the generation's wallet once the transaction is committed, and if it `ended` its waiters."""
    topics = [wallet_topic(generation.wallet_id)]
    if ended:
        topics.insert(0, generation_topic(generation.public_id))
    wakeups.publish_on_commit(*topics)


def generation_topic(public_id: str) -> str:
    """The topic of one generation's end."""
    return _GENERATION + public_id


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


async def ready() -> None:
    """Return once wake-ups are received, or after a second without."""
    await _hub().ready()


async def ticks(topic: str, seconds: float) -> AsyncGenerator[bool]:
    """Yield at once, then at each wake-up of `topic` or after a while of silence, until `seconds` have passed.

    What is yielded tells a wake-up (and the first look) from silence.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    with listen(topic) as event:
        await ready()
        yield True
        while (left := end - loop.time()) > 0:
            await until_set(event, min(left, RECHECK_SECONDS))
            woken = event.is_set()
            event.clear()
            yield woken


async def until_set(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, for `seconds` at most."""
    # Not `wait_for`: before Python 3.12 it can swallow the cancellation of a caller that hung up.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()


async def wait_until_final(generation: Generation, seconds: float) -> Generation:
    """Return the generation once it has ended, or as it is after `seconds`.

    Of those who wait for the same one, as calls with one Idempotency-Key do, at most `WAITING_FOR_ONE` wait.
    Holds no thread meanwhile, and costs a query only when it gives up: the hub looks for everybody.
    """
    hub = _hub()
    if len(hub.waiters.get(generation.pk, ())) >= WAITING_FOR_ONE:
        return generation
    end = asyncio.get_running_loop().time() + seconds
    with hub.waiting_for(generation) as ended:
        await hub.ready()
        if not hub.heard_all_of(generation):
            hub.look_for(generation.pk)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                if found := await ended:
                    return found
    return await hub.standing.ask(generation.pk) or generation


def may_wait_for(generation: Generation) -> bool:
    """Tell whether `wait_until_final` would wait for this one: not if so many do already, or the process ends."""
    hub = _hub()
    return not hub.is_released and len(hub.waiters.get(generation.pk, ())) < WAITING_FOR_ONE


def answer_held() -> None:
    """Let nobody wait any longer on this event loop, now and from now on: the process ends."""
    _hub().release()


class _Hub:
    """One process's subscription, dispatched in memory, and whoever waits in it."""

    def __init__(self) -> None:
        self.listeners: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.waiters: defaultdict[int, set[asyncio.Future[Generation | None]]] = defaultdict(set)
        self.awaited: dict[str, int] = {}  # topics of what is waited for, and their rows
        self.standing: Batch[int, Generation] = Batch(lambda pks: Generation.objects.in_bulk(pks))
        self.subscribed = asyncio.Event()
        self.subscribed_at = float("inf")
        self.heard: dict[str, float] = {}  # of which generations, and when: oldest first
        self.is_released = False
        self.to_look_for: set[int] = set()
        self.looking = asyncio.Event()
        self.task = asyncio.create_task(self.run(), name="live-hub")
        self.looker = asyncio.create_task(self.look(), name="live-look")

    async def ready(self) -> None:
        if not self.subscribed.is_set():
            await until_set(self.subscribed, 1.0)

    # --- Receiving

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
            await site.soon()
            await pubsub.subscribe(wakeups.channel())
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    self.subscribed_at = time.time()
                    self.subscribed.set()
                elif message["type"] == "message":
                    self.wake(json.loads(message["data"]))

    def wake(self, topics: list[str]) -> None:
        now = time.time()
        for topic in topics:
            for event in self.listeners.get(topic, ()):
                event.set()
            if topic.startswith(_GENERATION):
                self.heard.pop(topic, None)
                self.heard[topic] = now
                if pk := self.awaited.get(topic):
                    self.look_for(pk)
        while self.heard and now - self.heard[oldest := next(iter(self.heard))] > REMEMBERED_SECONDS:
            del self.heard[oldest]

    def heard_all_of(self, generation: Generation) -> bool:
        """Whether its end cannot have been missed so far: it began while this process listened, and nothing came."""
        began = generation.created_at.timestamp()
        lately = self.subscribed_at < began and time.time() - began < REMEMBERED_SECONDS
        return lately and self.subscribed.is_set() and generation_topic(generation.public_id) not in self.heard

    # --- Waiting

    @contextlib.contextmanager
    def waiting_for(self, generation: Generation) -> Iterator[asyncio.Future[Generation | None]]:
        """Give what becomes of `generation` once it has ended, or None when nobody may wait any longer."""
        future: asyncio.Future[Generation | None] = asyncio.get_running_loop().create_future()
        if self.is_released:
            future.set_result(None)
        topic = generation_topic(generation.public_id)
        self.waiters[generation.pk].add(future)
        self.awaited[topic] = generation.pk
        try:
            yield future
        finally:
            self.waiters[generation.pk].discard(future)
            if not self.waiters[generation.pk]:
                del self.waiters[generation.pk], self.awaited[topic]

    def release(self) -> None:
        self.is_released = True
        for future in [future for futures in self.waiters.values() for future in futures if not future.done()]:
            future.set_result(None)

    def look_for(self, pk: int) -> None:
        self.to_look_for.add(pk)
        self.looking.set()

    async def look(self) -> None:
        """Look for what was heard of, all that came during one look in the next; and now and then for everything."""
        clock = asyncio.get_running_loop().time
        recheck_at = clock() + RECHECK_SECONDS
        while True:
            await until_set(self.looking, max(0.0, recheck_at - clock()))
            self.looking.clear()
            wanted, self.to_look_for = self.to_look_for, set()
            if clock() >= recheck_at:
                wanted, recheck_at = set(self.waiters), clock() + RECHECK_SECONDS
            wanted &= self.waiters.keys()
            try:
                await self.look_at(list(wanted))
            except Exception as error:  # whatever the database has; what is due is looked for again
                log.warning("What is waited for cannot be looked at: %r", error)
                await asyncio.sleep(0.5)

    async def look_at(self, pks: list[int]) -> None:
        for start in range(0, len(pks), MOST):
            ended = _ended().filter(pk__in=pks[start : start + MOST])
            for generation in await in_thread(lambda: list(ended), Pool.WATCH):  # noqa: B023 (awaited here)
                for future in self.waiters.get(generation.pk, ()):
                    if not future.done():
                        future.set_result(generation)


def _ended() -> QuerySet[Generation]:
    return Generation.objects.exclude(status__in=Generation.UNFINISHED)


_hubs: dict[asyncio.AbstractEventLoop, _Hub] = {}


def waiting() -> int:
    """Return how many are waited for by this process's calls; any thread may ask."""
    return sum(len(waiters) for hub in list(_hubs.values()) for waiters in list(hub.waiters.values()))


def _hub() -> _Hub:
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None or hub.task.done():
        for stale in [other for other in _hubs if other.is_closed()]:
            del _hubs[stale]
        hub = _hubs[loop] = _Hub()
    return hub
