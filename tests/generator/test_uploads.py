"""Pictures that people bring: kept for their owner alone, once each, and for as long as they are of use."""

import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.errors import BadImage, OddSize, UploadsFull
from generator.files import images as stored_images
from generator.files import leftovers, tasks, upload_leftovers, uploads
from generator.jobs.tasks import purge_trash
from generator.models import Generation, Group, Input, Operation, Upload, new_file_token
from kit import nights, storage
from tests.generator.test_bare import SECRET, file, opened, picture, spoken

pytestmark = pytest.mark.services

Status = Generation.Status
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _storage(images: None, transactional_db: None) -> None:
    """This test's own folders."""


def kept_files() -> list[str]:
    return sorted(path.name for path in Path(storages["private"].path("")).rglob("*") if path.is_file())


def another(shade: int = 7) -> bytes:
    return file("PNG", Image.new("RGB", (40, 30), (shade, 20, 30)))


def made_from(
    wallet: Wallet,
    *inputs: Upload | Generation,
    mask: Upload | None = None,
    status: Status = Status.COMPLETED,
    **fields: Any,
) -> Generation:
    """Return a generation that was asked for with these."""
    operation = Operation.EDIT if len(inputs) == 1 else Operation.REMIX
    group = Group.objects.create(wallet=wallet, source=Group.Source.API, operation=operation, digest="x", mask=mask)
    for position, one in enumerate(inputs, 1):
        named = {"upload": one} if isinstance(one, Upload) else {"generation": one}
        Input.objects.create(group=group, position=position, **named)
    values = {"wallet": wallet, "group": group, "operation": operation, "prompt": "x", "request_digest": "x"}
    return Generation.objects.create(**values | fields, status=status, deadline_at=timezone.now())


def image_of(wallet: Wallet, data: bytes) -> Generation:
    token = new_file_token()
    stored = stored_images.store(data, token)
    return Generation.objects.create(
        wallet=wallet,
        prompt="x",
        request_digest="x",
        status=Status.COMPLETED,
        deadline_at=timezone.now(),
        file_token=token,
        file_extension=stored.extension,
    )


def expire(*some: Upload) -> None:
    Upload.objects.filter(pk__in=[one.pk for one in some]).update(expires_at=timezone.now() - timedelta(seconds=1))


# --- Taking them


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_is_kept_is_the_picture_upright(wallet: Wallet, kind: str) -> None:
    upload = uploads.take(wallet, spoken(kind, 6))
    [name] = kept_files()
    data = Path(storages["private"].path(uploads.path_of(name))).read_bytes()
    assert name == upload.file_name
    assert opened(data).size == (upload.width, upload.height) == (48, 96)
    assert SECRET not in data
    assert upload.size == len(data)
    assert upload.public_id.startswith("file_")
    assert timedelta(days=29.9) < upload.expires_at - timezone.now() <= timedelta(days=30)


def test_the_same_bytes_are_one_upload_that_lasts_longer(wallet: Wallet, bob: User) -> None:
    first = uploads.take(wallet, another())
    expire(first)
    again = uploads.take(wallet, another())
    assert again.pk == first.pk
    assert again.expires_at > timezone.now() + 29 * DAY
    assert len(kept_files()) == 1
    theirs = uploads.take(ledger.wallet_of(bob.pk), another())
    assert theirs.pk != first.pk
    assert len(kept_files()) == 2


