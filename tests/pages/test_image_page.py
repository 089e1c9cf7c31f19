"""An image's own page: what it tells, its receipt, its file to keep, its heart."""

import asyncio
import io
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import User
from billing import ledger
from generator.ask import prices
from generator.files import downloads, marks
from generator.files import images as pictures
from generator.models import Generation
from tests.billing import books
from tests.pages.test_frame import assert_well_made

Draw = Callable[..., Generation]


def page(client: Client, generation: Generation) -> str:
    response = client.get(f"/gallery/{generation}/")
    assert response.status_code == 200
    return response.content.decode()


def words_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


# --- What it tells ----------------------------------------------------------------------------------------------


def test_it_tells_all_about_an_image(browser: Client, draw: Draw, alice: User) -> None:
    key, _ = keys.mint(user=alice, name="Nightly posters")
    generation = draw("a red fox", negative_prompt="no hens", aspect_ratio="3:2", api_key=key)
    Generation.objects.update(finished_at=generation.created_at + timedelta(seconds=6.2), file_size=2_000_000)
    html = page(browser, generation)
    assert_well_made(html)
    words = words_of(html)
    for fact in ("a red fox", "no hens", "3:2", "1536 × 1024 pixels", "PNG, 1.9\xa0MB", "6.2 seconds", "test"):
        assert fact in html or fact in words
    assert "Nightly posters" in words
    assert key.prefix in words
    assert generation.public_id in words
    assert f"http://testserver/images/{generation.file_name}" in words


def test_an_image_of_the_studio_says_so(browser: Client, draw: Draw) -> None:
    assert "The studio" in words_of(page(browser, draw()))


def test_the_browser_knows_the_size_and_may_choose_the_file(browser: Client, draw: Draw) -> None:
    generation = draw()
    html = page(browser, generation)
    stem = f"/images/{generation.file_token}"
    assert f'srcset="{stem}_480.webp 480w, {stem}_960.webp 960w, {stem}.png 1536w"' in html
    assert 'viewBox="0 0 1536 1024" width="1536" height="1024"' in html
    assert 'fill="#a1b2c3"' in html


def test_a_long_prompt_is_folded_and_can_be_copied_whole(browser: Client, draw: Draw) -> None:
    prompt = "fox " * 999 + "end"
    html = page(browser, draw(prompt))
    assert "Show all 3,999 characters" in html
    assert f'id="prompt-words" dir="auto">{prompt}</p>' in html
    assert "Show all" not in page(browser, draw("a short one"))


def test_a_prompt_is_text_and_not_markup(browser: Client, draw: Draw) -> None:
    html = page(browser, draw("<script>alert(1)</script><img src=x onerror=alert(1)>"))
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert_well_made(html.replace("onerror=", "").replace("&lt;img src=x", ""))


def test_its_neighbours_are_one_step_away(browser: Client, draw: Draw, strangers_browser: Client) -> None:
    oldest, failed, middle, newest = draw(), draw(until="failed"), draw(), draw()
    draw(until="drawing")
    html = page(browser, middle)
    assert re.search(f'rel="prev" href="/gallery/{newest}/"', html)
    assert re.search(f'rel="next" href="/gallery/{oldest}/"', html)
    assert 'rel="prev"' not in page(browser, newest)
    assert 'rel="next"' not in page(browser, oldest)
    assert re.search(f'rel="next" href="/gallery/{oldest}/"', page(browser, failed))


def test_whoever_comes_from_a_filtered_gallery_stays_in_it(browser: Client, draw: Draw) -> None:
    oldest, *_ = draw("a red fox", aspect_ratio="3:2"), draw("a barn"), draw("a red kite", aspect_ratio="1:1")
    middle = draw("a red deer", aspect_ratio="3:2")
    newest, _ = draw("a red hen", aspect_ratio="3:2"), draw("a blue hen")
    html = browser.get(f"/gallery/{middle}/?q=red&ratio=3:2&nonsense=1").content.decode()
    query = "?q=red&amp;ratio=3%3A2"
    assert f'rel="prev" href="/gallery/{newest}/{query}"' in html
    assert f'rel="next" href="/gallery/{oldest}/{query}"' in html
    assert f'href="/gallery/{query}&amp;at={middle}#{middle}"' in html
    assert 'rel="prev"' not in browser.get(f"/gallery/{newest}/?q=red").content.decode()
    assert f'href="/gallery/{middle}/{query}"' in browser.get("/gallery/?q=red&ratio=3:2").content.decode()


