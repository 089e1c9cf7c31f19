"""Storage and rows agree: what a dead worker left is deleted, and what is gone is told."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.models import Wallet
from generator.files import images, leftovers, tasks
from generator.files.leftovers import compare
from generator.models import Generation, new_file_token

Status = Generation.Status
DAY = 86_400.0


@pytest.fixture(autouse=True)
def _storage(images: None, transactional_db: None) -> None:
    """This test's own folder."""


@pytest.fixture
def made(wallet: Wallet) -> Callable[..., Generation]:
    """Make a row in some state, with the files of a finished image, so many days ago."""

    def make(status: Status = Status.COMPLETED, *, days: float = 30, **fields: Any) -> Generation:
        at = timezone.now() - timedelta(days=days)
        values = {"wallet": wallet, "prompt": "x", "request_digest": "x", "file_extension": "png", "finished_at": at}
        generation = Generation.objects.create(**values | fields, status=status, deadline_at=at)
        put(generation.file_token, days=days)
        return generation

    return make


def put(token: str, *, days: float, extension: str = "png") -> None:
    """Put the three files of an image into storage as if it was done so many days ago."""
    paths = [images.path_of(f"{token}.{extension}"), *(images.thumbnail_name(token, side) for side in (480, 960))]
    for path in paths:
        (folder := Path(default_storage.path(path)).parent).mkdir(exist_ok=True)
        file = folder / Path(path).name
        file.write_bytes(b"image")
        os.utime(file, (time.time() - days * DAY,) * 2)


def names() -> set[str]:
    return {path.name for path in Path(default_storage.path("")).rglob("*") if path.is_file()}


def of(*tokens: str) -> set[str]:
    return {name for token in tokens for name in (f"{token}.png", f"{token}_480.webp", f"{token}_960.webp")}


@pytest.mark.services
def test_where_both_agree_nothing_is_found_and_nothing_is_touched(made: Callable[..., Generation]) -> None:
    kept = [
        made(),
        made(days=0),
        made(Status.QUEUED),
        made(Status.SUBMITTING),
        made(Status.DRAWING, file_extension=""),
        made(deleted_at=timezone.now()),  # in the trash, from which it may come back
    ]
    report = compare(repair=True)
    assert report.is_clean
    assert (report.files, report.images, report.deleted) == (18, 1, 0)
    assert names() == of(*(generation.file_token for generation in kept))


@pytest.mark.services
def test_files_of_what_failed_or_was_purged_are_deleted_after_a_day(made: Callable[..., Generation]) -> None:
    """As a worker leaves them that dies between storing and completing."""
    kept = made()
    gone = [made(Status.FAILED, file_extension=""), made(purged_at=timezone.now(), deleted_at=timezone.now())]
    young = made(Status.FAILED, days=0.9)
    assert compare(repair=False).leftovers == 6
    assert of(gone[0].file_token) <= names()
    report = compare(repair=True)
    assert (report.leftovers, report.deleted, report.missing) == (6, 6, 0)
    assert names() == of(kept.file_token, young.file_token)
    assert compare(repair=True).is_clean


def test_a_file_in_another_format_than_the_row_says_goes(made: Callable[..., Generation]) -> None:
    """The first attempt stored a PNG and died, the second one got a JPEG."""
    kept = made()
    put(kept.file_token, days=2, extension="jpg")
    put(kept.file_token, days=2)
    compare(repair=True)
    assert names() == of(kept.file_token)


def test_a_file_that_no_row_names_is_listed_for_a_week_before_it_goes(made: Callable[..., Generation]) -> None:
    kept, young, old = made(), new_file_token(), new_file_token()
    put(young, days=6)
    put(old, days=8)
    report = compare(repair=True)
    assert (report.unnamed, report.leftovers, report.deleted) == (6, 3, 3)
    assert names() == of(kept.file_token, young)


