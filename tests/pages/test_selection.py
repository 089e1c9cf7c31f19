"""All that a filter finds, selected at once: as it was seen, however much it is and whatever happens meanwhile."""

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import AsyncClient, Client

from accounts.models import User
from billing.models import Wallet
from generator.files import archive
from generator.files import images as files
from generator.library import selection, trash
from generator.library.filters import Filters
from generator.library.selection import Selection
from generator.models import Generation
from tests.pages.conftest import Hang
from tests.streams import pieces_of

Draw = Callable[..., Generation]


def seen(client: Client, query: str = "") -> dict[str, str]:
    """What the page puts into its forms when everything is selected that is found at an address."""
    found = client.get(f"/gallery/count/?{query}").json()
    return {"all": "1", "filter": query, "count": str(found["count"]), "newest": found["newest"]}


def kept() -> list[str]:
    return list(Generation.objects.completed().order_by("pk").values_list("prompt", flat=True))


def test_all_that_are_found_go_at_once_and_come_back_at_once(browser: Client, hang: Hang, draw: Draw) -> None:
    hang(84)
    draw("a lighthouse")
    form = seen(browser, "q=image")
    assert form["count"] == "84"
    html = browser.post("/gallery/delete/", form, headers={"HX-Request": "true"}).content.decode()
    assert "84 images deleted." in html
    assert kept() == ["a lighthouse"]
    together = html.split('name="together" value="')[1].split('"')[0]
    assert (
        "84 images are back." in browser.post("/gallery/restore/", {"together": together}, follow=True).content.decode()
    )
    assert len(kept()) == 85


def test_what_was_made_since_it_was_selected_is_not_taken(browser: Client, draw: Draw) -> None:
    draw("a red fox")
    form = seen(browser, "q=red")
    draw("a red kite")
    browser.post("/gallery/delete/", form)
    assert kept() == ["a red kite"]


def test_what_came_among_the_older_ones_since_then_makes_it_no_more(wallet: Wallet, hang: Hang) -> None:
    rows = hang(6)
    trash.discard(wallet, [rows[2].public_id])
    before = selection.seen(wallet, Filters())
    trash.restore(wallet, [rows[2].public_id])
    trash.discard_all(wallet, Selection(Filters(), before.newest, before.count))
    assert kept() == ["image 0"]


def test_what_was_taken_out_stays(browser: Client, draw: Draw) -> None:
    draw("a fox")
    kite = draw("a kite")
    browser.post("/gallery/delete/", {**seen(browser), "but": kite.public_id})
    assert kept() == ["a kite"]


def test_all_become_favourites_and_no_longer(browser: Client, hang: Hang) -> None:
    hang(30)
    browser.post("/gallery/favourites/", {**seen(browser), "on": "1"})
    assert Generation.objects.filter(is_favourite=True).count() == 30
    browser.post("/gallery/favourites/", {**seen(browser, "favourites=1"), "on": "0"})
    assert not Generation.objects.filter(is_favourite=True).exists()


