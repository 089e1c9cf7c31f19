"""The engine: claims what is due and works on it, on one event loop on a thread of its own.

Three kinds of work are in hand: what is sent, what is looked at, what is fetched. Each is bounded, and none has more in
hand than there are connections, so nothing waits in a queue for one. Rows are the truth; a wake-up, a Celery message
and the engine's own timers only say "look now", and after a second of silence it looks anyway.
"""

import asyncio
import contextlib
import functools
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any

import redis
from django.db import DatabaseError
from django.utils import timezone

from generator import live
from generator.files import standing, unstored
from generator.jobs import lifecycle, sweep
from generator.jobs.pacing import Bell
from generator.jobs.rhythm import step_at
from generator.jobs.turns import Turns
from generator.jobs.worker import Drawn, Worker
from generator.models import Generation, Upstream
from generator.upstreams import health, transport
from generator.upstreams.errors import UpstreamError
from generator.upstreams.registry import DIALECTS, Dialects
from kit import pulse, wakeups
from kit.threads import Pool, in_loop, in_thread

log = logging.getLogger(__name__)

LOOKS_AT_ONCE = transport.LOOK_CONNECTIONS
SUBMITS_AT_ONCE = transport.SUBMIT_CONNECTIONS
FETCHES_IN_HAND = 12_000  # that wait for their turn; each is a row and an address, not an image
CLAIMS_AT_ONCE = 100
SILENCE_SECONDS = 1.0
SWEEP_SECONDS = 2.0
BREATH_SECONDS = 0.005  # between two claims, so that what is due meanwhile comes in one; more while much is under way
PULSE_SECONDS = 1.0
CATCH_UP_SECONDS = 0.3
ASK_SECONDS = 20.0
TOLD_AFTER = timedelta(minutes=1)  # that storage is in trouble: what comes and goes needs no mail
ENDING_SECONDS = 10.0  # what is in hand has to end when the process does

InHand = dict[int, Generation]


