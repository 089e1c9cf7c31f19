"""The courier: sends what is due, on one event loop on a thread of its own.

Accounts and hosts take turns. A lane is what one account sends to one host: it has a few places at a time, and fewer
while nobody answers there, so that a receiver that is slow or away holds up its own messages and no others. Rows are
the truth; a wake-up only says "look now", and after a second of silence the courier looks anyway.
"""

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis
from django.utils import timezone

from generator import live
from generator.jobs.announcements import TOPIC
from generator.jobs.pacing import Bell
from generator.webhooks import deliveries, post, signing
from generator.webhooks.deliveries import Outcome, Parcel, Waiting
from generator.webhooks.retries import Retries
from kit import pulse
from kit.batch import Batch
from kit.postgresql.outage import is_outage
from kit.threads import in_thread

log = logging.getLogger(__name__)

PULSE = "webhooks"
AT_ONCE = post.AT_ONCE
OF_A_LANE = 8
OF_AN_AILING_LANE = 2
OF_A_HOST = 40
OF_AN_ACCOUNT = 60
OF_AN_ACCOUNT_AMONG_MANY = 8  # once half of all places are taken: a few accounts must not have them all
SLOW_MILLISECONDS = 3000  # from which a receiver has places for few, as one that is silent
MOST_AILING = 10_000  # lanes that are remembered
LOOKED_AT = 200  # rows at a time
MOST_LOOKS = 20  # for places, before what was found is sent
SILENCE_SECONDS = 1.0
PULSE_SECONDS = 1.0
STALE_SECONDS = 5.0  # since it last knew what is due
SETTLE_SECONDS = 0.5  # between two tries to write down what came of a message
ENDING_SECONDS = post.SECONDS + 5


@dataclass
class Hands:
    """How much is under way, and where nobody answers."""

    lanes: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    wallets: Counter[int] = field(default_factory=Counter)
    ailing: dict[str, None] = field(default_factory=dict)  # the latest last

    def take(self, one: Waiting | Parcel) -> None:
        self.lanes[one.lane] += 1
        self.hosts[one.host] += 1
        self.wallets[one.wallet_id] += 1

    def let_go(self, one: Waiting | Parcel) -> None:
        pairs: list[tuple[Counter[Any], str | int]]
        pairs = [(self.lanes, one.lane), (self.hosts, one.host), (self.wallets, one.wallet_id)]
        for counter, key in pairs:
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]

    def has_room(self, one: Waiting) -> bool:
        return (
            self.lanes[one.lane] < self.most_of(one.lane)
            and self.hosts[one.host] < OF_A_HOST
            and self.wallets[one.wallet_id] < self.most_of_an_account
        )

    @property
    def most_of_an_account(self) -> int:
        return OF_AN_ACCOUNT if self.wallets.total() < AT_ONCE // 2 else OF_AN_ACCOUNT_AMONG_MANY

    def most_of(self, lane: str) -> int:
        return OF_AN_AILING_LANE if lane in self.ailing else OF_A_LANE

    def full(self) -> tuple[list[int], list[str], list[str]]:
        """Return the accounts, hosts and lanes that have no room."""
        return (
            [wallet for wallet, count in self.wallets.items() if count >= self.most_of_an_account],
            [host for host, count in self.hosts.items() if count >= OF_A_HOST],
            [lane for lane, count in self.lanes.items() if count >= self.most_of(lane)],
        )

    def note(self, lane: str, *, is_silent: bool) -> None:
        self.ailing.pop(lane, None)
        if is_silent:
            self.ailing[lane] = None
            if len(self.ailing) > MOST_AILING:
                del self.ailing[next(iter(self.ailing))]