@pytest.mark.django_db(transaction=True)
def test_all_come_as_one_zip(
    alice: User, browser: Client, draw: Draw, images: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.pages.gallery.ZIP_BATCH", 2)
    for number in range(5):
        store(draw(f"a red {number}"))
    draw("a blue door")
    form = seen(browser, "q=red")

    async def sent() -> tuple[str, bytes]:
        client = AsyncClient()
        await client.aforce_login(alice)
        response = await client.post("/gallery/zip/", form)
        return response["Content-Disposition"], b"".join([piece async for piece in pieces_of(response)])

    name, data = asyncio.run(sent())
    assert "-5-images-" in name
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        rows = list(csv.DictReader(io.StringIO(file.read(archive.MANIFEST).decode("utf-8-sig"))))
    assert [row["prompt"] for row in rows] == [f"a red {number}" for number in (4, 3, 2, 1, 0)]


def store(generation: Generation) -> None:
    default_storage.save(files.path_of(generation.file_name), ContentFile(b"bytes"))


def test_a_zip_that_would_be_too_large_is_refused_and_not_cut(
    browser: Client, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.pages.gallery.ZIP_MOST", 1)
    draw("one")
    draw("two")
    assert browser.post("/gallery/zip/", seen(browser)).status_code == 400


@pytest.mark.parametrize(
    "odd",
    [{"count": "0"}, {"count": "-1"}, {"count": ""}, {"newest": ""}, {"newest": "\x00"}, {"but": "x"}, {"all": "2"}],
)
def test_an_odd_selection_is_refused_and_nothing_happens(browser: Client, draw: Draw, odd: dict[str, str]) -> None:
    draw("a fox")
    for address in ("delete", "favourites", "zip"):
        assert browser.post(f"/gallery/{address}/", {**seen(browser), "on": "1", **odd}).status_code == 400
    assert kept() == ["a fox"]


@pytest.mark.parametrize("together", ["", "yesterday", "2026-01-01T00:00:00", "\x00"])
def test_an_odd_moment_restores_nothing(browser: Client, draw: Draw, together: str) -> None:
    browser.post("/gallery/delete/", {"ids": draw().public_id})
    assert browser.post("/gallery/restore/", {"together": together}).status_code == 400
    assert kept() == []


def test_a_stranger_selects_and_restores_nothing_of_it(
    browser: Client, strangers_browser: Client, draw: Draw, wallet: Wallet
) -> None:
    draw("a fox")
    form = seen(browser)
    strangers_browser.post("/gallery/delete/", form)
    assert kept() == ["a fox"]
    browser.post("/gallery/delete/", form)
    thrown = trash.last_trashed(wallet)
    assert thrown is not None
    strangers_browser.post("/gallery/restore/", {"together": thrown.together})
    assert kept() == []


def test_how_many_is_told_to_nobody_who_is_not_logged_in(client: Client, strangers_browser: Client, draw: Draw) -> None:
    draw()
    assert client.get("/gallery/count/").status_code == 302
    assert strangers_browser.get("/gallery/count/").json() == {"count": 0, "newest": ""}


def test_a_process_that_dies_in_between_loses_nothing(
    browser: Client, wallet: Wallet, hang: Hang, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(10)
    monkeypatch.setattr(selection, "CHUNK", 4)
    form = seen(browser)
    whole = Selection.chunks

    def dying(self: Selection, wallet: Wallet) -> Any:
        chunks = whole(self, wallet)
        yield next(chunks)
        raise KeyboardInterrupt

    monkeypatch.setattr(Selection, "chunks", dying)
    with pytest.raises(KeyboardInterrupt):
        browser.post("/gallery/delete/", form)
    monkeypatch.setattr(Selection, "chunks", whole)
    thrown = trash.last_trashed(wallet)
    assert thrown is not None
    assert (thrown.count, len(kept())) == (4, 6)
    browser.post("/gallery/delete/", form)
    assert kept() == []
    for left in (6, 10):
        thrown = trash.last_trashed(wallet)
        assert thrown is not None
        browser.post("/gallery/restore/", {"together": thrown.together})
        assert len(kept()) == left


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_take_each_image_once(wallet: Wallet, hang: Hang, monkeypatch: pytest.MonkeyPatch) -> None:
    hang(60)
    monkeypatch.setattr(selection, "CHUNK", 7)
    found = selection.seen(wallet, Filters())

    def go(_: int) -> int:
        try:
            return trash.discard_all(wallet, Selection(Filters(), found.newest, found.count))
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(go, range(50))) == 60
    assert kept() == []
    while thrown := trash.last_trashed(wallet):
        assert trash.restore_together(wallet, thrown.at) == thrown.count
    assert len(kept()) == 60


def test_it_asks_the_database_a_few_times_for_thousands(
    wallet: Wallet, hang: Hang, django_assert_max_num_queries: Any
) -> None:
    hang(2000)
    found = selection.seen(wallet, Filters())
    with django_assert_max_num_queries(40):
        assert trash.discard_all(wallet, Selection(Filters(), found.newest, found.count)) == 2000
    thrown = trash.last_trashed(wallet)
    assert thrown is not None
    with django_assert_max_num_queries(40):
        assert trash.restore_together(wallet, thrown.at) == 2000


def test_a_zip_holds_few_rows_in_memory(wallet: Wallet, hang: Hang, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its list of prompts goes to the disk from `MANIFEST_IN_MEMORY` on, and is whole all the same."""
    monkeypatch.setattr(archive, "MANIFEST_IN_MEMORY", 100)
    monkeypatch.setattr(files, "read", lambda name: b"x")
    rows = hang(40)

    async def batches() -> AsyncIterator[list[Generation]]:
        yield rows[:20]
        yield rows[20:]

    async def sent() -> bytes:
        return b"".join([piece async for piece in archive.stream_async(batches())])

    with zipfile.ZipFile(io.BytesIO(asyncio.run(sent()))) as file:
        assert file.testzip() is None
        text = file.read(archive.MANIFEST).decode("utf-8-sig")
        assert [row["prompt"] for row in csv.DictReader(io.StringIO(text))] == [f"image {one}" for one in range(40)]


def test_the_notice_is_there_with_a_filter_too(browser: Client, draw: Draw, wallet: Wallet) -> None:
    draw("a red fox")
    browser.post("/gallery/delete/", seen(browser, "q=red"))
    assert "Image deleted." in browser.get("/gallery/?q=red").content.decode()
