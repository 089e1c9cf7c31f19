"""The address that an image is served from: for everybody who knows it, for ever, and nothing else."""

import asyncio
import io
import os

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import AsyncClient, Client
from PIL import Image

from generator.files import images
from generator.models import Generation
from kit.http import parts
from tests.api.answers import assert_json
from tests.conftest import Api
from tests.driver import working
from tests.streams import pieces_of

pytestmark = pytest.mark.usefixtures("images")

TOKEN = "0123456789abcdefABCDEF0123456789"


def png(size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (30, 60, 90)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def url() -> str:
    """The path of a stored image."""
    images.store(png(), TOKEN)
    images.keep_thumbnails(TOKEN, images.thumbnails(png()))
    return f"/images/{TOKEN}.png"


def fetched(path: str, **headers: str) -> bytes:
    """Return what an asynchronous server sends for `path`, also when it sends it in pieces."""

    async def read() -> bytes:
        response = await AsyncClient().get(path, headers=headers)
        assert response.status_code in (200, 206)
        if not response.streaming:
            return bytes(response.content)
        return b"".join([piece async for piece in pieces_of(response)])

    return asyncio.run(read())


@pytest.mark.services
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("ratio", ["16:9", "2:3"])
def test_an_images_size_is_that_of_the_file_that_is_served(api: Api, ratio: str) -> None:
    with working():
        body = assert_json(api.post({"prompt": "a lighthouse", "aspect_ratio": ratio}))
    image = Image.open(io.BytesIO(fetched(body["url"].removeprefix("http://testserver"))))
    assert image.format == "PNG"
    image.load()
    assert image.size == (body["metadata"]["width"], body["metadata"]["height"])


def test_an_image_needs_no_key_and_is_served_byte_for_byte(client: Client, url: str) -> None:
    response = client.get(url)
    assert response.status_code == 200
    assert response.content == png()
    assert response["Content-Type"] == "image/png"
    assert response["Content-Length"] == str(len(png()))


def test_an_image_can_be_kept_for_ever(client: Client, url: str) -> None:
    response = client.get(url)
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["ETag"].strip('"')
    assert "Cookie" not in response.get("Vary", "")
    assert not response.cookies


def test_an_image_that_the_caller_has_is_not_sent_again(client: Client, url: str) -> None:
    etag = client.get(url)["ETag"]
    response = client.get(url, headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert response["ETag"] == etag
    assert "immutable" in response["Cache-Control"]
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_an_image_is_never_taken_for_a_page(client: Client, url: str) -> None:
    response = client.get(url)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


def test_any_page_may_show_and_read_an_image(client: Client, url: str) -> None:
    response = client.get(url, headers={"Origin": "https://app.example.com"})
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize("side", images.THUMBNAIL_SIDES)
def test_thumbnails_are_served_alike(client: Client, url: str, side: int) -> None:
    response = client.get(url.replace(".png", f"_{side}.webp"))
    assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
    assert "immutable" in response["Cache-Control"]


@pytest.mark.parametrize("side", images.THUMBNAIL_SIDES)
def test_the_original_stands_in_for_thumbnails_until_they_are_made(
    client: Client, url: str, generation: Generation, side: int
) -> None:
    thumbnail = url.replace(".png", f"_{side}.webp")
    default_storage.delete(images.thumbnail_name(TOKEN, side))
    found = Generation.objects.filter(pk=generation.pk)
    found.update(status="completed", file_token=TOKEN, file_extension="png", needs_thumbnails=True)
    response = client.get(thumbnail)
    assert (response.content, response["Content-Type"]) == (png(), "image/png")
    assert response["Cache-Control"] == "no-store"
    found.update(needs_thumbnails=False)
    assert client.get(thumbnail).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        f"{TOKEN[:-1]}x.png",
        f"{TOKEN}.jpg",
        f"{TOKEN}.PNG",
        f"{TOKEN}.png.html",
        f"{TOKEN}.svg",
        f"{TOKEN}",
        f"{TOKEN}.",
        f"{TOKEN}_100.webp",
        f"{TOKEN}.png%00",
        f"{TOKEN}.png%0a",
        f"{TOKEN[:2]}/{TOKEN}.png",
        f"{TOKEN[:2]}%2F{TOKEN}.png",
        "",
        "..",
        "../../etc/passwd",
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%5c..%5cetc%5cpasswd",
        "%2Fetc%2Fpasswd",
        "x" * 3000,
        "%ff%fe.png",
    ],
)
def test_no_other_file_is_served(client: Client, url: str, name: str) -> None:
    response = client.get(f"/images/{name}")
    assert response.status_code == 404
    assert b"root:" not in response.content
    assert "immutable" not in response.get("Cache-Control", "")


