"""Files in S3 are sent as local ones are: conditionally, in parts, and never whole in memory; or by S3 itself."""

import asyncio
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from botocore.credentials import Credentials
from django.http import HttpResponseBase
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.models import User
from generator.files import images
from generator.library import sharing
from generator.models import Generation
from kit.http import signed
from reveweb.personal.models import PersonalTask
from tests.reveweb.test_settings import manage
from tests.streams import pieces_of

TOKEN = "0123456789abcdefABCDEF0123456789"
PATH = f"/images/{TOKEN}.png"
DATA = os.urandom(24 * 1024 * 1024)


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as it takes to read one object."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool = False) -> None:
        if not self.path.partition("?")[0].endswith(images.path_of(f"{TOKEN}.png")):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = 0, len(DATA)
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(end, int(last) + 1) if last else end
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", '"of-the-bucket"')
        self.send_header("Last-Modified", "Sun, 01 Feb 2026 10:00:00 GMT")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(DATA)}")
        for name, value in parse_qsl(self.path.partition("?")[2]):
            if name.startswith("response-"):
                self.send_header(name.removeprefix("response-"), value)
        self.end_headers()
        if with_body:
            self.wfile.write(memoryview(DATA)[start:end])

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def bucket(settings: Any) -> Iterator[str]:
    """The address of an S3 that has one large image, from which this site serves."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    options = {
        "bucket_name": "pictures",
        "endpoint_url": address,
        "region_name": "eu-central-1",
        "access_key": "key",
        "secret_key": "secret",
        "location": "images",
    }
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options},
    }
    yield address
    server.shutdown()
    server.server_close()


MEASURE = f"""
import asyncio, tracemalloc
from django.test import AsyncClient

async def size():
    response = await AsyncClient().get("{PATH}")
    return sum([len(piece) async for piece in response.streaming_content])

asyncio.run(size())  # the client's own modules take some, once
tracemalloc.start()
print(asyncio.run(size()), tracemalloc.get_traced_memory()[1])
"""


def fetched(path: str = PATH, **headers: str) -> tuple[HttpResponseBase, int, bytes]:
    """Return the answer, how many bytes came, and the first of them."""

    async def read() -> tuple[Any, int, bytes]:
        response = await AsyncClient().get(path, headers=headers)
        if not response.streaming:
            return response, len(response.content), response.content[:100]
        size, beginning = 0, b""
        async for piece in pieces_of(response):
            size, beginning = size + len(piece), beginning or piece[:100]
        return response, size, beginning

    return asyncio.run(read())


def test_a_large_image_is_sent_without_being_in_memory(bucket: str) -> None:
    names = {"S3_BUCKET": "pictures", "S3_ENDPOINT_URL": bucket, "S3_REGION": "eu-central-1"}
    asked = manage("shell", "-v0", "-c", MEASURE, **names, S3_ACCESS_KEY="key", S3_SECRET_KEY="secret")
    size, peak = map(int, asked.stdout.split()) if asked.stdout else pytest.fail(asked.stderr)
    assert size == len(DATA)
    assert peak < len(DATA) / 2


def test_a_part_of_it_and_what_a_browser_has() -> None:
    response, size, beginning = fetched(Range="bytes=1000-")
    assert (response.status_code, size, beginning) == (206, len(DATA) - 1000, DATA[1000:1100])
    known, size, _ = fetched(**{"If-None-Match": response["ETag"]})
    assert (known.status_code, size) == (304, 0)


def test_what_the_bucket_does_not_have_is_not_found() -> None:
    assert fetched(f"/images/{'x' * 32}.png")[0].status_code == 404


ROLE = Credentials("key", "secret", "token")


@pytest.fixture
def drawn(generation: Generation) -> Generation:
    """A completed image of Alice's, which the bucket has."""
    fields = {
        "status": Generation.Status.COMPLETED,
        "file_token": TOKEN,
        "file_extension": "png",
        "width": 64,
        "height": 64,
    }
    Generation.objects.filter(pk=generation.pk).update(**fields, finished_at=timezone.now())
    generation.refresh_from_db()
    return generation


