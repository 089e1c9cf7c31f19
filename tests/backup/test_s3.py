"""Backups in a bucket: sent in parts, seen whole or not at all, and restored from there."""

import csv
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from accounts.models import User
from billing import identity
from generator.models import Generation
from reveweb.backup import making, nightly, nights, places, reading, restoring, s3
from reveweb.backup.models import NightlyBackup
from reveweb.backup.settling import Settled
from tests import bucket as stand_in
from tests.backup.conftest import Elsewhere, backup
from tests.bucket import Bucket, Trouble

pytestmark = pytest.mark.services

TARGET = "s3://pictures/backups/site.tar"


@pytest.fixture
def images_bucket(settings: Any) -> Iterator[Bucket]:
    """A bucket that has the site's images, and what people brought."""
    with stand_in.running() as running:
        stand_in.use(settings, running)
        running.objects |= {
            f"images{key}": b"1"
            for key in ("/ab/a.png", "/ab/b.png", "-private/exports/1.zip", "-private/uploads/cd/c.png")
        }
        yield running


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(s3, "_ATTEMPTS", 1)
    monkeypatch.setattr(s3, "_READ_SECONDS", 0.5)
    with stand_in.running() as running:
        settings.BACKUP_S3_ENDPOINT_URL = running.url
        settings.BACKUP_S3_REGION = "eu-central-1"
        settings.BACKUP_S3_ACCESS_KEY, settings.BACKUP_S3_SECRET_KEY = "key", "secret"
        s3.client.cache_clear()
        yield running
        s3.client.cache_clear()


def test_it_goes_up_in_parts_and_comes_back_in_ranges(
    bucket: Bucket, draw: Callable[[], Generation], elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw()
    monkeypatch.setattr(s3, "PART_BYTES", 50_000)
    assert "readable by whoever may read the bucket" in backup(TARGET)
    assert len([one for one in bucket.asked if one[0] == "PUT"]) > 3
    assert bucket.parts == {}
    to_read = {f"BACKUP_{name}": value for name, value in bucket.environment().items() if name != "S3_BUCKET"}
    said = elsewhere.restore(TARGET, **to_read)
    assert "no drift" in said
    assert "none without a file" in said
    assert elsewhere.ask("Generation.objects.get().public_id") == drawn.public_id


def test_nothing_is_to_be_seen_of_half_a_backup(
    bucket: Bucket, alice: User, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "_keep_tree", full)
    monkeypatch.setattr(s3, "PART_BYTES", 200_000)
    with pytest.raises(CommandError, match="No space left"):
        backup(TARGET)
    assert (bucket.objects, bucket.parts) == ({}, {})


def test_one_that_is_there_is_not_overwritten(bucket: Bucket, alice: User, pictures: Any) -> None:
    bucket.objects["backups/site.tar"] = b"last night's"
    with pytest.raises(CommandError, match="is there already"):
        backup(TARGET)
    assert bucket.objects == {"backups/site.tar": b"last night's"}


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Trouble.READ_ONLY, "the key may not do that"),
        (Trouble.NO_BUCKET, "there is no bucket|there is no such file"),
        (Trouble.UNKNOWN_KEY, "it refuses us"),
        (Trouble.BREAKS_OFF, "cannot be reached"),
        (Trouble.HANGS, "does not answer"),
    ],
)
def test_what_the_bucket_refuses_is_said(
    bucket: Bucket, alice: User, pictures: Any, trouble: Trouble, said: str
) -> None:
    bucket.trouble = trouble
    with pytest.raises(CommandError, match=said):
        backup(TARGET)
    assert bucket.objects == {}


