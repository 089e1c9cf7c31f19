"""What /cdn/ serves: the drawing, or the broken thing a failure mode asks for."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator, Callable

from PIL import Image
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from sandbox.failures import Mode
from sandbox.pauses import Pauses

HUGE_BYTES = 64 * 1024 * 1024
STALL_SECONDS = 60.0
BOMB_SIDE = 30_000
NOWHERE = "http://127.0.0.1:1/"


def serve(png: bytes, mode: Mode | None, pauses: Pauses, *, slow_seconds: float) -> Response:
    """Return the response for an image whose healthy bytes are `png`; a slow one takes `slow_seconds`."""
    if mode is Mode.HUGE:
        return StreamingResponse(_endless(png), media_type="image/png")
    if mode in (Mode.SLOW_IMAGE, Mode.STALLED_IMAGE):
        pieces = _trickle(png, pauses, slow_seconds) if mode is Mode.SLOW_IMAGE else _stall(png, pauses)
        return StreamingResponse(pieces, media_type="image/png", headers={"Content-Length": str(len(png))})
    if mode is Mode.HTML:
        return HTMLResponse("<!doctype html><title>Image</title><p>This is not the image you are looking for.")
    if mode is Mode.PRIVATE_REDIRECT:
        return RedirectResponse(NOWHERE, 302)
    if mode in _TRANSFORMS:
        transform, media_type = _TRANSFORMS[mode]
        return Response(transform(png), media_type=media_type)
    return Response(png, media_type="image/png", headers={"Cache-Control": "public, max-age=31536000, immutable"})


def spoil(png: bytes, mode: Mode | None) -> bytes:
    """Return the file that a mode makes of `png`, for APIs whose answer has the picture in it."""
    return _TRANSFORMS[mode][0](png) if mode in _TRANSFORMS else png


def bomb(side: int = BOMB_SIDE) -> bytes:
    """Return a PNG file of about a hundred bytes whose header claims `side` × `side` RGB pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1024), 9)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _half(png: bytes) -> bytes:
    return png[: len(png) // 2]


def _converted(form: str) -> Callable[[bytes], bytes]:
    def convert(png: bytes) -> bytes:
        out = io.BytesIO()
        with Image.open(io.BytesIO(png)) as image:
            image.save(out, form)
        return out.getvalue()

    return convert


_TRANSFORMS: dict[Mode | None, tuple[Callable[[bytes], bytes], str]] = {
    Mode.TRUNCATED: (_half, "image/png"),
    Mode.BOMB: (lambda _: bomb(), "image/png"),
    Mode.WRONG_TYPE: (_converted("GIF"), "image/png"),
    Mode.JPEG: (_converted("JPEG"), "image/jpeg"),
    Mode.WEBP: (_converted("WEBP"), "image/webp"),
}


async def _endless(png: bytes) -> AsyncIterator[bytes]:
    yield png
    padding = bytes(64 * 1024)
    for _ in range(HUGE_BYTES // len(padding)):
        yield padding


async def _trickle(png: bytes, pauses: Pauses, seconds: float) -> AsyncIterator[bytes]:
    pieces = 40
    size = -(-len(png) // pieces)
    for start in range(0, len(png), size):
        if pauses.closing:
            return
        yield png[start : start + size]
        await pauses.sleep(seconds / pieces)


async def _stall(png: bytes, pauses: Pauses) -> AsyncIterator[bytes]:
    yield _half(png)
    await pauses.sleep(STALL_SECONDS)
