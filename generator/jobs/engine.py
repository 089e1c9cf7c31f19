"""The engine: claims what is due and works on it, on one event loop on a thread of its own.

Three kinds of work are in hand: what is sent, what is looked at, what is fetched. Each is bounded, and none has more in
hand than there are connections, so nothing waits in a queue for one. Rows are the truth; a wake-up, a Celery message
and the engine's own timers only say "look now", and after a second of silence it looks anyway.
"""

import asyncio
import contextlib
import contextvars
import functools
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError

from generator import live
from generator.files import standing, unstored
from generator.jobs import cancelling, lifecycle, sweep
from generator.jobs.pacing import SLACK_SECONDS, Bell
from generator.jobs.rhythm import step_at
from generator.jobs.sampling import IN_HAND as SAMPLES_IN_HAND
from generator.jobs.sampling import Sampler
from generator.jobs.turns import Turns
from generator.jobs.worker import Drawn, Worker
from generator.models import Generation, Upstream
from generator.upstreams import health, transport
from generator.upstreams.errors import UpstreamError
from generator.upstreams.registry import DIALECTS, Dialects
from kit import ending, pulse, request_id, tracing, wakeups
from kit.threads import Pool, in_loop, in_thread

log = logging.getLogger(__name__)

LOOKS_AT_ONCE = transport.LOOK_CONNECTIONS
SUBMITS_AT_ONCE = transport.SUBMIT_CONNECTIONS
FETCHES_IN_HAND = 12_000  # that wait for their turn; each is a row and an address, not an image
CLAIMS_AT_ONCE = 100
SILENCE_SECONDS = 1.0
SWEEP_AGAIN_SECONDS = 2.0  # after the database was away
BREATH_SECONDS = 0.005  # between two claims, so that what is due meanwhile comes in one; more while much is under way
PULSE_SECONDS = 1.0
CATCH_UP_SECONDS = 0.3
CANCEL_AGAIN_SECONDS = 0.2  # while somebody has in hand what is to be cancelled
ASK_SECONDS = 20.0
HANDING_OVER_SECONDS = 5.0  # to end what is in hand when the process does, before another worker goes on with it
LETTING_GO_SECONDS = 3.0  # of WORKER_DRAIN_SECONDS, for writing down what is let go

InHand = dict[int, Generation]