def test_the_same_bytes_twice_at_once_are_one_upload(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    both, found = threading.Barrier(2), []
    real = uploads._store

    def store(*arguments: Any) -> None:
        real(*arguments)
        both.wait(60)

    monkeypatch.setattr(uploads, "_store", store)

    def take() -> None:
        try:
            found.append(uploads.take(wallet, another()).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert len(set(found)) == 1
    assert len(found) == 2
    assert [upload.file_name for upload in Upload.objects.all()] == kept_files()


def test_what_was_deleted_comes_back_as_another(wallet: Wallet) -> None:
    first = uploads.take(wallet, another())
    assert uploads.discard(wallet, first.public_id)
    second = uploads.take(wallet, another())
    assert second.pk != first.pk
    uploads.purge_due()
    assert kept_files() == [second.file_name]


def test_what_is_no_picture_or_too_large_leaves_nothing(wallet: Wallet, settings: Any) -> None:
    with pytest.raises(BadImage):
        uploads.take(wallet, b"no picture")
    with pytest.raises(OddSize, match="20 MB"):
        uploads.take(wallet, another() + bytes(uploads.MOST_BYTES))
    settings.IMAGE_MAX_PIXELS = 1024
    with pytest.raises(OddSize):
        uploads.take(wallet, another())
    assert not Upload.objects.exists()
    assert kept_files() == []


def test_an_account_has_room_for_so_many(wallet: Wallet, settings: Any) -> None:
    first = uploads.take(wallet, another())
    settings.UPLOADS_MAX_BYTES = first.size + 10
    with pytest.raises(UploadsFull):
        uploads.take(wallet, another(8))
    assert uploads.take(wallet, another()).pk == first.pk
    uploads.discard(wallet, first.public_id)
    assert uploads.take(wallet, another(8)).pk


def test_a_storage_that_is_away_leaves_no_row(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(storages["private"], "save", away)
    with pytest.raises(storage.StorageAway):
        uploads.take(wallet, another())
    assert not Upload.objects.exists()


# --- Using them


def test_pictures_come_in_the_order_in_which_they_were_given(wallet: Wallet) -> None:
    brought, mask = uploads.take(wallet, another()), uploads.take(wallet, another(8))
    own = image_of(wallet, spoken("JPEG", 6))
    inputs, masked = uploads.pictures_of(uploads.sources_of(made_from(wallet, own, brought, mask=mask)))
    assert [one.media_type for one in inputs] == ["image/jpeg", "image/png"]
    assert opened(inputs[0].data).size == (48, 96)  # upright
    assert SECRET not in inputs[0].data  # an upstream wrote it, and it is none of the next one's
    assert inputs[1].data == another()
    assert masked is not None
    assert masked.data == another(8)


def test_what_was_made_from_words_has_no_pictures(wallet: Wallet, generation: Generation) -> None:
    assert uploads.pictures_of(uploads.sources_of(generation)) == ((), None)


def test_what_is_gone_is_told(wallet: Wallet) -> None:
    brought = uploads.take(wallet, another())
    made = made_from(wallet, brought)
    uploads.discard(wallet, brought.public_id)
    uploads.purge_due()
    with pytest.raises(FileNotFoundError):
        uploads.pictures_of(uploads.sources_of(made))


def test_what_is_about_to_be_used_lasts_for_a_day(wallet: Wallet, bob: User) -> None:
    brought = uploads.take(wallet, another())
    expire(brought)
    used = uploads.use(wallet, brought.public_id)
    assert used is not None
    assert used.expires_at > timezone.now() + timedelta(hours=23)
    assert uploads.expire_due() == 0
    assert uploads.use(ledger.wallet_of(bob.pk), brought.public_id) is None
    assert uploads.use(wallet, "file_nobody") is None
    assert uploads.use(wallet, "file_\x00") is None
    uploads.discard(wallet, brought.public_id)
    assert uploads.use(wallet, brought.public_id) is None


# --- Letting them go


def test_one_expires_unless_an_image_that_is_kept_was_made_from_it(wallet: Wallet) -> None:
    young, idle, failed, purged, made, under_way, mask = (uploads.take(wallet, another(shade)) for shade in range(7))
    made_from(wallet, failed, status=Status.FAILED)
    gone = made_from(wallet, purged, purged_at=timezone.now(), deleted_at=timezone.now())
    kept = made_from(wallet, made)
    made_from(wallet, under_way, mask=mask, status=Status.DRAWING)
    expire(idle, failed, purged, made, under_way, mask)
    assert uploads.expire_due() == 3
    assert uploads.purge_due() == 3
    assert uploads.expire_due() == uploads.purge_due() == 0
    assert set(Upload.objects.filter(deleted_at=None)) == {young, made, under_way, mask}
    assert kept_files() == sorted(one.file_name for one in (young, made, under_way, mask))
    assert gone.group is not None  # the row stays for it
    Generation.objects.filter(pk=kept.pk).update(deleted_at=timezone.now(), purged_at=timezone.now())
    assert uploads.expire_due() == 1


def test_a_deleted_one_is_there_for_what_is_under_way(wallet: Wallet) -> None:
    brought = uploads.take(wallet, another())
    drawing = made_from(wallet, brought, status=Status.DRAWING)
    assert uploads.discard(wallet, brought.public_id)
    assert not uploads.discard(wallet, brought.public_id)
    assert uploads.find(wallet, brought.public_id) is None
    assert uploads.purge_due() == 0
    assert uploads.pictures_of(uploads.sources_of(drawing))[0][0].data == another()
    Generation.objects.filter(pk=drawing.pk).update(status=Status.COMPLETED)
    purge_trash()
    assert kept_files() == []


def test_a_purge_that_the_storage_refuses_is_done_again(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = uploads.take(wallet, another())
    uploads.discard(wallet, brought.public_id)

    def away(*_: Any) -> None:
        raise PermissionError(13, "no")

    with monkeypatch.context() as patch:
        patch.setattr(storages["private"], "delete", away)
        assert uploads.purge_due() == 0
    assert uploads.purge_due() == 1
    assert kept_files() == []


def test_a_night_lets_expired_ones_go(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = uploads.take(wallet, another())
    expire(brought)
    monkeypatch.setattr(nights, "claim", lambda name, at: False)
    tasks.expire_uploads()
    assert Upload.objects.filter(deleted_at=None).exists()
    monkeypatch.setattr(nights, "claim", lambda name, at: True)
    tasks.expire_uploads()
    assert not Upload.objects.filter(deleted_at=None).exists()


def test_a_night_that_fails_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    returned: list[str] = []

    def broken() -> int:
        raise RuntimeError

    monkeypatch.setattr(nights, "claim", lambda name, at: True)
    monkeypatch.setattr(nights, "give_back", lambda name, at: returned.append(name))
    monkeypatch.setattr(uploads, "expire_due", broken)
    tasks.expire_uploads()
    assert returned == ["expire_uploads"]


def put(name: str, *, days: float) -> None:
    path = Path(storages["private"].path(uploads.path_of(name)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (time.time() - days * 86_400,) * 2)


def test_files_that_nothing_needs_are_found_and_deleted(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brought, gone = uploads.take(wallet, another()), uploads.take(wallet, another(8))
    uploads.discard(wallet, gone.public_id)
    uploads.purge_due()
    put(gone.file_name, days=2)  # as an overwritten file that a storage brought back
    put(f"{new_file_token()}.png", days=8)  # whoever stored it died before the row was there
    young = f"{new_file_token()}.png"
    put(young, days=6)
    report = leftovers.compare(repair=False)
    assert (report.files, report.leftovers, report.deleted, report.missing_uploads) == (4, 2, 0, 0)
    report = leftovers.compare(repair=True)
    assert (report.leftovers, report.deleted) == (2, 2)
    assert kept_files() == sorted([brought.file_name, young])
    monkeypatch.setattr(upload_leftovers, "SETTLED", timedelta(0))
    storages["private"].delete(uploads.path_of(brought.file_name))
    assert leftovers.compare(repair=True).missing_uploads == 1
    with pytest.raises(CommandError):
        call_command("check_storage")
    assert "1 uploads without their file" in capsys.readouterr().out


# --- Who sees them


def test_only_its_owner_sees_an_upload(wallet: Wallet, alice: User, bob: User, client: Client) -> None:
    brought = uploads.take(wallet, another())
    address = f"/uploads/{brought.public_id}"
    assert client.get(address).status_code == 302  # to the log-in
    client.force_login(bob)
    assert client.get(address).status_code == 404
    client.force_login(alice)
    found: Any = client.get(address)
    assert found.status_code == 200
    assert found.content == another()
    assert found["Content-Type"] == "image/png"
    assert found["Cache-Control"] == "private, no-store"
    assert found["X-Content-Type-Options"] == "nosniff"
    assert client.get("/uploads/file_x").status_code == 404
    assert client.get(f"/images/{brought.file_name}").status_code == 404
    uploads.discard(wallet, brought.public_id)
    assert client.get(address).status_code == 404


def test_the_gradient_of_these_tests_lies_as_they_take_it_to() -> None:
    assert picture().convert("L").getpixel((2, 24)) < 60 < 200 < picture().convert("L").getpixel((93, 24))  # type: ignore[operator]