def test_a_failed_one_says_why_and_that_the_credit_came_back(browser: Client, draw: Draw) -> None:
    generation = draw("a red fox", until="failed")
    html = page(browser, generation)
    assert_well_made(html)
    assert "The brush broke." in html
    assert "Your credit was returned." in html
    assert f"/create/?from={generation}" in html
    assert "Try it again" in html
    assert "Download" not in html
    assert "Share by public link" not in html


def test_a_refused_one_leads_to_other_words(browser: Client, draw: Draw) -> None:
    generation = draw("a red fox", until="refused")
    html = page(browser, generation)
    assert "Edit the prompt" in html
    assert f"/create/?from={generation}" in html
    assert "Try it again" not in html


def test_an_unfinished_one_is_watched_in_the_studio(browser: Client, draw: Draw) -> None:
    generation = draw(until="drawing")
    assert browser.get(f"/gallery/{generation}/")["Location"] == f"/create/#{generation}"


@pytest.mark.parametrize("id", ["img_nowhere", "img_%00", "img_" + "a" * 10_000, "..", "delete"])
def test_what_is_not_there_is_not_found(browser: Client, id: str) -> None:
    assert browser.get(f"/gallery/{id}/").status_code in (302, 404)
    assert browser.get(f"/gallery/{id}/download/").status_code == 404


def test_a_stranger_sees_nothing(strangers_browser: Client, draw: Draw) -> None:
    generation = draw()
    assert strangers_browser.get(f"/gallery/{generation}/").status_code == 404
    assert strangers_browser.get(f"/gallery/{generation}/download/").status_code == 404
    assert strangers_browser.post(f"/gallery/{generation}/favourite/", {"on": "1"}).status_code == 404
    assert not Generation.objects.get().is_favourite


