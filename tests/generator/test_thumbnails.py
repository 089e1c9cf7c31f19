"""Thumbnails come after the answer, and whoever makes them may crash, be late or find the storage away."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from billing.models import Wallet
from generator.ask import admission
from generator.files import images as stored_images
from generator.jobs import lifecycle, tasks, thumbnails
from generator.library import trash
from generator.models import Generation

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1200, 900), (30, 60, 90)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def draw(wallet: Wallet) -> Callable[[], Generation]:
    """Complete an image of Alice's, as a worker does it."""

    def drawn() -> Generation:
        generation = admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="a lighthouse")).generation
        claimed = lifecycle.claim_submission(generation.pk)
        assert claimed is not None
        lifecycle.accepted(claimed, upstream_id=f"up_{generation.pk}", poll_after=0)
        [looking] = lifecycle.claim_looks(1)
        stored = stored_images.store(png(), generation.file_token)
        assert lifecycle.complete(looking, image=stored, model="test")
        return Generation.objects.get(pk=generation.pk)

    return drawn


def sides(folder: Path) -> list[int]:
    """The longer sides of the thumbnails in storage."""
    files = [io.BytesIO(path.read_bytes()) for path in folder.rglob("*_*.webp")]
    return sorted(max(Image.open(file).size) for file in files)


def needs(generation: Generation) -> bool:
    return Generation.objects.get(pk=generation.pk).needs_thumbnails


def lapse(generation: Generation) -> None:
    Generation.objects.filter(pk=generation.pk).update(due_at=timezone.now())


def test_an_image_is_completed_without_them_and_they_follow(draw: Callable[[], Generation], tmp_path: Path) -> None:
    generation = draw()
    assert needs(generation)
    assert sides(tmp_path) == []
    tasks.thumbnails()
    assert sides(tmp_path) == [480, 960]
    assert not needs(generation)
    assert thumbnails.make_due() == 0


def test_many_are_made_in_one_go(draw: Callable[[], Generation], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(thumbnails, "BATCH", 2)
    for _ in range(3):
        draw()
    tasks.thumbnails()
    assert sides(tmp_path) == [480, 480, 480, 960, 960, 960]


def test_a_maker_that_dies_leaves_them_to_the_next(
    draw: Callable[[], Generation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    generation = draw()
    with monkeypatch.context() as patch:
        patch.setattr(thumbnails, "_note", dies)
        with pytest.raises(KeyboardInterrupt):
            thumbnails.make_due()
    assert needs(generation)
    assert thumbnails.make_due() == 0  # somebody may still be at it
    lapse(generation)
    assert thumbnails.make_due() == 1
    assert not needs(generation)


def test_two_makers_share_them(draw: Callable[[], Generation]) -> None:
    made = [draw(), draw()]
    assert len(thumbnails._claim()) == 2
    assert thumbnails._claim() == []
    assert all(map(needs, made))


def test_what_was_trashed_meanwhile_keeps_none_and_gets_them_when_it_is_restored(
    draw: Callable[[], Generation], wallet: Wallet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = draw()
    make = thumbnails._make

    def trashed_meanwhile(claimed: Generation) -> None:
        make(claimed)
        assert sides(tmp_path) == [480, 960]
        Generation.objects.filter(pk=claimed.pk).update(deleted_at=timezone.now())

    with monkeypatch.context() as patch:
        patch.setattr(thumbnails, "_make", trashed_meanwhile)
        thumbnails.make_due()
    assert sides(tmp_path) == []
    assert thumbnails.make_due() == 0
    trash.restore(wallet, [generation.public_id])
    assert thumbnails.make_due() == 1
    assert sides(tmp_path) == [480, 960]


def test_what_was_removed_for_good_meanwhile_leaves_no_files(
    draw: Callable[[], Generation], wallet: Wallet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its account is deleted while they are made."""
    draw()
    keep = stored_images.keep_thumbnails

    def removed_before(*what: Any) -> None:
        trash.purge_account(wallet)
        keep(*what)

    monkeypatch.setattr(stored_images, "keep_thumbnails", removed_before)
    thumbnails.make_due()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_with_the_storage_away_they_are_made_later(
    draw: Callable[[], Generation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    def away(*_: Any) -> None:
        raise OSError("no route to host")

    generation = draw()
    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "keep_thumbnails", away)
        tasks.thumbnails()
    found = Generation.objects.get()
    assert found.needs_thumbnails
    assert timedelta(seconds=20) < found.due_at - timezone.now() <= thumbnails.AGAIN
    lapse(generation)
    tasks.thumbnails()
    assert sides(tmp_path) == [480, 960]


def test_an_image_whose_file_is_gone_is_given_up(draw: Callable[[], Generation], unlogged: None) -> None:
    generation = draw()
    stored_images.delete(generation.file_token)
    tasks.thumbnails()
    assert not needs(generation)


def test_a_second_message_does_nothing_while_one_is_at_it(draw: Callable[[], Generation]) -> None:
    generation = draw()
    with tasks._makes:
        tasks.thumbnails()
    assert needs(generation)