def test_a_file_of_the_storage_that_is_no_image_of_ours_is_not_served(client: Client) -> None:
    default_storage.save(images.path_of("passport.png"), ContentFile(png()))
    assert client.get("/images/passport.png").status_code == 404


def test_the_folder_cannot_be_listed(client: Client, url: str) -> None:
    for path in ("/images/", f"/images/{TOKEN[:2]}/", f"/images/{TOKEN[:2]}"):
        response = client.get(path)
        assert response.status_code == 404
        assert TOKEN.encode() not in response.content


@pytest.mark.parametrize("condition", ["W/{}", '"other", {}', "*"])
def test_every_form_of_if_none_match_is_understood(client: Client, url: str, condition: str) -> None:
    etag = client.get(url)["ETag"]
    assert client.get(url, headers={"If-None-Match": condition.format(etag)}).status_code == 304


def test_it_is_only_read(client: Client, url: str) -> None:
    assert client.post(url).status_code == 405
    assert client.head(url).status_code == 200


# --- Large files and parts of them ------------------------------------------------------------------------------


@pytest.fixture
def large() -> tuple[str, bytes]:
    """The path of a stored file of some pieces, and its bytes."""
    data = os.urandom(3 * parts.PIECE + 17)
    default_storage.save(images.path_of(f"{TOKEN}.png"), ContentFile(data))
    return f"/images/{TOKEN}.png", data


def test_a_large_file_comes_whole_and_a_piece_at_a_time(large: tuple[str, bytes]) -> None:
    path, data = large

    async def read() -> list[int]:
        response = await AsyncClient().get(path)
        assert response["Content-Length"] == str(len(data))
        pieces = [piece async for piece in pieces_of(response)]
        assert b"".join(pieces) == data
        return [len(piece) for piece in pieces]

    assert max(asyncio.run(read())) == parts.PIECE


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, None),
        ("bytes=-7", -7, None),
        ("bytes=5-99999999999", 5, None),
        ("bytes=-99999999999", 0, None),
        ("bytes=100-500000", 100, 500_001),
    ],
)
def test_a_part_is_sent_to_whoever_asks_for_one(
    client: Client, large: tuple[str, bytes], wanted: str, start: int, end: int | None
) -> None:
    path, data = large
    assert fetched(path, Range=wanted) == data[start:end]
    head = client.get(path, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head["Content-Range"], head["Content-Length"]) == (206, f"bytes 0-9/{len(data)}", "10")


def test_a_part_behind_the_end_is_refused(client: Client, large: tuple[str, bytes]) -> None:
    path, data = large
    response = client.get(path, headers={"Range": f"bytes={len(data)}-"})
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{len(data)}")


@pytest.mark.parametrize("wanted", ["bytes=9-5", "bytes=-", "bytes=0-1,4-5", "lines=0-1", "bytes=x-", "0-1"])
def test_an_odd_range_gets_the_whole(large: tuple[str, bytes], wanted: str) -> None:
    path, data = large
    assert fetched(path, Range=wanted) == data


def test_a_part_of_another_file_is_not_added_to_this_one(client: Client, large: tuple[str, bytes]) -> None:
    path, data = large
    etag = client.head(path)["ETag"]
    assert fetched(path, **{"Range": "bytes=0-9", "If-Range": etag}) == data[:10]
    assert fetched(path, **{"Range": "bytes=0-9", "If-Range": '"another"'}) == data


def test_asking_for_the_head_reads_nothing(
    client: Client, large: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = large
    monkeypatch.setattr(parts, "pieces", None)
    response = client.head(path)
    assert (response.content, response["Content-Length"], response["Accept-Ranges"]) == (b"", str(len(data)), "bytes")
