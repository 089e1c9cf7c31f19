"""What is known of upstreams: shared by all workers, by each for itself while the Redis is away."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from billing.models import Wallet
from generator.models import Attempt, Generation, Upstream
from generator.upstreams import health, trouble
from generator.upstreams.dialect import Balance
from generator.upstreams.errors import Busy, Kind, NotAccepted, OperatorTrouble
from generator.upstreams.health import FAILURES, Circuit, State
from kit import site

pytestmark = pytest.mark.services

AWAY = NotAccepted("no connection")


@pytest.fixture
def upstream(transactional_db: None) -> Upstream:
    return Upstream.objects.get()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise redis.ConnectionError

    monkeypatch.setattr(health, "_client", refuse)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass."""
    ahead = [0.0]
    now = time.time()  # which stands still else
    monkeypatch.setattr("generator.upstreams.health.time.time", lambda: now + ahead[0])

    def later(seconds: float) -> None:
        ahead[0] += seconds

    return later


def fail(upstream: Upstream, times: int = FAILURES, error: NotAccepted = AWAY) -> None:
    for _ in range(times):
        health.failed(upstream.pk, error)
    health._aside.flush()


def as_another_worker(upstream: Upstream) -> State:
    """Return what a worker sees that knows only what others have told."""
    health._aside.flush()
    health.forget()
    health.refresh([upstream.pk])
    return health.state_of(upstream.pk)


def test_some_failures_in_a_row_open_it(upstream: Upstream) -> None:
    fail(upstream, FAILURES - 1)
    assert health.state_of(upstream.pk) is State.CLOSED
    health.answered(upstream.pk)
    fail(upstream, FAILURES - 1)
    assert health.state_of(upstream.pk) is State.CLOSED
    fail(upstream, 1)
    assert health.state_of(upstream.pk) is State.OPEN
    assert as_another_worker(upstream) is State.OPEN


def test_an_answer_closes_it_for_all(upstream: Upstream) -> None:
    fail(upstream)
    assert as_another_worker(upstream) is State.OPEN
    health.answered(upstream.pk)
    assert as_another_worker(upstream) is State.CLOSED


def test_a_probe_is_given_to_one_of_all_workers(upstream: Upstream, clock: Callable[[float], None]) -> None:
    fail(upstream)
    assert not health.take_probe(upstream)
    clock(2)
    assert as_another_worker(upstream) is State.HALF_OPEN
    assert health.take_probe(upstream)
    assert as_another_worker(upstream) is State.HALF_OPEN
    assert not health.take_probe(upstream)
    health.give_back_probe(upstream.pk)
    assert health.take_probe(upstream)


def test_pauses_grow_while_probes_fail(upstream: Upstream, clock: Callable[[float], None]) -> None:
    fail(upstream)
    pauses = []
    for _ in range(6):
        pauses.append(round(health._circuits[upstream.pk].until - time.time()))
        clock(pauses[-1] + 1)
        fail(upstream, 1)
    assert pauses == [1, 2, 4, 8, 15, 15]
    health.answered(upstream.pk)
    fail(upstream)
    assert round(health._circuits[upstream.pk].until - time.time()) == 1


def test_all_that_was_under_way_failing_at_once_is_one_failure_more(upstream: Upstream) -> None:
    fail(upstream, 500)
    assert health._circuits[upstream.pk].until - time.time() <= 1
    assert as_another_worker(upstream) is State.OPEN
    assert health._circuits[upstream.pk].pauses == 1


def test_one_that_asks_for_a_pause_is_given_it(upstream: Upstream) -> None:
    fail(upstream, FAILURES, Busy("429", 40.0))
    assert health._circuits[upstream.pk].until - time.time() > 20


def test_while_all_is_well_nothing_is_written(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr(health._aside, "put", written.append)
    for _ in range(100):
        health.answered(upstream.pk)
    assert not written


def test_without_redis_a_process_goes_by_what_it_saw(
    upstream: Upstream, away: None, clock: Callable[[float], None]
) -> None:
    fail(upstream)
    health.refresh([upstream.pk])
    assert health.state_of(upstream.pk) is State.OPEN
    clock(2)
    assert [health.take_probe(upstream) for _ in range(2)] == [True, False]
    health.answered(upstream.pk)
    assert health.state_of(upstream.pk) is State.CLOSED


def test_what_another_version_wrote_is_no_news(upstream: Upstream) -> None:
    health._client().set(f"reveweb:upstream:{site.name()}:{upstream.pk}", b'{"mood": "fine"}')
    assert as_another_worker(upstream) is State.CLOSED
    assert health._circuits[upstream.pk] == Circuit()


# --- What the operator sees ------------------------------------------------------------------------------------


def test_the_standing_is_what_attempts_came_to(wallet: Wallet, upstream: Upstream) -> None:
    now = timezone.now()
    ends = ["drawn"] * 8 + ["not_taken", "unclear", "refused"]
    deadline = now + timedelta(minutes=5)
    for number, state in enumerate([*ends, "accepted", "sending"]):
        generation = Generation.objects.create(wallet=wallet, prompt="x", deadline_at=deadline)
        Attempt.objects.create(
            generation=generation,
            number=1,
            upstream=upstream,
            state=state,
            started_at=now - timedelta(seconds=100 + number),
            ended_at=now - timedelta(seconds=100) if state in ends else None,
            error_kind="Busy" if state == "not_taken" else "",
        )
    old = Generation.objects.create(wallet=wallet, prompt="x", deadline_at=deadline)
    before = now - timedelta(hours=2)
    Attempt.objects.create(
        generation=old, number=1, upstream=upstream, state="failed", started_at=before, ended_at=before
    )
    [found] = health.standing()
    assert (found.upstream, found.circuit, found.in_flight) == (upstream, State.CLOSED, 2)
    assert found.success_rate == 0.8  # of ten: who refuses a prompt does its work
    assert (found.p50_seconds, found.p95_seconds) == (4.0, 7.0)
    assert (found.last_error, found.trouble, found.balance) == ("Busy", None, None)


def test_without_attempts_nothing_is_said(upstream: Upstream) -> None:
    [found] = health.standing()
    assert (found.success_rate, found.p50_seconds, found.p95_seconds, found.in_flight) == (None, None, None, 0)
    trouble.note(upstream, OperatorTrouble("402", Kind.OUT_OF_FUNDS))
    trouble.forget()
    [found] = health.standing()
    assert found.trouble is not None


def test_a_balance_is_asked_by_one_worker_and_shown_to_all(upstream: Upstream) -> None:
    assert [health.may_ask_balance(upstream.pk) for _ in range(2)] == [True, False]
    health.keep_balance(upstream.pk, Balance(12.5, "USD"))
    [found] = health.standing()
    assert found.balance == Balance(12.5, "USD")
    assert found.balance_at is not None
