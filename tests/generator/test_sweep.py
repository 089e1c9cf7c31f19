"""The sweep: what was left behind is sent, what is stuck ends with its credit returned."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import kombu.exceptions
import pytest
import redis
from django.utils import timezone
from PIL import Image

from billing.models import Wallet
from generator.files import images as stored_images
from generator.jobs import lifecycle, tasks
from generator.models import Generation
from reveweb import celery_app
from reveweb.celery import app
from tests.billing.books import audit
from tests.driver import working
from tests.environment import free_port
from tests.installation import wait_until

pytestmark = pytest.mark.services

Status = Generation.Status
LONG_AGO = timedelta(hours=1)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


def change(generation: Generation, **values: Any) -> None:
    Generation.objects.filter(pk=generation.pk).update(**values)


def test_a_lapsed_submission_fails_and_returns_the_credit(generation: Generation, wallet: Wallet) -> None:
    lifecycle.claim_submission(generation.pk)
    change(generation, due_at=timezone.now() - timedelta(seconds=1))
    tasks.sweep()
    found = Generation.objects.get()
    assert (found.status, found.error_code) == (Status.FAILED, "upstream_failed")
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
    generation: Generation, wallet: Wallet, status: str
) -> None:
    asked_at = timezone.now() - timedelta(seconds=37)
    change(generation, status=status, due_at=timezone.now() + LONG_AGO, created_at=asked_at, deadline_at=timezone.now())
    tasks.sweep()
    found = Generation.objects.get()
    assert (found.status, found.error_code) == (Status.FAILED, "timed_out")
    assert found.error_message == "No image after 37 seconds."
    assert audit(wallet) == 3


def test_a_deadline_counts_from_the_request(generation: Generation, settings: Any) -> None:
    allowed = generation.deadline_at - generation.created_at
    assert allowed.total_seconds() == pytest.approx(settings.GENERATION_DEADLINE_SECONDS, abs=30)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_what_has_ended_is_left_alone(generation: Generation, wallet: Wallet, status: str) -> None:
    change(generation, status=status, due_at=timezone.now() - LONG_AGO, deadline_at=timezone.now() - LONG_AGO)
    tasks.sweep()
    tasks.submit()
    tasks.look()
    assert Generation.objects.get().status == status
    assert audit(wallet) == 2


def test_sweeping_twice_does_nothing_more(generation: Generation, wallet: Wallet) -> None:
    change(generation, deadline_at=timezone.now())
    tasks.sweep()
    tasks.sweep()
    assert audit(wallet) == 3


def test_the_sweep_tells_nobody(generation: Generation, settings: Any) -> None:
    """What is due is found by the workers themselves: with 500 rows told every two seconds, messages piled up."""
    for _ in range(3):
        tasks.sweep()
    broker = redis.Redis.from_url(settings.REDIS_URL)
    assert [broker.llen(queue.name) for queue in app.amqp.queues.values()] == [0, 0, 0, 0]


# --- Files of what failed --------------------------------------------------------------------------------------


@pytest.fixture
def orphan(generation: Generation, images: None) -> Generation:
    """Its worker died between storing the image and completing it, and then its time was up."""
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed is not None
    lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    stored_images.store(png(), generation.file_token)
    change(generation, deadline_at=timezone.now())
    tasks.sweep()
    return Generation.objects.get()


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_of_what_failed_are_deleted_once_no_worker_can_be_storing_them(
    orphan: Generation, tmp_path: Path
) -> None:
    assert orphan.may_have_files
    tasks.purge_trash()
    assert len(stored(tmp_path)) == 1
    change(orphan, finished_at=timezone.now() - LONG_AGO)
    tasks.purge_trash()
    assert stored(tmp_path) == []
    assert not Generation.objects.get().may_have_files


def test_files_that_the_storage_keeps_are_deleted_later(
    orphan: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    def away(token: str) -> None:
        raise OSError("no route to host")

    change(orphan, finished_at=timezone.now() - LONG_AGO)
    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "delete", away)
        tasks.purge_trash()
    assert Generation.objects.get().may_have_files
    tasks.purge_trash()
    assert stored(tmp_path) == []


def test_what_was_never_drawn_has_no_files(generation: Generation) -> None:
    lifecycle.fail(generation, code="timed_out", message="Too late.")
    assert not Generation.objects.get().may_have_files


# --- The broker ------------------------------------------------------------------------------------------------


def test_a_broker_that_refuses_connections_is_noticed_soon(generation: Generation) -> None:
    """What Celery raises then must be what `enqueue` expects, and must not take its usual minutes of retries."""
    with celery_app.connection_for_write(f"redis://127.0.0.1:{free_port()}/0") as nowhere:
        began = timezone.now()
        with pytest.raises((kombu.exceptions.OperationalError, OSError)):
            tasks.submit.apply_async((), connection=nowhere)  # type: ignore[call-arg]  # the stubs forget it
        assert timezone.now() - began < timedelta(seconds=30)


def test_the_engine_ends_what_is_stuck_though_nobody_takes_a_message(generation: Generation, wallet: Wallet) -> None:
    lifecycle.claim_submission(generation.pk)
    change(generation, due_at=timezone.now() - timedelta(seconds=1))
    with working():
        wait_until(lambda: Generation.objects.get().status == Status.FAILED, 60)
    assert audit(wallet) == 3
