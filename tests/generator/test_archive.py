"""Many images as one ZIP, made while it is sent."""

import asyncio
import csv
import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import AsyncClient
from django.utils import timezone

from accounts import keys
from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.files import archive, images
from generator.library import trash
from generator.models import Generation
from tests.streams import pieces_of

pytestmark = pytest.mark.usefixtures("images")


def hang(wallet: Wallet, prompt: str, data: bytes | None = b"bytes of an image", **fields: Any) -> Generation:
    """Hang a finished image; without `data` its file is missing."""
    now = timezone.now()
    generation = Generation.objects.create(
        wallet=wallet, prompt=prompt, aspect_ratio="1:1", request_digest="", deadline_at=now, status="completed",
        file_extension="png", width=1024, height=1024, finished_at=now, **fields,
    )  # fmt: skip
    if data is not None:
        default_storage.save(images.path_of(generation.file_name), ContentFile(data))
    return generation


def opened(data: bytes) -> tuple[zipfile.ZipFile, list[dict[str, str]]]:
    """A ZIP that is whole, and what its manifest says."""
    file = zipfile.ZipFile(io.BytesIO(data))
    assert file.testzip() is None
    return file, list(csv.DictReader(io.StringIO(file.read(archive.MANIFEST).decode("utf-8-sig"))))


async def download(user: User, *ids: str) -> bytes:
    """Ask for a ZIP as a browser does, over ASGI."""
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.post("/gallery/zip/", {"ids": ",".join(ids)})
    assert response.status_code == 200
    return b"".join([piece async for piece in pieces_of(response)])


def test_it_holds_the_images_as_they_are_and_what_they_were_asked_for(wallet: Wallet) -> None:
    fox, barn = hang(wallet, "A red fox", b"fox" * 1000), hang(wallet, "A barn", b"barn", negative_prompt="snow")
    file, rows = opened(b"".join(archive.stream([fox, barn])))
    assert [row["prompt"] for row in rows] == ["A red fox", "A barn"]
    assert file.read(rows[0]["file"]) == b"fox" * 1000
    assert file.read(rows[1]["file"]) == b"barn"
    assert rows[1]["negative_prompt"] == "snow"
    assert rows[1]["source"] == "Studio"
    assert file.namelist() == [rows[0]["file"], rows[1]["file"], "prompts.csv"]
    assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}


def test_names_say_when_and_what_and_are_all_different(wallet: Wallet) -> None:
    day = timezone.now().date().isoformat()
    names = [archive.file_name(hang(wallet, "A Fox, in “deep” Snow/..\\", None)) for _ in range(3)]
    assert names[0].startswith(f"{day}_a-fox-in-deep-snow_")
    assert len({name.lower() for name in names}) == 3
    assert archive.file_name(hang(wallet, "منارة فوق بحر", None)).startswith(f"{day}_منارة-فوق-بحر_")
    assert len(archive.file_name(hang(wallet, "word " * 800, None))) < 100
    assert archive.file_name(hang(wallet, "?!*", None)).startswith(f"{day}_")


def test_a_missing_file_is_left_out_and_named(wallet: Wallet) -> None:
    here, gone = hang(wallet, "here"), hang(wallet, "gone", None)
    file, rows = opened(b"".join(archive.stream([here, gone])))
    assert len(file.namelist()) == 2
    assert (rows[1]["prompt"], rows[1]["file"], rows[1]["note"]) == ("gone", "", archive.MISSING)


@pytest.mark.parametrize("words", ['=HYPERLINK("http://example.com")', "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1"])
def test_no_words_of_a_person_are_a_formula_of_a_spreadsheet(wallet: Wallet, alice: User, words: str) -> None:
    key, _ = keys.mint(user=alice, name=words)
    image = hang(wallet, words, negative_prompt=words, api_key=key)
    file, _ = opened(b"".join(archive.stream([image])))
    manifest = io.StringIO(file.read(archive.MANIFEST).decode("utf-8-sig"), newline="")
    [row] = csv.DictReader(manifest)
    assert (row["prompt"], row["negative_prompt"], row["source"]) == (defused(words),) * 3


def defused(words: str) -> str:
    """Return them with a mark in front, and after a tab or an end of line, which may begin a cell of its own."""
    return f"'{words[0]}'{words[1:]}" if words[0].isspace() else f"'{words}"


def test_only_ones_own_that_are_kept_come_over_the_page(wallet: Wallet, alice: User, bob: User) -> None:
    key, _ = keys.mint(user=alice, name="shop")
    mine, gone = hang(wallet, "mine", api_key=key), hang(wallet, "thrown away")
    his = hang(ledger.wallet_of(bob.pk), "his")
    unfinished = hang(wallet, "unfinished")
    Generation.objects.filter(pk=unfinished.pk).update(status="drawing")
    trash.discard(wallet, [gone.public_id])
    ids = [generation.public_id for generation in (mine, gone, his, unfinished)]
    _, rows = opened(asyncio.run(download(alice, *ids, "img_unknown", mine.public_id)))
    assert [(row["prompt"], row["source"]) for row in rows] == [("mine", "shop")]


def test_it_is_sent_while_it_is_made(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = images.read

    def counted(name: str) -> bytes:
        reads.append(name)
        return read(name)

    monkeypatch.setattr(images, "read", counted)
    pieces = archive.stream([hang(wallet, f"image {number}", b"x" * archive.PIECE) for number in range(5)])
    next(pieces)
    assert len(reads) == 1


def test_its_memory_does_not_grow_with_it(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2_000_000
    monkeypatch.setattr(images, "read", lambda name: bytes(size))
    generation = hang(wallet, "large", None)

    async def many() -> AsyncIterator[list[Generation]]:
        for _ in range(50):
            yield [generation, generation]

    async def sent() -> int:
        return sum([len(piece) async for piece in archive.stream_async(many())])

    tracemalloc.start()
    try:
        assert asyncio.run(sent()) > 100 * size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * size


def test_who_goes_away_leaves_nothing_running(wallet: Wallet) -> None:
    async def batches() -> AsyncIterator[list[Generation]]:
        yield shown

    async def first_piece() -> None:
        pieces = archive.stream_async(batches())
        assert await anext(pieces)
        await pieces.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)

    shown = [hang(wallet, f"image {number}", b"x" * archive.PIECE) for number in range(3)]
    asyncio.run(first_piece())
