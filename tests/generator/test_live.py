"""Wake-ups: whoever waits is woken promptly, and notices by themselves when no wake-up comes."""

import asyncio
import threading
import time
import uuid
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
import redis
from django.db import connections, transaction
from django.utils import timezone

from generator import live
from generator.jobs import lifecycle
from generator.models import Generation
from kit import wakeups
from kit.threads import in_thread
from tests.environment import free_port
from tests.generator.test_lifecycle import drawing, fail

pytestmark = pytest.mark.services

T = TypeVar("T")
PROMPT = 40.0  # less than anybody here waits for a silence to end, and enough for a machine that is busy


@pytest.fixture(autouse=True)
def _own_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hear only what this test says, not what is late from one before it, nor others at the same server."""
    assert wakeups.flush(PROMPT)
    own = f"test:{uuid.uuid4()}"
    monkeypatch.setattr(wakeups, "channel", lambda: own)


async def receiving() -> None:
    """Return once this event loop receives wake-ups; `live.ready` gives up after a second."""
    await asyncio.wait_for(live._hub().subscribed.wait(), PROMPT)


def timed(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Run `work` on a loop of its own; return its result and the seconds that it took."""
    began = time.monotonic()
    result = asyncio.run(work)
    return result, time.monotonic() - began


def after(seconds: float, work: Any) -> threading.Thread:
    """Do `work` in a while, on a thread as another process would."""

    def run() -> None:
        time.sleep(seconds)
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def while_one_waits(work: Any) -> threading.Thread:
    """Do `work` once somebody has waited for a while."""

    def run() -> None:
        end = time.monotonic() + PROMPT
        while not live.waiting():
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.3)
        work()

    return after(0, run)


@pytest.fixture
def _redis_away(settings: Any) -> Iterator[None]:
    """Nothing listens where Redis should be."""
    wakeups._publisher.cache_clear()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    yield
    wakeups._publisher.cache_clear()