class Engine:
    """One process's share of the drawing."""

    def __init__(self, dialects: Dialects | None = None, *, submits_at_once: int = SUBMITS_AT_ONCE) -> None:
        self.dialects = dialects or Dialects()
        self.queue = Bell(asyncio.Event(), SILENCE_SECONDS)
        self.looks = Bell(asyncio.Event(), SILENCE_SECONDS)
        self.samples = Bell(asyncio.Event(), SILENCE_SECONDS)
        self.worker = Worker(self.dialects, self.queue, self.looks)
        self._sampler = Sampler(self.samples)
        self.sending: InHand = {}
        self.looking: InHand = {}
        self.fetching: InHand = {}
        self.sampling: InHand = {}
        self._places = submits_at_once
        self._turns = Turns(submits_at_once)
        self._tasks: dict[asyncio.Task[None], tuple[InHand, Generation]] = {}
        self._quiet = asyncio.Event()  # nothing is in hand, or nobody waits for it any longer
        self._is_closing = False
        self._got_something_done = False

    # --- Running

    async def run(self) -> None:
        """Work until `close`, then let what is in hand end, for a while.

        What is being sent is waited for as long as the process may take: its upstream may have it, and its answer is
        all that tells. What another worker can go on with is left to it after a few seconds.
        """
        beside = (
            self._hear(wakeups.WORK, self.queue),
            self._hear(wakeups.SAMPLES, self.samples),
            self._renew(),
            self._sweep(),
            self._call_off(),
            self._beat(),
            self._catch_up(),
            self._watch_storage(),
            self._ask(),
        )
        others = [asyncio.create_task(work) for work in beside]
        pumps = [
            asyncio.create_task(self._pump(self.queue, self._send_some)),
            asyncio.create_task(self._pump(self.looks, self._look_at_some)),
            asyncio.create_task(self._pump(self.samples, self._draw_some_samples)),
        ]
        await asyncio.gather(*pumps)
        until = asyncio.get_running_loop().time() + ending_seconds()
        if not self._tasks:
            self._quiet.set()
        await live.until_set(self._quiet, min(HANDING_OVER_SECONDS, ending_seconds()))
        await self._let_go(_others_can_finish)
        await live.until_set(self._quiet, until - asyncio.get_running_loop().time())
        for task in others:
            task.cancel()
        await self._let_go(lambda generation: True)
        for task in self._tasks:
            task.cancel()
        await self.dialects.aclose()

    def close(self) -> None:
        """Claim nothing more, begin to send nothing more, and end."""
        self._is_closing = True
        self.worker.sender.close()
        self.queue.ring()
        self.looks.ring()
        self.samples.ring()

    def hasten(self) -> None:
        """Wait for nothing any longer, after `close`."""
        self._quiet.set()

    async def send_due(self) -> None:
        """Send all that is due, and return when that has been answered; draw the samples that are."""
        while await self._send_some() or await self._draw_some_samples():
            await self._all_ended()

    async def look_at_due(self) -> None:
        """Look at all that is due, and return when that has been acted on."""
        while await self._look_at_some():
            await self._all_ended()

    async def _let_go(self, may_be: Callable[[Generation], bool]) -> None:
        """Leave what is looked at or fetched to whoever is next; what is being sent cannot be left to anybody."""
        left = {
            task: generation
            for task, (hand, generation) in self._tasks.items()
            if hand is not self.sending and may_be(generation)
        }
        for task in left:
            task.cancel()
        await asyncio.gather(*(self.worker.pause(generation, 0) for generation in left.values()))

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
            self._start("send", self._send(generation), generation, self.sending, self.queue)
        return len(claimed)

    def _claim_submissions(self, places: int, of_wallet: Counter[int]) -> list[Generation]:
        if self.worker.is_full:
            return []
        return self._turns.claim(places, of_wallet)

    async def _look_at_some(self) -> int:
        places = min(CLAIMS_AT_ONCE, LOOKS_AT_ONCE - len(self.looking), FETCHES_IN_HAND - len(self.fetching))
        claimed = await in_thread(lambda: lifecycle.claim_looks(places)) if places > 0 else []
        for generation in claimed:
            self._start("look", self._look(generation), generation, self.looking, self.looks)
        return len(claimed)

    async def _draw_some_samples(self) -> int:
        places = SAMPLES_IN_HAND - len(self.sampling)
        claimed = await in_thread(lambda: lifecycle.claim_samples(places)) if places > SAMPLES_IN_HAND // 2 else []
        for generation in claimed:
            self._start("sample", self._sampler.draw(generation), generation, self.sampling, self.samples)
        return len(claimed)

    def _start(
        self, name: str, work: Coroutine[Any, Any, None], generation: Generation, hand: InHand, bell: Bell
    ) -> None:
        """Do `work` on a claimed generation, which is in this `hand` meanwhile. `name` is what traces call it."""
        hand[generation.pk] = generation
        context = contextvars.copy_context()  # what it logs names the image, and the request that asked for it
        context.run(request_id.work_on, generation.public_id, asked_by=generation.request_id)
        task = asyncio.create_task(_traced(work, name, generation), context=context)
        self._tasks[task] = hand, generation

        def ended(task: asyncio.Task[None]) -> None:
            del self._tasks[task]
            if self._is_closing and not self._tasks:
                self._quiet.set()
            hand.pop(generation.pk, None)
            bell.ring()  # there is a place
            self._got_something_done |= hand is not self.sampling  # samples need nothing that could stall the others
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
        self._start("keep", self.worker.keep(generation, drawn), generation, self.fetching, self.looks)

    # --- Beside the work

    async def _hear(self, topic: str, bell: Bell) -> None:
        """Pass on the wake-ups of those who ask for images."""
        with live.listen(topic) as event:
            while True:
                await event.wait()
                event.clear()
                bell.ring()

    async def _renew(self) -> None:
        """Hold on to all that is in hand, all at once. What ends meanwhile has no claim left that this could renew."""
        while True:
            await asyncio.sleep(lifecycle.LEASE.total_seconds() / 3)
            held = [one for hand in (self.sending, self.looking, self.fetching, self.sampling) for one in hand.values()]
            try:
                await in_thread(functools.partial(lifecycle.renew, held))
            except Exception as error:
                log.warning("Claims could not be renewed: %r", error)

    async def _sweep(self) -> None:
        """End what nobody else would. Here, for the threads that take messages may all be waiting for Stripe."""
        seconds = sweep.EVERY_SECONDS
        while True:
            await asyncio.sleep(max(SLACK_SECONDS, seconds))
            try:
                seconds = await in_thread(sweep.fail_stuck)
            except Exception as error:  # the database is away
                log.warning("What is stuck could not be ended: %r", error)
                seconds = SWEEP_AGAIN_SECONDS

    async def _call_off(self) -> None:
        """Have upstreams drop what its owner does not want any more."""
        seconds = SILENCE_SECONDS
        with live.listen(wakeups.CANCEL) as event:
            while True:
                await live.until_set(event, seconds)
                event.clear()
                taken: list[Generation] = []
                try:
                    taken, are_others = await in_thread(lambda: cancelling.take_wished(CLAIMS_AT_ONCE))
                    seconds = CANCEL_AGAIN_SECONDS if are_others else SILENCE_SECONDS
                except Exception as error:  # the database is away
                    log.warning("What is not wanted any more could not be claimed: %r", error)
                for generation in taken:
                    self._start("cancel", self.worker.call_off(generation), generation, self.looking, self.looks)

    async def _watch_storage(self) -> None:
        """Find out whether images can be kept, before they are drawn, and have those stored that wait for it."""
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
            names = ["worker", *(["progress"] if self._got_something_done else [])]
            self._got_something_done = False
            for name in names:
                with contextlib.suppress(redis.RedisError, OSError):
                    await asyncio.to_thread(pulse.beat, name)
            await asyncio.sleep(PULSE_SECONDS)