# --- S3_REDIRECT -----------------------------------------------------------------------------------------------


@pytest.fixture
def redirects(settings: Any) -> Iterator[None]:
    """The bucket sends files itself."""
    settings.S3_REDIRECT = True
    for name in ("default", "private"):
        images = settings.STORAGES["default"]
        options = {**images["OPTIONS"], "signature_version": "s3v4"}
        settings.STORAGES = {**settings.STORAGES, name: {**images, "OPTIONS": options}}
    signed.origin.cache_clear()
    yield
    signed.origin.cache_clear()


def signature(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@pytest.mark.usefixtures("redirects")
def test_an_image_is_sent_by_the_bucket(bucket: str) -> None:
    response, size, _ = fetched()
    address = response["Location"]
    assert (response.status_code, size) == (302, 0)
    assert address.startswith(f"{bucket}/pictures/images/01/{TOKEN}.png?")
    assert signature(address)["X-Amz-Expires"] == "3600"
    assert response["Cache-Control"] == "private, max-age=1800"  # never longer than the signature holds
    assert {"origin", "sec-fetch-mode"} <= {name.strip().lower() for name in response["Vary"].split(",")}
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    sent = httpx.get(address, headers={"Range": "bytes=1000-1999"}, trust_env=False)
    assert (sent.status_code, sent.content) == (206, DATA[1000:2000])
    assert sent.headers["Content-Type"] == "image/png"
    assert sent.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.usefixtures("redirects")
@pytest.mark.parametrize("reader", [{"Origin": "https://app.example.com"}, {"Sec-Fetch-Mode": "cors"}])
def test_a_script_that_reads_an_image_gets_the_bytes_from_here(reader: dict[str, str]) -> None:
    response, size, _ = fetched(**reader)
    assert (response.status_code, size) == (200, len(DATA))


@pytest.mark.usefixtures("redirects")
def test_a_thumbnail_that_is_still_to_be_made_is_not_looked_for_in_the_bucket(
    generation: Generation, client: Client
) -> None:
    found = Generation.objects.filter(pk=generation.pk)
    found.update(status="completed", file_token=TOKEN, file_extension="png", needs_thumbnails=True)
    thumbnail = PATH.replace(".png", "_480.webp")
    response = client.get(thumbnail)
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")

    async def size() -> int:
        return sum([len(piece) async for piece in pieces_of(response)])

    assert asyncio.run(size()) == len(DATA)
    found.update(needs_thumbnails=False)
    assert client.get(thumbnail).status_code == 302


@pytest.mark.usefixtures("redirects")
def test_asking_for_the_headers_alone_is_answered_here() -> None:
    response = asyncio.run(AsyncClient().head(PATH))
    assert (response.status_code, response["Content-Length"]) == (200, str(len(DATA)))


@pytest.mark.usefixtures("redirects")
def test_a_cdn_is_given_the_bytes_to_keep(settings: Any) -> None:
    settings.IMAGE_BASE_URL = "https://cdn.example.com"
    response, size, _ = fetched()
    assert (response.status_code, size) == (200, len(DATA))
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.usefixtures("redirects")
def test_what_a_role_signed_is_not_kept_longer_than_its_keys_hold(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_S3_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_S3_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    images = settings.STORAGES["default"]
    options = {**images["OPTIONS"], "access_key": None, "secret_key": None}
    settings.STORAGES = {**settings.STORAGES, "default": {**images, "OPTIONS": options}}
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda self, **_: ROLE)
    response, _, _ = fetched()
    assert signature(response["Location"])["X-Amz-Expires"] == "600"
    assert response["Cache-Control"] == "private, max-age=300"


@pytest.mark.usefixtures("redirects")
def test_pages_may_show_what_the_bucket_sends_and_only_then(
    client: Client, db: None, settings: Any, bucket: str
) -> None:
    page = client.get("/")
    assert f"img-src 'self' data: {bucket};" in page["Content-Security-Policy"] + ";"
    settings.S3_REDIRECT = False
    signed.origin.cache_clear()
    assert bucket not in client.get("/")["Content-Security-Policy"]


@pytest.mark.usefixtures("redirects")
@pytest.mark.parametrize(
    ("endpoint", "region", "origin"),
    [
        (None, "eu-central-1", "https://pictures.s3.amazonaws.com"),
        ("https://account.r2.cloudflarestorage.com", "auto", "https://account.r2.cloudflarestorage.com"),
        ("https://minio.example.com:9000", "us-east-1", "https://minio.example.com:9000"),
    ],
)
def test_the_policy_names_the_host_that_is_signed(
    endpoint: str | None, region: str, origin: str, settings: Any
) -> None:
    images = settings.STORAGES["default"]
    options = {**images["OPTIONS"], "endpoint_url": endpoint, "region_name": region}
    settings.STORAGES = {**settings.STORAGES, "default": {**images, "OPTIONS": options}}
    assert signed.origin() == origin
    assert fetched()[0]["Location"].startswith(origin + "/")


@pytest.mark.usefixtures("redirects")
def test_ones_own_download_comes_from_the_bucket_under_its_name(client: Client, drawn: Generation, bob: User) -> None:
    path = f"/gallery/{drawn.public_id}/download/"
    assert client.get(path)["Location"].startswith("/accounts/login/")
    client.force_login(bob)
    assert client.get(path).status_code == 404
    client.force_login(drawn.wallet.user)
    address = client.get(path)["Location"]
    assert signature(address)["X-Amz-Expires"] == "60"
    sent = httpx.get(address, trust_env=False)
    assert sent.headers["Content-Disposition"].startswith('attachment; filename="a-lighthouse-')
    assert sent.headers["Content-Type"] == "image/png"
    assert sent.content == DATA
    assert client.head(path)["Content-Length"] == str(len(DATA))


@pytest.mark.usefixtures("redirects")
def test_what_strangers_see_never_names_the_file(drawn: Generation) -> None:
    sharing.share(drawn)
    for path in (f"/shared/{drawn.share_token}/image.png", f"/s/{drawn.share_token}/download/"):
        response, size, _ = fetched(path)
        assert (response.status_code, size) == (200, len(DATA))
        assert TOKEN not in str(response.headers)


@pytest.mark.usefixtures("redirects")
def test_an_export_comes_from_the_bucket_and_only_to_its_owner(client: Client, alice: User, bob: User) -> None:
    task = PersonalTask.objects.create(
        user=alice,
        kind=PersonalTask.Kind.EXPORT,
        state=PersonalTask.State.DONE,
        token="t" * 22,
        due_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=1),
        file_size=5,
    )
    path = f"/account/data/export/{task.token}/"
    client.force_login(bob)
    assert client.get(path).status_code == 404
    client.force_login(alice)
    found = client.get(path)
    assert (found.status_code, urlsplit(found["Location"]).path.rpartition("/")[2]) == (302, Path(task.file_path).name)
    asked = signature(found["Location"])
    assert (asked["X-Amz-Expires"], asked["response-content-type"]) == ("60", "application/zip")
    assert asked["response-content-disposition"].startswith('attachment; filename="export-')
    assert "no-store" in found["Cache-Control"]


def test_a_site_on_https_sends_nobody_to_plain_http() -> None:
    names = {"S3_BUCKET": "pictures", "S3_ENDPOINT_URL": "http://10.0.0.5:9000", "S3_REDIRECT": "1"}
    asked = manage("check", **names, PUBLIC_URL="https://images.example.com")
    assert asked.returncode == 1
    assert asked.stderr.startswith("reveweb: S3_REDIRECT")
