"""The sweep: what was left behind is sent, what is stuck ends with its credit returned."""

from datetime import timedelta
from typing import Any

import kombu.exceptions
import pytest
import redis
from django.utils import timezone

from billing.models import Wallet
from generator.jobs import lifecycle, tasks
from generator.jobs.tell import enqueue  # the real one: the fixture replaces the module's
from generator.models import Generation
from kit import broker
from reveweb import celery_app
from tests.billing.books import audit
from tests.environment import free_port

pytestmark = pytest.mark.services

Status = Generation.Status
LONG_AGO = timedelta(hours=1)


def change(generation: Generation, **values: Any) -> None:
    Generation.objects.filter(pk=generation.pk).update(**values)


def test_a_queued_generation_whose_message_was_lost_is_sent(generation: Generation, enqueued: list[int]) -> None:
    enqueued.clear()
    tasks.sweep()
    assert enqueued == [generation.pk]


def test_a_generation_that_waits_for_its_time_is_left_alone(generation: Generation, enqueued: list[int]) -> None:
    enqueued.clear()
    change(generation, due_at=timezone.now() + timedelta(seconds=30))
    tasks.sweep()
    assert enqueued == []
    assert Generation.objects.get().status == Status.QUEUED


def test_a_lapsed_submission_fails_and_returns_the_credit(
    generation: Generation, wallet: Wallet, enqueued: list[int]
) -> None:
    lifecycle.claim_submission(generation.pk)
    change(generation, due_at=timezone.now() - timedelta(seconds=1))
    enqueued.clear()
    tasks.sweep()
    found = Generation.objects.get()
    assert (found.status, found.error_code) == (Status.FAILED, "upstream_failed")
    assert enqueued == []
    assert audit(wallet) == 3


def test_a_submission_under_way_is_left_alone(generation: Generation, wallet: Wallet) -> None:
    lifecycle.claim_submission(generation.pk)
    tasks.sweep()
    assert Generation.objects.get().status == Status.SUBMITTING
    assert audit(wallet) == 2


def test_a_lapsed_look_is_no_reason_to_fail(generation: Generation, wallet: Wallet) -> None:
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed is not None
    lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    change(generation, due_at=timezone.now() - LONG_AGO)
    tasks.sweep()
    assert Generation.objects.get().status == Status.DRAWING
    assert audit(wallet) == 2


@pytest.mark.parametrize("status", Generation.UNFINISHED)
def test_whatever_is_past_its_deadline_fails_and_returns_the_credit(
    generation: Generation, wallet: Wallet, status: str, settings: Any
) -> None:
    change(generation, status=status, due_at=timezone.now() + LONG_AGO, deadline_at=timezone.now())
    tasks.sweep()
    found = Generation.objects.get()
    assert (found.status, found.error_code) == (Status.FAILED, "timed_out")
    assert str(settings.GENERATION_DEADLINE_SECONDS) in found.error_message
    assert audit(wallet) == 3


def test_a_deadline_counts_from_the_request(generation: Generation, settings: Any) -> None:
    allowed = generation.deadline_at - generation.created_at
    assert allowed.total_seconds() == pytest.approx(settings.GENERATION_DEADLINE_SECONDS, abs=2)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_what_has_ended_is_left_alone(generation: Generation, wallet: Wallet, status: str, enqueued: list[int]) -> None:
    change(generation, status=status, due_at=timezone.now() - LONG_AGO, deadline_at=timezone.now() - LONG_AGO)
    enqueued.clear()
    tasks.sweep()
    tasks.submit(generation.pk)
    tasks.poll_due()
    assert Generation.objects.get().status == status
    assert enqueued == []
    assert audit(wallet) == 2


def test_sweeping_twice_does_nothing_more(generation: Generation, wallet: Wallet) -> None:
    change(generation, deadline_at=timezone.now())
    tasks.sweep()
    tasks.sweep()
    assert audit(wallet) == 3


# --- The broker ------------------------------------------------------------------------------------------------


def test_an_admitted_generation_is_handed_to_the_broker(generation: Generation, settings: Any) -> None:
    enqueue(generation.pk)
    assert broker.flush(10)
    assert redis.Redis.from_url(settings.REDIS_URL).llen("submit") == 1


def test_with_the_broker_away_nothing_is_lost(
    generation: Generation, enqueued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **options: Any) -> None:
        raise kombu.exceptions.OperationalError("connection refused")

    monkeypatch.setattr(tasks.submit, "delay", away)
    monkeypatch.setattr(tasks.poll_due, "apply_async", away)
    enqueue(generation.pk)
    enqueued.clear()
    tasks.sweep()
    assert enqueued == [generation.pk]


def test_a_broker_that_refuses_connections_is_noticed_soon(generation: Generation) -> None:
    """What Celery raises then must be what `enqueue` expects, and must not take its usual minutes of retries."""
    with celery_app.connection_for_write(f"redis://127.0.0.1:{free_port()}/0") as nowhere:
        began = timezone.now()
        with pytest.raises((kombu.exceptions.OperationalError, OSError)):
            tasks.submit.apply_async((generation.pk,), connection=nowhere)  # type: ignore[call-arg]  # the stubs forget it
        assert timezone.now() - began < timedelta(seconds=5)
