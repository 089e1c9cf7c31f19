"""`/readyz` names what is missing, and is no way to keep the site busy."""

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import AsyncClient, Client
from django.utils import timezone
from redis import Redis

from generator.models import Generation, UpstreamTrouble
from kit import pulse
from reveweb import health

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Begin with nothing known, and everybody heard."""
    health._latest.clear()
    health._running.clear()
    for name in ("scheduler", "worker", "progress"):
        pulse.beat(name)
    yield
    health._latest.clear()
    health._running.clear()
    health.DRAINING.clear()


def missing(client: Client) -> list[str]:
    health._latest.clear()
    answer = client.get("/readyz")
    failed = [name for name, state in answer.json()["checks"].items() if state != "ok"]
    assert answer.status_code == (503 if failed else 200)
    return failed


def silence(name: str, seconds: float) -> None:
    """Let a process be heard for the last time `seconds` ago."""
    server = Redis.from_url(settings.REDIS_URL)
    server.hset(pulse._key(), name, str(time.time() - seconds))


def test_it_is_ready_when_everybody_was_heard_lately(client: Client) -> None:
    silence("scheduler", health.SCHEDULER_SECONDS - 2)
    assert missing(client) == []


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_a_process_that_is_silent_for_long_is_named(client: Client, name: str) -> None:
    silence(name, 16)
    assert missing(client) == [name]
    Redis.from_url(settings.REDIS_URL).hdel(pulse._key(), name)
    assert missing(client) == [name]


def test_work_that_is_due_while_nothing_gets_done_is_named(client: Client, generation: Generation) -> None:
    silence("progress", 40)
    assert missing(client) == []  # it is not due for long
    Generation.objects.update(due_at=timezone.now() - timedelta(seconds=31))
    assert missing(client) == ["stalled"]
    trouble = UpstreamTrouble.objects.create(upstream="x", kind=UpstreamTrouble.Kind.OUT_OF_FUNDS)
    assert missing(client) == []
    trouble.delete()
    pulse.beat("progress")
    assert missing(client) == []


def test_a_redis_that_is_away_is_the_broker_and_who_could_not_be_heard(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise ConnectionRefusedError

    monkeypatch.setitem(health.CHECKS, "broker", away)
    assert missing(client) == ["broker"]


def test_who_drains_is_not_ready_and_looks_at_nothing(client: Client) -> None:
    health.DRAINING.set()
    assert missing(client) == ["draining"]
    assert health._latest == []


def test_two_hundred_strangers_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def slow() -> bool:
        asked.append(threading.current_thread().name)
        time.sleep(0.1)
        return True

    monkeypatch.setattr(health, "FRESH_SECONDS", 60)  # a busy machine takes longer for that many
    for name in health.CHECKS:
        monkeypatch.setitem(health.CHECKS, name, slow)

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(AsyncClient().get("/readyz") for _ in range(200)))

    answers = asyncio.run(crowd())
    assert {answer.status_code for answer in answers} == {200}
    assert asked == ["health"] * len(health.CHECKS)  # none of the threads that others need


def test_a_check_that_hangs_fails_in_time_and_is_not_begun_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, begun = threading.Event(), []

    def hangs() -> bool:
        begun.append(1)
        return released.wait(20)

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(health, "FRESH_FAILURE_SECONDS", 0)
    monkeypatch.setitem(health.CHECKS, "database", hangs)
    for _ in range(3):
        began = time.monotonic()
        assert missing(client) == ["database"]
        assert time.monotonic() - began < 2
    assert len(begun) == 1
    released.set()
    health._running["database"].result(5)
    monkeypatch.undo()
    assert missing(client) == []
