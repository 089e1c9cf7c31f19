"""The address that an image is served from: for everybody who knows it, for ever, and nothing else."""

import io

import pytest
from django.test import Client
from PIL import Image

from generator import images as stored_images
from tests.api.answers import assert_json
from tests.conftest import Api
from tests.driver import working

pytestmark = pytest.mark.usefixtures("images")

TOKEN = "0123456789abcdefABCDEF0123456789"


def png(size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (30, 60, 90)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def url() -> str:
    """The path of a stored image."""
    stored_images.store(png(), TOKEN)
    return f"/images/{TOKEN}.png"


@pytest.mark.services
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("ratio", ["16:9", "2:3"])
def test_an_images_size_is_that_of_the_file_that_is_served(api: Api, ratio: str) -> None:
    with working():
        body = assert_json(api.post({"prompt": "a lighthouse", "aspect_ratio": ratio}))
    response = Client().get(body["url"].removeprefix("http://testserver"))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    image = Image.open(io.BytesIO(response.content))
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


@pytest.mark.parametrize("side", stored_images.THUMBNAIL_SIDES)
def test_thumbnails_are_served_alike(client: Client, url: str, side: int) -> None:
    response = client.get(url.replace(".png", f"_{side}.webp"))
    assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
    assert "immutable" in response["Cache-Control"]


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