@pytest.fixture
def _never_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a wake-up can make a waiter look."""
    monkeypatch.setattr(live, "RECHECK_SECONDS", 200.0)


@pytest.mark.usefixtures("_never_looks")
def test_a_waiter_is_woken_promptly_by_the_end_of_its_generation(generation: Generation) -> None:
    found = drawing(generation)
    thread = while_one_waits(lambda: fail(found))
    ended, seconds = timed(live.wait_until_final(found, 200))
    thread.join()
    assert ended.status == Generation.Status.FAILED
    assert seconds < PROMPT


@pytest.mark.usefixtures("_never_looks")
def test_a_waiter_sees_at_once_what_ended_before_it_came(generation: Generation) -> None:
    stale = drawing(generation)
    fail(stale)
    ended, seconds = timed(live.wait_until_final(stale, 200))
    assert ended.is_final
    assert seconds < PROMPT


def test_a_waiter_whose_wake_up_was_lost_looks_by_itself(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.2)
    found = drawing(generation)
    monkeypatch.setattr(wakeups, "publish", lambda *topics: None)
    thread = after(0.3, lambda: fail(found))
    ended, seconds = timed(live.wait_until_final(found, 200))
    thread.join()
    assert ended.is_final
    assert seconds < PROMPT


def test_a_waiter_gives_up_in_time(generation: Generation) -> None:
    waited, seconds = timed(live.wait_until_final(generation, 0.4))
    assert not waited.is_final
    assert 0.4 <= seconds < PROMPT


@pytest.mark.usefixtures("_redis_away")
def test_a_waiter_survives_that_redis_is_away(generation: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.2)
    found = drawing(generation)
    thread = after(0.3, lambda: fail(found))
    ended, seconds = timed(live.wait_until_final(found, 200))
    thread.join()
    assert ended.is_final
    assert seconds < PROMPT


@pytest.mark.usefixtures("_redis_away")
def test_a_change_is_made_though_redis_is_away(generation: Generation) -> None:
    began = time.monotonic()
    assert fail(drawing(generation))
    assert Generation.objects.get().is_final
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("_never_looks")
def test_a_waiter_is_woken_again_after_redis_lost_its_connection(settings: Any) -> None:
    server = redis.Redis.from_url(settings.REDIS_URL)
    name = f"test-{uuid.uuid4()}"  # other processes may be at the same server
    settings.REDIS_URL += f"?client_name={name}"

    async def woken_after_loss() -> bool:
        await receiving()
        clients = server.client_list(_type="pubsub")
        assert isinstance(clients, list)
        [ours] = [client["id"] for client in clients if client["name"] == name]
        with live.listen("generation:a") as event:
            server.client_kill_filter(_id=ours)
            end = time.monotonic() + 2 * PROMPT
            while not event.is_set() and time.monotonic() < end:
                wakeups.publish("generation:a")
                await live.until_set(event, 0.1)
            return event.is_set()

    assert timed(woken_after_loss())[0]


def test_a_wake_up_is_for_its_topic_only() -> None:
    async def woken() -> tuple[bool, bool]:
        await receiving()
        with live.listen("generation:a") as event, live.listen("generation:c") as last:
            wakeups.publish("generation:b", "account:1")
            wakeups.publish("generation:c")  # arrives after it
            await live.until_set(last, PROMPT)
            return event.is_set(), last.is_set()

    assert timed(woken())[0] == (False, True)


@pytest.mark.usefixtures("_never_looks")
def test_one_message_can_wake_several_topics() -> None:
    async def both() -> list[bool]:
        await receiving()
        one, other = live.ticks("generation:a", 2 * PROMPT), live.ticks("account:1", 2 * PROMPT)
        firsts = [await anext(one), await anext(other)]
        wakeups.publish("generation:a", "account:1")
        return [*firsts, await anext(one), await anext(other)]

    assert timed(both())[0] == [True] * 4


@pytest.mark.usefixtures("_never_looks")
def test_ticks_end_with_their_time() -> None:
    async def all_of_them() -> list[bool]:
        await receiving()
        return [woken async for woken in live.ticks("generation:a", 0.3)]

    assert timed(all_of_them())[0] == [True, False]  # one at the start and one at the end


def test_a_process_holds_one_subscription_however_many_wait(settings: Any) -> None:
    server = redis.Redis.from_url(settings.REDIS_URL)

    async def many() -> int:
        waiting = [live.ticks(f"generation:{number}", 2 * PROMPT) for number in range(50)]
        await asyncio.gather(*(anext(ticks) for ticks in waiting))
        await receiving()
        counts = server.pubsub_numsub(wakeups.channel())
        assert isinstance(counts, list)
        [(_, count)] = counts
        await asyncio.gather(*(ticks.aclose() for ticks in waiting))
        return int(count)

    assert timed(many())[0] == 1


def test_nothing_is_left_behind_by_those_who_waited(generation: Generation) -> None:
    async def wait() -> int:
        await asyncio.gather(*(live.wait_until_final(generation, 0.1) for _ in range(5)))
        return len(live._hub().listeners)

    assert timed(wait())[0] == 0


def test_waiting_holds_no_thread(generation: Generation) -> None:
    """Many more wait than the pool has threads, and all of them end in time."""

    async def wait() -> None:
        await asyncio.gather(*(live.wait_until_final(generation, 0.5) for _ in range(100)))

    assert timed(wait())[1] < PROMPT


def test_many_who_wait_cost_one_query_for_all_of_them(
    generation: Generation, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.3)
    Generation.objects.bulk_create(
        Generation(
            wallet=generation.wallet,
            prompt="a lighthouse",
            aspect_ratio="1:1",
            request_digest="",
            deadline_at=generation.deadline_at,
        )
        for _ in range(199)
    )
    everything = list(Generation.objects.all())

    async def wait() -> list[Generation]:
        waiting = [asyncio.create_task(live.wait_until_final(one, 200)) for one in everything]
        await asyncio.sleep(0.2)
        await next_look()  # not of the first ones
        began = time.monotonic()
        statements.clear()
        while len(statements) < 3 and time.monotonic() < began + PROMPT:
            await asyncio.sleep(0.05)
        assert 3 <= len(statements) <= looks_since(began)
        statements.clear()
        began = time.monotonic()
        await in_thread(lambda: Generation.objects.update(status=Generation.Status.FAILED))
        wakeups.publish(*(live.generation_topic(one.public_id) for one in everything))
        ended = await asyncio.gather(*waiting)
        assert len(statements) <= 5 + looks_since(began)
        return ended

    async def next_look() -> None:
        async with asyncio.timeout(PROMPT):
            while live._hub().to_look_for:
                await asyncio.sleep(0.01)
            statements.clear()
            while not statements:
                await asyncio.sleep(0.01)

    def looks_since(began: float) -> float:
        return 1 + (time.monotonic() - began) / live.RECHECK_SECONDS  # one for all each time

    assert {one.status for one in timed(wait())[0]} == {Generation.Status.FAILED}


@pytest.mark.usefixtures("_never_looks")
def test_whoever_is_held_is_answered_when_the_process_ends(generation: Generation, statements: list[str]) -> None:
    async def wait() -> None:
        waiting = [asyncio.create_task(live.wait_until_final(generation, 200)) for _ in range(200)]
        await asyncio.sleep(0.3)
        statements.clear()
        live.answer_held()
        for one in await asyncio.gather(*waiting):
            assert one.status == Generation.Status.QUEUED
        assert len(statements) <= 2
        await live.wait_until_final(generation, 200)

    assert timed(wait())[1] < PROMPT


@pytest.mark.usefixtures("_never_looks")
def test_a_call_that_begins_now_is_not_looked_for_without_a_reason(
    generation: Generation, statements: list[str]
) -> None:
    async def wait() -> None:
        await receiving()
        generation.created_at = timezone.now()
        waiting = asyncio.create_task(live.wait_until_final(generation, 0.5))
        await asyncio.sleep(0.2)
        assert statements == []
        await waiting
        assert len(statements) == 1  # that gave up

    timed(wait())


@pytest.mark.usefixtures("_never_looks")
def test_what_ended_while_nobody_waited_yet_is_found_at_once(generation: Generation) -> None:
    found = drawing(generation)

    async def wait() -> None:
        await receiving()
        await in_thread(lambda: Generation.objects.filter(pk=found.pk).update(created_at=timezone.now()))
        await in_thread(found.refresh_from_db)
        await in_thread(lambda: fail(found))
        async with asyncio.timeout(PROMPT):
            while live.generation_topic(found.public_id) not in live._hub().heard:
                await asyncio.sleep(0.01)
        assert (await live.wait_until_final(found, 200)).is_final

    assert timed(wait())[1] < PROMPT


@pytest.mark.usefixtures("_never_looks")
def test_whoever_waits_is_answered_though_every_thread_for_requests_is_held_up(generation: Generation) -> None:
    found, back = drawing(generation), threading.Event()

    async def wait() -> Generation:
        held_up = [asyncio.create_task(in_thread(lambda: back.wait(200))) for _ in range(100)]
        waiting = asyncio.create_task(live.wait_until_final(found, 200))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(after(0, lambda: fail(found)).join)
        async with asyncio.timeout(PROMPT):
            ended = await waiting
        back.set()
        await asyncio.gather(*held_up)
        return ended

    assert timed(wait())[0].is_final


def test_nobody_is_woken_by_what_was_rolled_back(generation: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    found = drawing(generation)
    woken: list[str] = []
    monkeypatch.setattr(wakeups, "publish", lambda *topics: woken.extend(topics))

    def change_and_roll_back() -> None:
        with transaction.atomic():
            lifecycle.fail(found, code="upstream_failed", message="No image.")
            assert woken == []
            raise KeyError

    with pytest.raises(KeyError):
        change_and_roll_back()
    assert woken == []
    assert fail(found)
    assert woken


def test_of_those_who_wait_for_the_same_one_only_a_few_do(generation: Generation) -> None:
    async def crowd() -> int:
        waiting = [asyncio.create_task(live.wait_until_final(generation, 3)) for _ in range(live.WAITING_FOR_ONE + 30)]
        done, left = await asyncio.wait(waiting, timeout=1)
        for task in left:
            task.cancel()
        await asyncio.wait(waiting)
        return len(done)

    assert asyncio.run(crowd()) == 30
