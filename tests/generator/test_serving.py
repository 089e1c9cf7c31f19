"""Files that lie in S3 are sent as local ones are: conditionally, in parts, and never whole in memory."""

import asyncio
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import AsyncClient

from generator.files import images
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