def test_what_is_not_called_as_ours_is_not_ours() -> None:
    root = Path(default_storage.path(""))
    for path in ("notes.txt", "ab/notes.txt", "ab/abc.png", f"ab/{'z' * 32}.png", "own/x.png", f"ab/ab{'z' * 30}.gif"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(b"x")
        os.utime(root / path, (0, 0))
    before = names()
    report = compare(repair=True)
    assert (report.files, report.deleted) == (0, 0)
    assert names() == before


def test_another_installations_storage_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an empty database beside the real storage: all of it would look as if nobody needed it."""
    for _ in range(40):
        put(new_file_token(), days=30)
    before = names()
    report = compare(repair=True)
    assert report.looks_like_anothers
    assert report.deleted == 0
    assert names() == before
    with pytest.raises(CommandError, match="right storage"):
        call_command("check_storage", repair=True)


@pytest.mark.services
def test_an_image_whose_file_is_gone_is_told(made: Callable[..., Generation]) -> None:
    made()
    gone, trashed, young = made(), made(deleted_at=timezone.now()), made(days=0)
    for generation in (gone, trashed, young):
        images.delete(generation.file_token)
    report = compare(repair=True)
    assert (report.missing, report.missing_ids) == (1, [gone.pk])


def test_an_image_that_was_trashed_meanwhile_is_not(
    made: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = made()
    images.delete(gone.file_token)
    exists = FileSystemStorage.exists

    def trash_first(self: Any, name: str) -> bool:
        Generation.objects.update(deleted_at=timezone.now())
        return exists(self, name)

    monkeypatch.setattr(FileSystemStorage, "exists", trash_first)
    assert compare(repair=True).missing == 0


def test_missing_thumbnails_are_to_be_made_again(made: Callable[..., Generation]) -> None:
    without, waiting = made(), made(needs_thumbnails=True)
    for generation in (without, waiting):
        default_storage.delete(images.thumbnail_name(generation.file_token, 480))
    assert compare(repair=False).thumbnails == 1
    assert not Generation.objects.get(pk=without.pk).needs_thumbnails
    compare(repair=True)
    assert Generation.objects.get(pk=without.pk).needs_thumbnails
    assert compare(repair=True).is_clean


def test_a_file_that_cannot_be_deleted_is_left_for_the_next_night(
    made: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    made(Status.FAILED)

    def away(self: Any, name: str) -> None:
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "delete", away)
        report = compare(repair=True)
    assert (report.leftovers, report.deleted) == (3, 0)
    assert compare(repair=True).deleted == 3


def test_it_reads_no_more_rows_than_there_are_in_a_folder(
    made: Callable[..., Generation], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(3):
        made()
    report = leftovers.Report()
    token = Generation.objects.order_by("pk").values_list("file_token", flat=True)[0]
    with django_assert_max_num_queries(2):
        leftovers._compare_folder(token[:2], report, [], repair=False)
    assert report.images in (1, 2, 3)
    assert report.is_clean


# --- Who hears of it -------------------------------------------------------------------------------------------


@pytest.fixture
def tonight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the night's work be due now."""
    monkeypatch.setattr(tasks, "AT", (timezone.now() - timedelta(seconds=1)).time())


def test_it_is_done_once_a_night(
    made: Callable[..., Generation], tonight: None, monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    def away(self: Any, path: str) -> Any:
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "listdir", away)
        tasks.compare_storage()
    assert leftovers.last_report() is None
    tasks.compare_storage()
    assert leftovers.last_report() is not None
    made(Status.FAILED)
    tasks.compare_storage()
    assert len(names()) == 3


def test_the_admins_first_page_shows_what_last_night_found(
    made: Callable[..., Generation], tonight: None, sam: Any, client: Any
) -> None:
    gone = made()
    images.delete(gone.file_token)
    tasks.compare_storage()
    client.force_login(sam)
    [number] = [n for n in client.get("/admin/").context["numbers"] if n.label == "Images without their file"]
    assert (number.value, number.alarming) == (1, True)
    assert gone.public_id in client.get(number.url).content.decode()


def test_the_command_says_what_it_finds_and_what_it_did(made: Callable[..., Generation], capsys: Any) -> None:
    made()
    made(Status.FAILED)
    with pytest.raises(CommandError, match="differ"):
        call_command("check_storage")
    assert "3 files that nothing needs" in capsys.readouterr().out
    call_command("check_storage", repair=True)
    assert "3 deleted" in capsys.readouterr().out
    call_command("check_storage")
    assert "agree" in capsys.readouterr().out
    images.delete(made().file_token)
    with pytest.raises(CommandError, match="differ"):
        call_command("check_storage", repair=True)
    assert Generation.objects.latest("pk").public_id in capsys.readouterr().out
