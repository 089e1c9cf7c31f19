"""`/readyz` names what is missing, and is no way to keep the site busy."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import AsyncClient, Client
from django.utils import timezone
from redis import ConnectionError as RedisAway
from redis import Redis

from billing.models import OutgoingMail
from generator.files import shared_mark, standing
from generator.models import Generation, Upstream, UpstreamTrouble
from generator.upstreams import errors
from generator.upstreams import health as upstreams
from kit import pulse
from reveweb import health
from reveweb.watch import troubles

pytestmark = pytest.mark.django_db(transaction=True)
MOMENT = health.WAIT_SECONDS
ANSWERED_SECONDS = 30  # what hangs here does so for two minutes


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with nothing known, and everybody heard; where nothing hangs, wait as long as a busy machine takes."""
    monkeypatch.setattr(health, "WAIT_SECONDS", 15.0)
    health.forget()
    standing.note(None)  # whatever an earlier test's engine was still looking at
    for name in ("scheduler", "worker", "progress", "money", "rest", "webhooks"):
        pulse.beat(name)
    yield
    health.forget()
    health.DRAINING.clear()


def asked(client: Client, query: str = "") -> Any:
    """Ask anew, of a process that has looked at nothing yet."""
    health.forget()
    return client.get(f"/readyz{query}")


def begin_looks(*names: str) -> None:
    """Look at everything, and wait for these: they may take longer than whoever asks waits."""
    health.forget()
    health._begin_looks()
    for name in names:
        health._looks[name].running.result(60)


def missing(client: Client) -> list[str]:
    answer = asked(client)
    failed = [name for name, state in answer.json()["checks"].items() if state != "ok"]
    assert answer.status_code == (503 if failed else 200)
    assert answer.json()["status"] == ("unavailable" if failed else "ok")
    return failed


def silence(name: str, seconds: float) -> None:
    """Let a process be heard for the last time `seconds` ago."""
    server = Redis.from_url(settings.REDIS_URL)
    server.hset(pulse._key(), name, str(time.time() - seconds))


def test_it_is_ready_when_everybody_was_heard_lately(client: Client) -> None:
    asked(client)  # a process's first look takes its time where the machine is busy
    for name in ("scheduler", "worker", "progress"):
        pulse.beat(name)
    silence("scheduler", health.SCHEDULER_SECONDS - 5)
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
    assert attention(client) == ["upstream"]
    trouble.delete()
    pulse.beat("progress")
    assert missing(client) == []


def test_a_broker_that_is_away_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise ConnectionRefusedError

    put(monkeypatch, "broker", away)
    assert missing(client) == ["broker"]


def test_without_redis_nobody_is_said_to_be_dead(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise RedisAway

    monkeypatch.setattr(pulse, "heard", away)
    put(monkeypatch, "broker", away)
    assert missing(client) == ["broker", "redis"]
    assert [trouble.name for trouble in troubles.processes()] == ["redis"]  # one server


def put(monkeypatch: pytest.MonkeyPatch, name: str, look: Any) -> None:
    """Let one check look like this."""
    monkeypatch.setitem(health.CHECKS, name, replace(health.CHECKS[name], look=look))


def test_who_drains_is_not_ready_and_looks_at_nothing(client: Client) -> None:
    health.DRAINING.set()
    assert missing(client) == ["draining"]
    assert asked(client, "?only=process").status_code == 503
    assert health._looks == {}


def test_two_hundred_strangers_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def slow() -> None:
        looks.append(threading.current_thread().name)
        time.sleep(0.1)

    monkeypatch.setattr(health, "FRESH_SECONDS", 60)  # a busy machine takes longer for that many
    monkeypatch.setattr(health, "FRESH_FOR_A_PERSON_SECONDS", 60)
    for name in health.CHECKS:
        put(monkeypatch, name, slow)

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(AsyncClient().get("/readyz") for _ in range(200)))

    answers = asyncio.run(crowd())
    assert {answer.status_code for answer in answers} == {200}
    assert looks == ["health"] * len(health.CHECKS)  # none of the threads that others need


