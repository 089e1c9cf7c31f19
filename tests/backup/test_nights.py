"""The nightly backup: once, by a process of its own, tried again when that dies, and older ones go only after it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from billing import identity
from generator.models import Generation
from reveweb.backup import making, nightly, nights, standing
from reveweb.backup.models import NightlyBackup
from tests import bucket
from tests.bucket import Trouble
from tests.installation import wait_until
from tests.processes import database_url

pytestmark = pytest.mark.services


@pytest.fixture
def shelf(tmp_path: Path, settings: Any) -> Path:
    folder = tmp_path / "shelf"
    folder.mkdir()
    settings.BACKUP_TO, settings.BACKUP_KEEP, settings.BACKUP_AT = str(folder), 3, time(0, 0)
    return folder


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What processes were started, which are not."""
    found: list[list[str]] = []

    def start(command: list[str], **_: Any) -> SimpleNamespace:
        found.append(command)
        return SimpleNamespace(wait=lambda: 0)

    monkeypatch.setattr(nights, "subprocess", SimpleNamespace(Popen=start, DEVNULL=None))
    return found


def make(command: list[str]) -> bool:
    pk, claim = command[-2:]
    return nightly.make(int(pk), claim)


def test_sixteen_workers_begin_one(alice: User, shelf: Path, begun: list[list[str]]) -> None:
    def begin(_: int) -> bool:
        try:
            return nights.begin()
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(begin, range(16))) == 1
    assert len(begun) == 1


def test_none_is_made_unasked(alice: User, settings: Any, begun: list[list[str]]) -> None:
    settings.BACKUP_TO = ""
    assert not nights.begin()
    assert (begun, NightlyBackup.objects.count(), standing.trouble()) == ([], 0, None)


def test_it_is_made_and_only_older_ones_of_its_own_go(
    shelf: Path, begun: list[list[str]], draw: Callable[[], Generation]
) -> None:
    draw()
    prefix = nights.prefix_of(identity.installation())
    older = [f"{prefix}202611{day}T021700Z.tar" for day in (10, 11, 12, 13)]
    others = ["reveweb-another-20200101T021700Z.tar", f"{prefix}of-my-own.tar", "site.tar"]
    for name in [*older, *others]:
        (shelf / name).write_text("older")
    nights.begin()
    assert make(begun[0])
    names = {path.name for path in shelf.iterdir()}
    assert {*others, *older[2:]} < names
    assert len(names) == 6
    [row] = NightlyBackup.objects.all()
    assert row.done_at
    assert row.size == Path(row.place).stat().st_size > 100_000
    assert standing.trouble() is None
    assert not nights.begin()  # there is one of tonight


def test_a_real_process_makes_it(alice: User, shelf: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url())
    monkeypatch.setenv("BACKUP_TO", str(shelf))
    assert nights.begin()
    wait_until(lambda: NightlyBackup.objects.filter(done_at__isnull=False).exists(), 200)
    assert len(list(shelf.iterdir())) == 1


def test_one_that_was_killed_is_begun_again_and_ends_nothing_any_more(
    alice: User, shelf: Path, begun: list[list[str]], pictures: Path
) -> None:
    nights.begin()
    NightlyBackup.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert nights.begin()
    first, second = begun
    assert not make(first)
    assert make(second)
    assert len(list(shelf.iterdir())) == 1


def test_what_fails_is_tried_again_then_given_up_and_removes_nothing(
    alice: User, shelf: Path, begun: list[list[str]], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = shelf / f"{nights.prefix_of(identity.installation())}20261110T021700Z.tar"
    older.write_text("older")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "_keep_tree", full)
    for _ in range(nights.MOST_ATTEMPTS):
        assert nights.begin()
        assert not nights.begin()
        assert not make(begun[-1])
        NightlyBackup.objects.filter(failed_at=None).update(due_at=timezone.now())
    assert not nights.begin()
    assert [path.name for path in shelf.iterdir()] == [older.name]
    assert "Last night's backup failed: No space left on device" in (standing.trouble() or "")


def test_one_whose_images_cannot_be_listed_pauses_like_any_other(
    alice: User, shelf: Path, begun: list[list[str]], settings: Any
) -> None:
    with bucket.running() as running:
        bucket.use(settings, running)
        running.trouble = Trouble.DENIED
        assert nights.begin()
        assert not make(begun[0])
    [row] = NightlyBackup.objects.all()
    assert "The images' bucket cannot be listed: the key may not do that" in row.last_error
    assert (row.claim, row.due_at > timezone.now() + nights.PAUSES[0] - timedelta(minutes=1)) == ("", True)


def test_each_process_that_dies_is_counted(alice: User, shelf: Path, begun: list[list[str]]) -> None:
    for _ in range(nights.MOST_ATTEMPTS):
        assert nights.begin()
        NightlyBackup.objects.update(due_at=timezone.now())
    assert not nights.begin()
    assert "was killed" in (standing.trouble() or "")


def test_one_that_is_days_old_is_said(alice: User, shelf: Path) -> None:
    now = timezone.now()
    NightlyBackup.objects.create(night=now.date() - timedelta(days=3), done_at=now - timedelta(days=3, hours=1))
    NightlyBackup.objects.create(night=now.date() - timedelta(days=1))
    assert standing.trouble() == "The last backup is 3 days old. Does a worker run with --rest?"
    NightlyBackup.objects.update(done_at=now)
    assert standing.trouble() is None


def test_its_age_is_told_only_where_backups_are_asked_for_and_from_the_first_night_on(alice: User, shelf: Path) -> None:
    assert standing.age() is None
    today = timezone.now().date()
    for days in (3, 1):
        NightlyBackup.objects.create(night=today - timedelta(days=days), failed_at=timezone.now())
    assert timedelta(days=3) <= (standing.age() or timedelta()) < timedelta(days=4)
    NightlyBackup.objects.create(night=today, done_at=timezone.now() - timedelta(hours=1))
    assert timedelta(hours=1) <= (standing.age() or timedelta()) < timedelta(hours=2)


def test_what_was_made_before_is_of_no_age_once_none_are_asked_for(alice: User, settings: Any) -> None:
    settings.BACKUP_TO = ""
    NightlyBackup.objects.create(night=date(2026, 1, 1), done_at=timezone.now())
    assert standing.age() is None


def test_the_night_is_the_last_that_has_begun(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BACKUP_AT = time(2, 17)
    at = timezone.now().replace(year=2026, month=11, day=28, hour=2, minute=16)
    monkeypatch.setattr(nights, "timezone", SimpleNamespace(now=lambda: at))
    assert nights.tonight() == date(2026, 11, 27)
    monkeypatch.setattr(nights, "timezone", SimpleNamespace(now=lambda: at + timedelta(minutes=1)))
    assert nights.tonight() == date(2026, 11, 28)