class Courier:
    """One process's share of the sending. `seconds` is how long each receiver has."""

    def __init__(self, retries: Retries | None = None, *, seconds: float = post.SECONDS) -> None:
        self._retries = retries or Retries()
        self._seconds = seconds
        self.bell = Bell(asyncio.Event(), SILENCE_SECONDS)
        self._hands = Hands()
        self._under_way: set[asyncio.Task[None]] = set()
        self._in_hand: set[int] = set()  # keys of what is being sent
        self._settled: Batch[Outcome, bool] = Batch(self._settle)
        self._is_closing = False
        self._looked_at = time.monotonic()

    async def run(self) -> None:
        """Send until `close`, then let what is under way end."""
        others = [asyncio.create_task(work) for work in (self._hear(), self._beat())]
        while not self._is_closing:
            started = 0
            try:
                started = await self.send_some()
            except Exception as error:  # the database is away; what is due stays due
                log.warning("No webhooks can be claimed: %r", error)
            if not started:
                await self.bell.heard()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=ENDING_SECONDS)
        for task in [*others, *self._under_way]:
            task.cancel()

    def close(self) -> None:
        """Claim nothing more, and end."""
        self._is_closing = True
        self.bell.ring()

    async def send_due(self) -> None:
        """Send all that is due, and return when that has been answered."""
        while await self.send_some() or self._under_way:
            if self._under_way:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def send_some(self) -> int:
        """Begin to send what is due and has a place; return how many."""
        places = AT_ONCE - len(self._under_way)
        if places <= 0:
            return 0
        started = 0
        for _ in range(MOST_LOOKS):
            full = self._hands.full()
            found = await in_thread(functools.partial(deliveries.due, timezone.now(), without=full, limit=LOOKED_AT))
            chosen: dict[int, Waiting] = {}
            for one in found:
                # One whose claim lapses while it is in hand may just have been taken.
                if one.pk not in self._in_hand and len(chosen) < places - started and self._hands.has_room(one):
                    self._hands.take(one)
                    chosen[one.pk] = one
            started += await self._start(chosen)
            if len(found) < LOOKED_AT or started >= places:
                break
        self._looked_at = time.monotonic()
        return started

    async def _start(self, chosen: dict[int, Waiting]) -> int:
        """Claim what was chosen and counted as in hand, and begin to send it; return how many were claimed."""
        claimed: dict[int, Parcel] = {}
        try:
            claimed = {one.pk: one for one in await in_thread(lambda: deliveries.claim(list(chosen)))}
        finally:
            for pk in chosen.keys() - claimed.keys():
                self._hands.let_go(chosen[pk])
        for parcel in claimed.values():
            task = asyncio.create_task(self._send(parcel))
            self._under_way.add(task)
            self._in_hand.add(parcel.pk)
            task.add_done_callback(functools.partial(self._ended, parcel))
        return len(claimed)

    async def _send(self, parcel: Parcel) -> None:
        now = timezone.now()
        headers = signing.headers(parcel.message_id, parcel.body, parcel.secrets, now)
        reply = await post.post(parcel.url, parcel.body, headers, seconds=self._seconds)
        self._hands.note(parcel.lane, is_silent=reply.is_silent or reply.milliseconds > SLOW_MILLISECONDS)
        outcome = Outcome(parcel, reply)
        until = asyncio.get_running_loop().time() + deliveries.LEASE.total_seconds() - self._seconds - 5
        while True:
            if await self._settled.ask(outcome):
                return
            if not reply.is_taken and asyncio.get_running_loop().time() > until:
                return  # the claim lapses; it is sent again, as it would have been
            await asyncio.sleep(SETTLE_SECONDS)

    def _settle(self, outcomes: list[Outcome]) -> dict[Outcome, bool]:
        """Write down what came of some, all together or else each alone: one odd row must not keep the others."""
        try:
            deliveries.settle(outcomes, self._retries)
        except Exception as error:
            log.warning("What came of %s webhooks cannot be written down: %r", len(outcomes), error)
            if is_outage(error) or len(outcomes) == 1:
                return {}
            return {one: True for one in outcomes if self._settle([one])}
        return dict.fromkeys(outcomes, True)

    def _ended(self, parcel: Parcel, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._in_hand.discard(parcel.pk)
        self._hands.let_go(parcel)
        self.bell.ring()  # there is a place
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: something went wrong", parcel.message_id, exc_info=error)

    async def _hear(self) -> None:
        with live.listen(TOPIC) as event:
            while True:
                await event.wait()
                event.clear()
                self.bell.ring()

    async def _beat(self) -> None:
        """Let it be known that this works, as long as it finds out what is due."""
        while True:
            if time.monotonic() - self._looked_at > STALE_SECONDS:
                await asyncio.sleep(PULSE_SECONDS)
                continue
            with contextlib.suppress(redis.RedisError, OSError):
                await asyncio.to_thread(pulse.beat, PULSE)
            await asyncio.sleep(PULSE_SECONDS)


class Running:
    """A courier on a thread."""

    def __init__(self, make: Callable[[], Courier] = Courier) -> None:
        self._make = make
        self._began = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._courier: Courier | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="courier", daemon=True)
        self._thread.start()
        self._began.wait()

    async def _run(self) -> None:
        try:
            self._loop, self._courier = asyncio.get_running_loop(), self._make()
        finally:
            self._began.set()
        await self._courier.run()

    def close(self) -> None:
        """Have it claim nothing more."""
        if self._loop is not None and self._courier is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._courier.close)

    def join(self, seconds: float = ENDING_SECONDS + 5) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)


_running: Running | None = None


def start() -> None:
    """Run a courier in this process, from now on."""
    global _running
    if _running is None:
        _running = Running()


def close() -> None:
    """Have this process's courier claim nothing more."""
    if _running is not None:
        _running.close()


def stop() -> None:
    """End this process's courier."""
    global _running
    if _running is not None:
        _running.close()
        _running.join()
        _running = None