# --- What hangs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(health.CHECKS))
def test_whatever_hangs_there_is_an_answer_that_names_it_and_only_it(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The look is under way all the time, and is not begun a second time."""
    monkeypatch.setattr(health, "WAIT_SECONDS", MOMENT)
    for fresh in ("FRESH_SECONDS", "FRESH_FOR_A_PERSON_SECONDS"):
        monkeypatch.setattr(health, fresh, 300)  # nobody looks anew at what is well
    released, begun = threading.Event(), []

    def hangs() -> None:
        begun.append(1)
        released.wait(120)

    for other in health.CHECKS:
        put(monkeypatch, other, hangs if other == name else lambda: None)
    begin_looks(*(other for other in health.CHECKS if other != name))
    for _ in range(2):
        began = time.monotonic()
        answer = client.get("/readyz").json()
        assert time.monotonic() - began < ANSWERED_SECONDS
        failed = [check for check, state in answer["checks"].items() if state != "ok"] + answer["attention"]
        assert failed == [name]
        assert answer["age_seconds"][name] is None
    assert len(begun) == 1
    released.set()
    health._looks[name].running.result(60)
    assert client.get("/readyz").json()["status"] == "ok"


def test_what_was_known_counts_for_a_while_with_its_age(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(client) == []
    released = threading.Event()

    def hangs() -> None:
        released.wait(120)

    put(monkeypatch, "database", hangs)
    monkeypatch.setattr(health, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(health, "HANGS_SECONDS", 100.0)  # of which half are over as soon as this test says so
    health._looks["database"].at = time.monotonic() - 2
    first = client.get("/readyz").json()
    assert (first["checks"]["database"], first["rotation"]) == ("ok", "in")
    assert first["age_seconds"]["database"] >= 2
    health._looks["database"].began -= 50
    assert client.get("/readyz").json()["checks"]["database"] == "ok"
    health._looks["database"].began -= 51
    then = client.get("/readyz")
    assert (then.status_code, then.json()["checks"]["database"], then.json()["rotation"]) == (503, "failed", "out")
    released.set()


def test_a_redis_that_hangs_for_real_holds_nobody_up(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    """It takes calls and never answers: nobody was heard then, and no process is worse than the next."""
    monkeypatch.setattr(health, "WAIT_SECONDS", MOMENT)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        patient = Redis.from_url(settings.REDIS_URL, socket_timeout=120)  # so that nobody gives up before the answer
        monkeypatch.setattr(pulse, "_client", lambda: patient)
        begin_looks("database")
        began = time.monotonic()
        answer = client.get("/readyz")
        assert time.monotonic() - began < ANSWERED_SECONDS
        assert answer.status_code == 503
        assert {"worker", "scheduler"} <= {k for k, v in answer.json()["checks"].items() if v == "failed"}
        assert answer.json()["rotation"] == "in"


# --- Whom it concerns --------------------------------------------------------------------------------------------


def test_a_balancer_that_asks_for_the_process_alone_keeps_it_while_others_are_missing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence("worker", 60)
    assert missing(client) == ["worker"]
    answer = asked(client, "?only=process")
    assert (answer.status_code, answer.json()["status"], answer.json()["rotation"]) == (200, "unavailable", "in")
    put(monkeypatch, "database", lambda: "away")
    answer = asked(client, "?only=process")
    assert (answer.status_code, answer.json()["rotation"]) == (503, "out")


def attention(client: Client) -> list[str]:
    answer = asked(client)
    assert (answer.status_code, answer.json()["rotation"]) == (200, "in")
    named: list[str] = answer.json()["attention"]
    assert answer.json()["status"] == ("degraded" if named else "ok")
    return named


def test_what_only_a_person_can_mend_is_named_and_takes_nothing_away(client: Client) -> None:
    assert attention(client) == []
    silence("rest", 60)
    silence("money", 60)
    assert attention(client) == ["payments", "rest"]
    pulse.beat("rest")
    pulse.beat("money")
    OutgoingMail.objects.create(
        reference="x", to="x@example.com", template="welcome", due_at=timezone.now() - 2 * health.MAIL_LATE
    )
    assert attention(client) == ["mail"]


def test_an_upstream_that_refuses_or_cannot_be_reached_is_named(client: Client) -> None:
    trouble = UpstreamTrouble.objects.create(upstream="x", kind=UpstreamTrouble.Kind.OUT_OF_FUNDS)
    assert attention(client) == ["upstream"]
    trouble.delete()
    here = Upstream.objects.get()
    away = errors.NotAccepted("no connection")
    for _ in range(upstreams.FAILURES - 1):
        upstreams.failed(here.pk, away)
    assert attention(client) == []
    upstreams.failed(here.pk, away)
    assert attention(client) == ["upstream"]
    upstreams.answered(here.pk)
    assert attention(client) == []


def test_a_storage_that_takes_nothing_and_one_that_is_not_shared_are_named_without_what_is_wrong(
    client: Client, monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    """Anybody may read the answer, and the words hold names of buckets and machines: they are for the admin."""
    standing.note("there is no bucket named secret-bucket")
    try:
        assert attention(client) == ["storage"]
        assert "secret-bucket" not in asked(client).content.decode()
    finally:
        standing.note(None)
        standing.forget()
    monkeypatch.setattr(shared_mark, "unshared", lambda: True)
    assert attention(client) == ["unshared"]