class Engine:
    """One process's share of the drawing."""

    def __init__(self, dialects: Dialects | None = None, *, submits_at_once: int = SUBMITS_AT_ONCE) -> None:
        self.dialects = dialects or Dialects()
        self.queue = Bell(asyncio.Event(), SILENCE_SECONDS)
        self.looks = Bell(asyncio.Event(), SILENCE_SECONDS)
        self.worker = Worker(self.dialects, self.queue, self.looks)
        self.sending: InHand = {}
        self.looking: InHand = {}
        self.fetching: InHand = {}
        self._places = submits_at_once
        self._turns = Turns(submits_at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._got_something_done = False

    # --- Running

    async def run(self) -> None:
        """Work until `close`, then let what is in hand end, for a while."""
        beside = (
            self._hear(),
            self._renew(),
            self._sweep(),
            self._beat(),
            self._catch_up(),
            self._watch_storage(),
            self._ask(),
        )
        others = [asyncio.create_task(work) for work in beside]
        pumps = [
            asyncio.create_task(self._pump(self.queue, self._send_some)),
            asyncio.create_task(self._pump(self.looks, self._look_at_some)),
        ]
        await asyncio.gather(*pumps)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ENDING_SECONDS)
        for task in [*others, *self._tasks]:
            task.cancel()
        # What was being looked at or fetched is let go; what is being sent cannot be, for it may have been accepted.
        await asyncio.gather(*(self.worker.pause(one, 0) for one in [*self.looking.values(), *self.fetching.values()]))
        await self.dialects.aclose()

    def close(self) -> None:
        """Claim nothing more, and end."""
        self._is_closing = True
        self.queue.ring()
        self.looks.ring()

    async def send_due(self) -> None:
        """Send all that is due, and return when that has been answered."""
        while await self._send_some():
            await self._all_ended()

    async def look_at_due(self) -> None:
        """Look at all that is due, and return when that has been acted on."""
        while await self._look_at_some():
            await self._all_ended()

    async def _all_ended(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _pump(self, bell: Bell, start_some: Callable[[], Awaitable[int]]) -> None:
        while not self._is_closing:
            started = 0
            try:
                started = await start_some()
            except Exception as error:  # the database is away; what is due stays due
                log.warning("Nothing can be claimed: %r", error)
            if started:
                await asyncio.sleep(BREATH_SECONDS + min(0.1, len(bell) / 5000))
            if started < CLAIMS_AT_ONCE:
                await bell.heard()

    # --- What is claimed

    async def _send_some(self) -> int:
        places = min(CLAIMS_AT_ONCE, self._places - len(self.sending))
        of_wallet = Counter(generation.wallet_id for generation in self.sending.values())
        claimed = await in_thread(lambda: self._claim_submissions(places, of_wallet)) if places > 0 else []
        self._got_something_done |= self._turns.is_waiting  # it is not this that stalls
        for generation in claimed:
            self._start(self._send(generation), generation, self.sending, self.queue)
        return len(claimed)

    def _claim_submissions(self, places: int, of_wallet: Counter[int]) -> list[Generation]:
        if self.worker.is_full:
            return []
        return self._turns.claim(places, of_wallet)

    async def _look_at_some(self) -> int:
        places = min(CLAIMS_AT_ONCE, LOOKS_AT_ONCE - len(self.looking), FETCHES_IN_HAND - len(self.fetching))
        claimed = await in_thread(lambda: lifecycle.claim_looks(places)) if places > 0 else []
        for generation in claimed:
            self._start(self._look(generation), generation, self.looking, self.looks)
        return len(claimed)

    def _start(self, work: Coroutine[Any, Any, None], generation: Generation, hand: InHand, bell: Bell) -> None:
        hand[generation.pk] = generation
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            hand.pop(generation.pk, None)
            bell.ring()  # there is a place
            self._got_something_done = True
            if not task.cancelled() and (error := task.exception()):
                # One odd job must not stop the others; its claim lapses.
                log.error("%s: something went wrong", generation, exc_info=error)

        task.add_done_callback(ended)

    async def _send(self, generation: Generation) -> None:
        if drawn := await self.worker.send(generation):
            self._fetch(generation, drawn)

    async def _look(self, generation: Generation) -> None:
        if drawn := await self.worker.look(generation):
            self._fetch(generation, drawn)

    def _fetch(self, generation: Generation, drawn: Drawn) -> None:
        self._start(self.worker.keep(generation, drawn), generation, self.fetching, self.looks)

    # --- Beside the work

    async def _hear(self) -> None:
        """Pass on the wake-ups of those who ask for images."""
        with live.listen(wakeups.WORK) as event:
            while True:
                await event.wait()
                event.clear()
                self.queue.ring()

    async def _renew(self) -> None:
        """Hold on to all that is in hand, all at once. What ends meanwhile has no claim left that this could renew."""
        while True:
            await asyncio.sleep(lifecycle.LEASE.total_seconds() / 3)
            held = [*self.sending.values(), *self.looking.values(), *self.fetching.values()]
            try:
                await in_thread(functools.partial(lifecycle.renew, held))
            except Exception as error:
                log.warning("Claims could not be renewed: %r", error)

    async def _sweep(self) -> None:
        """End what nobody else would. Here, for the threads that take messages may all be waiting for Stripe."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await in_thread(sweep.fail_stuck)
            except Exception as error:  # the database is away
                log.warning("What is stuck could not be ended: %r", error)

    async def _watch_storage(self) -> None:
        """Find out whether images can be kept, before they are drawn, and have those stored that wait for it."""
        wrong_since: datetime | None = None
        was_wrong = True  # whoever starts may have images of an earlier process
        while True:
            with contextlib.suppress(Exception):  # the database is away
                await in_thread(unstored.sweep)
            wrong: str | None = None
            try:
                wrong = await in_thread(standing.examine, Pool.STORAGE)
            except Exception:
                log.exception("It is not known how storage is")
            if was_wrong and not wrong:
                with contextlib.suppress(DatabaseError):
                    if await in_thread(lifecycle.store_now):
                        self.looks.ring()
            was_wrong = bool(wrong)
            wrong_since = (wrong_since or timezone.now()) if wrong else None
            if wrong and wrong_since and timezone.now() - wrong_since > TOLD_AFTER:
                with contextlib.suppress(DatabaseError):
                    await in_thread(functools.partial(sweep.tell_of_storage, wrong, since=wrong_since))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(standing.PAUSE_SECONDS):
                    await asyncio.sleep(standing.TROUBLED_PAUSE_SECONDS)
                    if not wrong:
                        await self.worker.storage_refused.wait()
            self.worker.storage_refused.clear()

    async def _catch_up(self) -> None:
        """Once it is known how long an upstream takes, bring forward the looks there that were set before it was."""
        until: dict[int, float] = {}
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(CATCH_UP_SECONDS)
            for upstream, rhythm in list(self.worker.rhythms.items()):
                usual = rhythm.usual
                if rhythm.is_learnt and clock() < until.setdefault(upstream, clock() + 2 * usual):
                    sooner = functools.partial(
                        lifecycle.look_sooner, age=usual, beyond=step_at(usual) + CATCH_UP_SECONDS, upstream=upstream
                    )
                    with contextlib.suppress(DatabaseError):
                        if await in_thread(sooner):
                            self.looks.ring()

    async def _ask(self) -> None:
        """Ask upstreams that tell it what is left there, one worker for all, and close what is of no use any more."""
        while True:
            with contextlib.suppress(Exception):  # the database is away, or an upstream: it is asked again
                await self._ask_balances()
            await self.dialects.close_old()
            await asyncio.sleep(ASK_SECONDS)

    async def _ask_balances(self) -> None:
        upstreams = await in_thread(lambda: list(Upstream.objects.filter(is_active=True)))
        for upstream in upstreams:
            dialect = DIALECTS.get(upstream.dialect)
            if dialect is None or not dialect.can.tells_balance:
                continue
            if await asyncio.to_thread(health.may_ask_balance, upstream.pk):
                with contextlib.suppress(UpstreamError):
                    async with self.dialects.of(upstream) as asked:
                        balance = await asked.balance()
                    if balance is not None:
                        await asyncio.to_thread(health.keep_balance, upstream.pk, balance)

    async def _beat(self) -> None:
        """Let it be known that this works, and whether anything gets done."""
        while True:
            names = ["worker", *(["progress"] if self._got_something_done else []), *self.worker.sender.news]
            self._got_something_done = False
            self.worker.sender.news.clear()
            for name in names:
                with contextlib.suppress(redis.RedisError, OSError):
                    await asyncio.to_thread(pulse.beat, name)
            await asyncio.sleep(PULSE_SECONDS)


# --- In this process ---------------------------------------------------------------------------------------------


class Running:
    """An engine on a thread."""

    def __init__(self, engine: Callable[[], Engine] = Engine) -> None:
        self._make = engine
        self._began: Future[tuple[Engine, asyncio.AbstractEventLoop]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="engine", daemon=True)
        self._thread.start()
        self._began.result()

    async def _run(self) -> None:
        try:
            engine = self._make()
        except BaseException as error:
            self._began.set_exception(error)
            raise
        self._began.set_result((engine, asyncio.get_running_loop()))
        await engine.run()

    def ring(self, name: str) -> None:
        """Have the engine look at once at its "queue" or its "looks"."""
        engine, loop = self._began.result()
        loop.call_soon_threadsafe(getattr(engine, name).ring)

    def close(self) -> None:
        """Have it claim nothing more."""
        engine, loop = self._began.result()
        with contextlib.suppress(RuntimeError):  # it has ended
            loop.call_soon_threadsafe(engine.close)

    def join(self, seconds: float = ENDING_SECONDS + 5) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)


_running: Running | None = None
runs_in_parent = False  # this process may be a fork of one that runs an engine


def start() -> None:
    """Run an engine in this process, from now on."""
    global _running
    if _running is None:
        _running = Running()


def close() -> None:
    """Have this process's engine claim nothing more."""
    if _running is not None:
        _running.close()


def stop() -> None:
    """End this process's engine."""
    global _running
    if _running is not None:
        _running.close()
        _running.join()
        _running = None


def send_now() -> None:
    """Have what is due sent: by this process's engine, or else here and now."""
    if _running is not None:
        _running.ring("queue")
    elif not runs_in_parent:
        in_loop(_in_passing().send_due())


def look_now() -> None:
    """Have what is due looked at: by this process's engine, or else here and now."""
    if _running is not None:
        _running.ring("looks")
    elif not runs_in_parent:
        in_loop(_in_passing().look_at_due())


@functools.lru_cache(maxsize=1)
def _in_passing() -> Engine:
    """What does one pass where no engine runs, on the process's background loop."""
    return Engine()