def test_a_range_that_breaks_off_is_asked_for_again(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.objects["backups/site.tar"] = data = bytes(range(256)) * 1000
    monkeypatch.setattr(s3, "RANGE_BYTES", 100_000)
    place = places.named(TARGET)
    with place.reading() as file:
        begun = file.read(5)
        bucket.trouble = Trouble.BREAKS_OFF
        fetched = s3._Ranges._fetched

        def mended(self: Any, end: int) -> bytes:
            bucket.trouble = None
            return fetched(self, end)

        monkeypatch.setattr(s3._Ranges, "_fetched", mended)
        assert begun + file.read() == data


def test_a_shelf_knows_its_own_folder_and_drops_what_died(bucket: Bucket) -> None:
    shelf = places.shelf("s3://pictures/backups")
    assert shelf.names() == []
    bucket.objects |= {"backups/a.tar": b"a", "backups/b/c.tar": b"c", "other.tar": b"o"}
    assert shelf.names() == ["a.tar"]
    bucket.parts["1~backups/reveweb-1.tar"] = {1: b"dead"}
    shelf.sweep("reveweb-")
    assert bucket.parts == {}
    shelf.remove("a.tar")
    assert "backups/a.tar" not in bucket.objects


@pytest.mark.parametrize("trouble", [Trouble.NO_LIST_OF_PARTS, Trouble.NO_DELETE])
def test_a_key_that_may_only_add_and_list_is_enough(
    bucket: Bucket, alice: User, pictures: Any, settings: Any, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BACKUP_TO, settings.BACKUP_KEEP = "s3://pictures/backups", 1
    older = f"backups/{nights.prefix_of(identity.installation())}20251110T021700Z.tar"
    bucket.objects[older] = b"older"
    row = NightlyBackup.objects.create(night=nights.tonight(), claim="ours", attempts=1)
    bucket.trouble = trouble
    assert nightly.make(row.pk, "ours")
    row.refresh_from_db()
    assert row.done_at
    assert (older in bucket.objects) == (trouble is Trouble.NO_DELETE)
    said = [record for record in caplog.records if record.name == nightly.__name__]
    assert [record.levelname for record in said] == ["INFO" if trouble is Trouble.NO_DELETE else "WARNING"]


# --- The images' own bucket


def test_all_that_a_backup_on_a_disk_has_is_listed_and_compared(
    images_bucket: Bucket, alice: User, target: Path, settings: Any
) -> None:
    assert "the list of the bucket's 3 files" in backup(target)
    with tarfile.open(target) as tar:
        tar.extractall(target.parent, filter="data")
    kept = reading.Backup(target.parent, json.loads((target.parent / "manifest.json").read_text()))
    listed = {name: [row["key"] for row in rows(target.with_name(name))] for name in ("bucket.csv", "uploads.csv")}
    assert listed == {
        "bucket.csv": ["images/ab/a.png", "images/ab/b.png"],
        "uploads.csv": ["images-private/uploads/cd/c.png"],
    }

    def gone() -> int:
        report = restoring.Report(kept, 0, Settled(0, 0, 0, 0, 0))
        restoring._compare(report)
        return report.gone

    assert gone() == 0
    for key in ("images/ab/a.png", "images-private/uploads/cd/c.png"):
        del images_bucket.objects[key]
    assert gone() == 2
    target.with_name("uploads.csv").unlink()  # as in archives of versions before
    assert gone() == 1


@pytest.mark.parametrize(
    ("trouble", "said"), [(Trouble.DENIED, "the key may not do that"), (Trouble.BREAKS_OFF, "it cannot be reached")]
)
def test_one_that_cannot_be_listed_is_named(
    images_bucket: Bucket, alice: User, target: Path, trouble: Trouble, said: str
) -> None:
    images_bucket.trouble = trouble
    with pytest.raises(CommandError, match=rf"^The images' bucket cannot be listed: {said}.*\.$"):
        backup(target)
    assert list(target.parent.iterdir()) == []


def test_one_that_is_silent_after_a_restore_does_not_undo_it(
    images_bucket: Bucket, alice: User, target: Path, elsewhere: Elsewhere
) -> None:
    backup(target)
    images_bucket.trouble = Trouble.BREAKS_OFF
    status, said = elsewhere.manage("restore", target, **images_bucket.environment())
    assert status == 1, said
    assert "It was restored, but could not be compared (it cannot be reached" in said
    assert "manage.py check_storage" in said
    assert "half done" not in said
    assert "not done again: 0 images" in said
    assert not (elsewhere.folder / "restoring.json").exists()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("text", ["s3://", "s3://pictures", "s3://pictures/"])
def test_a_bucket_alone_is_no_file(alice: User, text: str) -> None:
    with pytest.raises(CommandError, match="must name a file in a bucket"):
        backup(text)
