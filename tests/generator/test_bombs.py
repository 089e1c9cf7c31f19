"""What is small on the wire and large in memory: none of it takes a worker's memory, whatever unpacks it.

Measured as an operator would see it, as the resident memory of a process of its own.
"""

import gzip
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from generator.errors import BadImage
from generator.files import images
from sandbox.spoiled import bomb
from tests import ROOT
from tests.generator.conftest import CannedServer, Reply

UNPACKED = 512 * 1024 * 1024  # bytes
MOST_MIB = 96  # that a process may grow by: several times what an image of some megabytes takes
UPSTREAM = """
import asyncio, resource, sys, django
django.setup()
from generator.upstreams.dialect import Order
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def ask(base):
    client = ReveArt(Access(base, "key"))
    for name, call in {
        "direct": lambda: client.download("/direct"),
        "redirect": lambda: client.download("/redirect"),
        "submit": lambda: client.submit(Order("a")),
        "status": lambda: client.poll("up_1"),
        "endless": lambda: client.download("/endless"),
        "headers": lambda: client.download("/headers"),
    }.items():
        before = peak()
        try:
            said = repr(await call())
        except Exception as error:
            said = repr(error)
        print(name, peak() - before, said, sep="|")

asyncio.run(ask(sys.argv[1]))
"""
DECODER = """
import resource, sys, django
from pathlib import Path
django.setup()
from generator.errors import BadImage
from generator.files import images

for path in sorted(Path(sys.argv[1]).iterdir()):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    try:
        said = repr(images.verify(path.read_bytes()))
    except BadImage as error:
        said = repr(error)
    print(path.name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 - before, said, sep="|")
"""


def grown(program: str, argument: str) -> dict[str, tuple[int, str]]:
    """Return by how many MiB each step of `program` made its process grow, and what it said."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "reveweb.settings"}
    command = [sys.executable, "-c", program, argument]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=250)
    lines = [line.split("|", 2) for line in done.stdout.splitlines()]
    return {name: (int(mib), said) for name, mib, said in lines}


def packed(size: int) -> bytes:
    """Return `size` zeros, packed."""
    packer, block = zlib.compressobj(9, wbits=31), bytes(1024 * 1024)
    return b"".join([*(packer.compress(block) for _ in range(size // len(block))), packer.flush()])


@pytest.fixture(scope="module")
def kilobyte() -> bytes:
    """A kilobyte that unpacks to half a gigabyte, in two steps."""
    data = gzip.compress(packed(UNPACKED))
    assert len(data) < 2048
    return data


def test_nothing_that_an_upstream_sends_is_unpacked(server: CannedServer, kilobyte: bytes) -> None:
    twice = {"Content-Encoding": "gzip, gzip"}
    server.replies |= {
        "/direct": Reply(body=kilobyte, headers={"Content-Type": "image/png", **twice}),
        "/redirect": Reply(302, body=kilobyte, headers={"Location": "/direct", **twice}),
        "/v1/reve-image/generate": Reply(body=kilobyte, headers=twice),
        "/v1/reve-image/status/up_1": Reply(500, body=kilobyte, headers=twice),
        "/endless": Reply(body=bytes(80 * 1024 * 1024), chunked=True),
        "/headers": Reply(headers={f"X-{number}": "x" * 8000 for number in range(2000)}),
    }
    found = grown(UPSTREAM, server.url)
    assert sum(mib for mib, _ in found.values()) < MOST_MIB, found
    assert {name: said.partition("(")[0] for name, (_, said) in found.items()} == {
        "direct": "BadImage",
        "redirect": "BadImage",
        "submit": "Unclear",
        "status": "Unclear",
        "endless": "BadImage",
        "headers": "ImageUnreachable",
    }
    assert "packed, as gzip in gzip" in found["direct"][1]


# --- What is in an image ---------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks: bytes) -> bytes:
    """Return a small PNG with more chunks before its pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (30, 60, 90)).save(buffer, "PNG")
    png = buffer.getvalue()
    at = png.index(b"IDAT") - 4
    return png[:at] + b"".join(chunks) + png[at:]


def wide_webp(*, frames: bool) -> bytes:
    """Return a WebP of some hundred bytes whose canvas is as large as the format has it."""
    buffer = io.BytesIO()
    small = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    small[0].save(
        buffer, "WEBP", save_all=frames, append_images=small[1:] if frames else [], exif=b"Exif\0\0II*\0" + bytes(9)
    )
    data = bytearray(buffer.getvalue())
    at = data.index(b"VP8X") + 12
    data[at : at + 6] = (16_382).to_bytes(3, "little") * 2
    return bytes(data)


def test_nothing_in_an_image_is_unpacked_without_limit(tmp_path: Path) -> None:
    zeros = zlib.compress(bytes(256 * 1024 * 1024), 9)
    many = zlib.compress(bytes(1024 * 1024), 9)
    for name, data in {
        "pixels.png": bomb(),
        "text.png": with_chunks(chunk(b"zTXt", b"key\0\0" + zeros)),
        "texts.png": with_chunks(*(chunk(b"zTXt", b"key%d\0\0" % at + many) for at in range(1000))),
        "international.png": with_chunks(chunk(b"iTXt", b"key\0\1\0\0\0" + zeros)),
        "profile.png": with_chunks(chunk(b"iCCP", b"key\0\0" + zeros)),
        "wide.webp": wide_webp(frames=False),
        "frames.webp": wide_webp(frames=True),
    }.items():
        (tmp_path / name).write_bytes(data)
    found = grown(DECODER, str(tmp_path))
    assert len(found) == 7
    assert sum(mib for mib, _ in found.values()) < 2 * MOST_MIB, found


def frames_of(count: int) -> Iterator[Image.Image]:
    return (Image.effect_noise((64, 64), 90).convert("RGB") for _ in range(count))


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_of_an_image_with_many_frames_only_the_first_is_decoded(format: str) -> None:
    buffer = io.BytesIO()
    first, *others = frames_of(20)
    first.save(buffer, format, save_all=True, append_images=others)
    whole, one = buffer.getvalue(), images.verify(buffer.getvalue())
    assert (one.width, one.height, one.size) == (64, 64, len(whole))
    broken = whole[: len(whole) * 3 // 4]  # in a later frame
    try:
        images.verify(broken)
    except BadImage:
        assert format == "WEBP"  # whose head names the length of all