def test_it_takes_as_many_queries_however_many_images_there_are(
    browser: Client, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", 600)

    def queries(query: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(f"/gallery/{middle}/{query}")
        return len(captured)

    draw()
    middle = draw()
    draw()
    before = queries(""), queries("?q=lighthouse&source=api")
    for _ in range(8):
        draw()
    assert (queries(""), queries("?q=lighthouse&source=api")) == before
    assert before[0] <= 10
    assert before[1] == before[0]


# --- Receipt ----------------------------------------------------------------------------------------------------


def steps(client: Client, generation: Generation) -> list[str]:
    html = page(client, generation).partition('class="steps"')[2].partition("</ol>")[0]
    return [words_of(step).strip() for step in re.findall(r'"step-words">(.*?)</p>', html, re.DOTALL)]


def test_the_receipt_of_an_image(browser: Client, draw: Draw) -> None:
    generation = draw()
    expected = ["Credit set aside −1", "Sent to be drawn", "Image completed", "Credit spent"]
    assert steps(browser, generation) == expected
    html = page(browser, generation)
    assert "1 credit</p>" in html
    assert len(re.findall(r"\d{2}:\d{2}:\d{2} UTC", html)) == 4


def test_the_receipt_of_a_failure(browser: Client, draw: Draw) -> None:
    generation = draw(until="failed")
    assert steps(browser, generation) == ["Credit set aside −1", "Sent to be drawn", "Failed", "Credit returned +1"]
    html = page(browser, generation)
    assert "Nothing charged" in html
    assert 'step-why">The brush broke.' in html


def test_the_receipt_of_an_image_whose_credit_staff_returned(browser: Client, draw: Draw) -> None:
    generation = draw()
    books.give_back(reference=generation.credit_reference, cause="Six fingers")
    assert steps(browser, generation)[-1] == "Credit returned +1"
    html = page(browser, generation)
    assert "Six fingers" in html
    assert "Nothing charged" in html


def test_the_receipt_leads_to_the_line_in_the_credit_history_and_back(browser: Client, draw: Draw) -> None:
    generation = draw("first")
    draw("later")
    address = re.search(r'href="(/dashboard/billing/history/[^"]*)"', page(browser, generation))
    assert address
    lines = browser.get(address[1]).content.decode().partition("<tbody")[2]
    first = re.search(r'<th scope="row"[^>]*><a href="([^"]+)"', lines)
    assert first
    assert first[1] == f"/gallery/{generation}/"


# --- Download ---------------------------------------------------------------------------------------------------


def stored(generation: Generation, image: Image.Image, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format)
    extension = pictures.EXTENSIONS[format]
    Generation.objects.filter(pk=generation.pk).update(file_extension=extension)
    data = marks.stored(buffer.getvalue(), marks.mark_of(generation))
    default_storage.save(pictures.path_of(f"{generation.file_token}.{extension}"), ContentFile(data))
    return data


def download(client: Client, generation: Generation, format: str = "") -> Any:
    return client.get(f"/gallery/{generation}/download/", {"format": format} if format else {})


@pytest.mark.parametrize(("format", "type"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
@pytest.mark.parametrize("from_format", ["PNG", "JPEG", "WEBP"])
def test_every_format_comes_as_what_it_says(
    browser: Client, draw: Draw, images: None, format: str, type: str, from_format: str
) -> None:
    generation = draw()
    data = stored(generation, Image.new("RGB", (64, 48), "#336699"), from_format)
    response = download(browser, generation, format)
    assert response["Content-Type"] == f"image/{format}"
    assert response["Content-Length"] == str(len(response.content))
    with Image.open(io.BytesIO(response.content)) as image:
        assert (image.format, image.size) == (type, (64, 48))
        colour = image.convert("RGB").getpixel((20, 20))
    assert isinstance(colour, tuple)
    assert all(abs(have - want) < 8 for have, want in zip(colour, (0x33, 0x66, 0x99), strict=True))
    if type == from_format:
        assert response.content == data


def test_without_a_format_it_comes_as_it_is_stored(browser: Client, draw: Draw, images: None) -> None:
    generation = draw()
    data = stored(generation, Image.new("RGB", (64, 48)), "WEBP")
    response = download(browser, generation)
    assert response.content == data
    assert response["Content-Type"] == "image/webp"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_jpeg_has_white_where_there_was_nothing(browser: Client, draw: Draw, images: None, mode: str) -> None:
    generation = draw()
    stored(generation, Image.new("RGBA", (64, 48), (0, 0, 0, 0)).convert(mode))
    with Image.open(io.BytesIO(download(browser, generation, "jpeg").content)) as image:
        assert image.convert("RGB").getpixel((5, 5)) == (255, 255, 255)
    with Image.open(io.BytesIO(download(browser, generation, "webp").content)) as image:
        assert image.convert("RGBA").getchannel("A").getpixel((5, 5)) == 0


@pytest.mark.parametrize(
    ("prompt", "disposition"),
    [
        ("A red fox, in Snow!", 'attachment; filename="a-red-fox-in-snow-{id}.png"'),
        ("Café", "attachment; filename=\"cafe-{id}.png\"; filename*=UTF-8''caf%C3%A9-{id}.png"),
        ("赤い狐", "attachment; filename=\"{id}.png\"; filename*=UTF-8''%E8%B5%A4%E3%81%84%E7%8B%90-{id}.png"),
        ("🦊🦊", 'attachment; filename="{id}.png"'),
        ('"; filename="evil.exe\r\nX-Bad: 1', 'attachment; filename="filename-evil-exe-x-bad-1-{id}.png"'),
        ("Don't, don’t!", 'attachment; filename="dont-dont-{id}.png"'),
        ("हिन्दी", "attachment; filename=\"{id}.png\"; filename*=UTF-8''" + quote("हिन्दी") + "-{id}.png"),
        ("../../etc/passwd", 'attachment; filename="etc-passwd-{id}.png"'),
        ("word " * 700, 'attachment; filename="' + "word-" * 12 + '{id}.png"'),
    ],
)
def test_the_file_is_named_after_its_prompt(
    browser: Client, draw: Draw, images: None, prompt: str, disposition: str
) -> None:
    generation = draw(prompt)
    stored(generation, Image.new("RGB", (64, 48)))
    assert download(browser, generation)["Content-Disposition"] == disposition.format(id=generation.public_id[:8])


@pytest.mark.parametrize("format", ["gif", "PNG\x00", "x" * 5000, "../"])
def test_an_odd_format_is_refused(browser: Client, draw: Draw, format: str) -> None:
    assert download(browser, draw(), format).status_code == 400


def test_what_has_no_file_cannot_be_downloaded(browser: Client, draw: Draw, images: None) -> None:
    assert download(browser, draw(until="failed")).status_code == 404
    assert download(browser, draw(until="drawing")).status_code == 404
    assert download(browser, draw(), "jpeg").status_code == 404


def test_a_download_asks_a_stranger_to_log_in(client: Client, draw: Draw) -> None:
    address = f"/gallery/{draw()}/download/"
    assert client.get(address)["Location"] == f"/accounts/login/?next={address}"


def test_asking_for_the_headers_alone_is_fine(browser: Client, draw: Draw, images: None) -> None:
    generation = draw()
    data = stored(generation, Image.new("RGB", (64, 48)))
    response = browser.head(f"/gallery/{generation}/download/")
    assert response["Content-Length"] == str(len(data))
    file = browser.head(f"/images/{generation.file_name}")
    assert file.status_code == 200
    assert file["Cache-Control"] == "public, max-age=31536000, immutable"
    assert browser.head(f"/gallery/{generation}/").status_code == 200


class Easel:
    """Conversions that take until they are let go, and how many run at once."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.go = threading.Event()

    def convert(self, data: bytes, format: str, mark: marks.Mark, **how: Any) -> bytes:
        self.running += 1
        self.most = max(self.most, self.running)
        self.go.wait(200)
        self.running -= 1
        return data


@pytest.fixture
def easel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Easel]:
    easel = Easel()
    monkeypatch.setattr(pictures, "convert", easel.convert)
    downloads._turns.cache_clear()
    yield easel
    easel.go.set()
    downloads._turns.cache_clear()


async def opened(user: User) -> AsyncClient:
    client = AsyncClient()
    await client.aforce_login(user)
    return client


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


def test_one_person_has_two_conversions_at_most_and_hears_when_to_ask_again(
    alice: User, draw: Draw, images: None, easel: Easel
) -> None:
    generation = draw()
    stored(generation, Image.new("RGB", (64, 48)))

    async def ask() -> tuple[Any, Any, Any]:
        client = await opened(alice)
        address = f"/gallery/{generation}/download/?format=webp"
        begun = [asyncio.create_task(downloads.converted(generation, "webp")) for _ in range(2)]
        await until(lambda: easel.running == 2)
        refused = await client.get(address)
        original = await client.get(f"/gallery/{generation}/download/")
        easel.go.set()
        await asyncio.gather(*begun)
        return refused, original, await client.get(address)

    refused, original, later = asyncio.run(ask())
    assert refused.status_code == 429
    assert refused["Retry-After"] == "2"
    assert_well_made(refused.content.decode())
    assert "Try again in 2 seconds" in words_of(refused.content.decode())
    assert original.status_code == 200
    assert later.status_code == 200


def test_one_who_waits_behind_others_counts_too(
    alice: User, bob: User, draw: Draw, images: None, easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "CONVERSIONS_AT_ONCE", 1)
    generation = draw()
    stored(generation, Image.new("RGB", (64, 48)))
    theirs = Generation.objects.get(pk=generation.pk)
    theirs.wallet = ledger.wallet_of(bob.pk)

    async def ask() -> list[bool]:
        mine = [asyncio.create_task(downloads.converted(generation, "webp")) for _ in range(3)]
        await until(lambda: mine[2].done())
        stranger = asyncio.create_task(downloads.converted(theirs, "webp"))
        easel.go.set()
        answers = await asyncio.gather(*mine, stranger, return_exceptions=True)
        return [isinstance(answer, downloads.TooManyConversions) for answer in answers]

    assert asyncio.run(ask()) == [False, False, True, False]
    assert easel.most == 1


def test_a_conversion_that_fails_gives_its_place_back(browser: Client, draw: Draw, images: None) -> None:
    generation = draw()
    assert [download(browser, generation, "webp").status_code for _ in range(4)] == [404] * 4


def test_whoever_hangs_up_keeps_their_place_until_the_work_is_done(draw: Draw, images: None, easel: Easel) -> None:
    generation = draw()
    stored(generation, Image.new("RGB", (64, 48)))

    async def ask() -> None:
        begun = [asyncio.create_task(downloads.converted(generation, "webp")) for _ in range(2)]
        await until(lambda: easel.running == 2)
        for task in begun:
            task.cancel()
        await asyncio.sleep(0)
        with pytest.raises(downloads.TooManyConversions):
            await downloads.converted(generation, "webp")
        easel.go.set()
        await asyncio.wait(begun)
        assert all(task.cancelled() for task in begun)
        assert await downloads.converted(generation, "webp")

    asyncio.run(ask())


def test_whoever_hangs_up_while_waiting_gives_their_place_back_at_once(
    draw: Draw, images: None, easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "CONVERSIONS_AT_ONCE", 1)
    generation = draw()
    stored(generation, Image.new("RGB", (64, 48)))

    async def ask() -> None:
        running, waiting = (asyncio.create_task(downloads.converted(generation, "webp")) for _ in range(2))
        await until(lambda: easel.running == 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        again = asyncio.create_task(downloads.converted(generation, "webp"))
        easel.go.set()
        assert await running
        assert await again

    asyncio.run(ask())


# --- Favourite --------------------------------------------------------------------------------------------------


def heart(client: Client, generation: Generation, on: str, **headers: str) -> Any:
    return client.post(f"/gallery/{generation}/favourite/", {"on": on}, headers=headers)


def test_the_heart_sends_what_is_wanted(browser: Client, draw: Draw) -> None:
    generation = draw()
    for _ in range(2):
        html = heart(browser, generation, "1", **{"HX-Request": "true"}).content.decode()
        assert Generation.objects.get().is_favourite
        assert 'aria-pressed="true"' in html
        assert 'name="on" value="0"' in html
    html = heart(browser, generation, "0", **{"HX-Request": "true"}).content.decode()
    assert not Generation.objects.get().is_favourite
    assert 'aria-pressed="false"' in html


def test_the_page_hears_of_it(browser: Client, draw: Draw) -> None:
    generation = draw()
    response = heart(browser, generation, "1", **{"HX-Request": "true"})
    assert response["HX-Trigger"] == f'{{"favourite": {{"id": "{generation}", "on": true}}}}'


@pytest.mark.parametrize(
    ("referrer", "target"),
    [
        ("http://testserver/gallery/?q=fox", "http://testserver/gallery/?q=fox"),
        ("https://evil.example/", "/gallery/{id}/"),
        ("javascript:alert(1)", "/gallery/{id}/"),
        ("", "/gallery/{id}/"),
    ],
)
def test_without_a_script_it_leads_back(browser: Client, draw: Draw, referrer: str, target: str) -> None:
    generation = draw()
    response = heart(browser, generation, "1", Referer=referrer)
    assert response["Location"] == target.format(id=generation)


@pytest.mark.parametrize("on", ["", "2", "true", "1\x00", "1" * 10_000])
def test_an_odd_wish_is_refused(browser: Client, draw: Draw, on: str) -> None:
    generation = draw()
    assert heart(browser, generation, on).status_code == 400
    assert not Generation.objects.get().is_favourite


def test_a_deleted_image_is_no_favourite_any_more(browser: Client, draw: Draw) -> None:
    generation = draw()
    Generation.objects.update(deleted_at=timezone.now())
    assert heart(browser, generation, "1").status_code == 404
