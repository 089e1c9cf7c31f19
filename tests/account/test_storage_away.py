"""Exports, deletions, the trash and the nightly comparison while storage hangs: bounded, and done once it is back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generator.files import images, leftovers
from generator.jobs import sweep
from generator.library import trash
from generator.models import Generation
from kit import storage
from kit.storage import StorageAway
from reveweb.personal import jobs
from reveweb.personal.models import PersonalTask
from reveweb.personal.tasks import WORK
from tests.account.conftest import Draw
from tests.bucket import Bucket, Trouble, running, use

State = PersonalTask.State


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Where the site keeps its files. Once it is left alone, only a test ends that."""
    monkeypatch.setattr(storage.breaker, "pause", 600.0)
    with running() as bucket:
        use(settings, bucket)
        yield bucket


@pytest.mark.parametrize("trouble", [Trouble.HANGS, Trouble.DENIED, Trouble.BREAKS_OFF])
def test_an_export_waits_for_the_storage_and_counts_no_try(draw: Draw, bucket: Bucket, trouble: Trouble) -> None:
    user = draw().wallet.user
    task = jobs.start_export(user)
    bucket.trouble = trouble
    for _ in range(jobs.EXPORT_TRIES + 2):
        assert not jobs.run(task.pk, WORK)
        task.refresh_from_db()
        assert (task.state, task.attempts) == (State.WAITING, 0)
        assert task.due_at > timezone.now() + timedelta(seconds=30)
        PersonalTask.objects.update(due_at=timezone.now())
    bucket.trouble = None
    storage.breaker.reset()
    assert jobs.run(task.pk, WORK)
    assert f"images-private/{task.file_path}" in bucket.objects


def test_an_export_that_waited_for_a_day_is_given_up(draw: Draw, bucket: Bucket) -> None:
    task = jobs.start_export(draw().wallet.user)
    bucket.trouble = Trouble.DENIED
    PersonalTask.objects.update(created_at=timezone.now() - jobs.STORAGE_PATIENCE)
    for _ in range(jobs.EXPORT_TRIES):
        PersonalTask.objects.update(due_at=timezone.now())
        jobs.run(task.pk, WORK)
    task.refresh_from_db()
    assert task.state == State.FAILED


def test_a_deletion_is_tried_until_storage_is_back(draw: Draw, bucket: Bucket) -> None:
    user = draw().wallet.user
    task = jobs.start_deletion(user)
    bucket.trouble = Trouble.HANGS
    assert not jobs.run(task.pk, WORK)
    bucket.trouble = None
    storage.breaker.reset()
    PersonalTask.objects.update(due_at=timezone.now())
    assert jobs.run(task.pk, WORK)
    assert bucket.objects == {}


def test_downloads_say_when_to_come_again(draw: Draw, bucket: Bucket, browser: Client) -> None:
    generation = draw()
    bucket.trouble = Trouble.HANGS
    for format in ("", "jpeg"):
        answer = browser.get(reverse("image_download", args=[generation.public_id]), {"format": format})
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_long_trash_is_left_for_later_once_storage_is_silent(draw: Draw, bucket: Bucket) -> None:
    generations = [draw(f"number {number}") for number in range(8)]
    old = timezone.now() - timedelta(hours=2)
    Generation.objects.update(deleted_at=old)
    bucket.trouble = Trouble.HANGS
    asked = len(bucket.asked)
    assert trash.purge_due() == 0
    assert len(bucket.asked) - asked == storage.breaker.failures  # and not eight times
    Generation.objects.update(deleted_at=None, status="failed", may_have_files=True, finished_at=old)
    assert sweep.delete_files_of_failures() == 0
    assert Generation.objects.filter(may_have_files=True).count() == len(generations)
    assert len(bucket.asked) - asked == storage.breaker.failures
    bucket.trouble = None
    storage.breaker.reset()
    assert sweep.delete_files_of_failures() == len(generations)


def test_a_comparison_with_a_part_of_storage_is_none(draw: Draw, bucket: Bucket) -> None:
    draw()
    bucket.objects["images/zz/" + "z" * 32 + ".png"] = b"nobody's"
    assert leftovers.compare(repair=False).files == len(bucket.objects)
    bucket.trouble = Trouble.HANGS
    with pytest.raises(StorageAway):
        leftovers.compare(repair=True)
    bucket.trouble = None
    storage.breaker.reset()
    assert default_storage.exists(images.path_of("z" * 32 + ".png"))
