"""What the drivers in Python have in common: rows by name, what is known of the site, and words for what came.

Nothing but the standard library: each driver runs in the environment of its client.
"""

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

AT_ONCE = 4
ROWS: dict[tuple[str, str], Callable[[], str]] = {}
FACTS = SimpleNamespace(**json.loads(sys.argv[1]))


def row(call: str, case: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Make a function that tells what came of a call a row of the table."""

    def note(function: Callable[[], str]) -> Callable[[], str]:
        assert (call, case) not in ROWS, (call, case)
        ROWS[call, case] = function
        return function

    return note


def main(version: str) -> None:
    """Do all rows, some at a time, and print what each tells, a line of JSON each."""
    print(json.dumps({"version": version}), flush=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for (call, case), told in zip(ROWS, pool.map(_told, ROWS.values()), strict=True):
            print(json.dumps({"call": call, "case": case, "told": told}), flush=True)


def _told(function: Callable[[], str]) -> str:
    try:
        return function()
    except Exception:
        return traceback.format_exc()


def picture(data: bytes) -> str:
    """Return the format and size of an image, such as "PNG 1248x832"."""
    if data.startswith(b"\x89PNG"):
        return f"PNG {int.from_bytes(data[16:20])}x{int.from_bytes(data[20:24])}"
    if data.startswith(b"\xff\xd8"):
        return f"JPEG {_size_of_jpeg(data)}"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return f"WebP {_size_of_webp(data)}"
    return f"no image: {data[:200]!r}"


def _size_of_jpeg(data: bytes) -> str:
    at = 2
    while True:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = int.from_bytes(data[at + 5 : at + 7]), int.from_bytes(data[at + 7 : at + 9])
            return f"{width}x{height}"
        at += 2 + length


def _size_of_webp(data: bytes) -> str:
    for kind, body in _chunks(data):
        if kind == b"VP8X":
            width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
            return f"{width}x{height}"
        if kind == b"VP8 ":
            width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
            return f"{width}x{height}"
    return "of no size"


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