def ending_seconds() -> float:
    """How long what is in hand has to end when the process does."""
    return max(0.0, settings.WORKER_DRAIN_SECONDS - LETTING_GO_SECONDS)


def _others_can_finish(generation: Generation) -> bool:
    """Tell whether any worker can go on with it: not with a picture that nobody can ask for, and that is here alone."""
    return bool(generation.is_test or (generation.attempt and generation.attempt.upstream_job))


async def _traced(work: Coroutine[Any, Any, None], name: str, generation: Generation) -> None:
    """Do what is done with one image in the trace that it was asked for in."""
    about = {"generation_id": generation.public_id, "request_id": generation.request_id}
    with tracing.span(name, about, parent=generation.trace):
        await work


# --- In this process ---------------------------------------------------------------------------------------------


class Running:
    """An engine on a thread."""

    def __init__(self, engine: Callable[[], Engine] = Engine) -> None:
        self._make = engine
        self._began: Future[tuple[Engine, asyncio.AbstractEventLoop]] = Future()
        self._ended = threading.Event()
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
        try:
            await engine.run()
        finally:
            self._ended.set()

    def ring(self, name: str) -> None:
        """Have the engine look at once at its "queue" or its "looks"."""
        engine, loop = self._began.result()
        loop.call_soon_threadsafe(getattr(engine, name).ring)

    def close(self) -> None:
        """Have it claim nothing more."""
        engine, loop = self._began.result()
        with contextlib.suppress(RuntimeError):  # it has ended
            loop.call_soon_threadsafe(engine.close)

    def hasten(self) -> None:
        """Have it wait for nothing any longer, after `close`."""
        engine, loop = self._began.result()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(engine.hasten)

    def join(self) -> None:
        """Wait until it has ended; not for threads that hang in what it began."""
        self._ended.wait(settings.WORKER_DRAIN_SECONDS)


_running: Running | None = None
runs_in_parent = False  # this process may be a fork of one that runs an engine


def start() -> None:
    """Run an engine in this process, from now on."""
    global _running
    if _running is None:
        _running = Running()
        ending.on_haste(_running.hasten)


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
