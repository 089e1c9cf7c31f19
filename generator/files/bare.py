"""A picture's file with nothing in it but the picture: what people bring may say where they live.

`plain` takes out the words that it knows and leaves the rest; here all goes but what decoders need, and what lies
behind the picture's end (second pictures, films) as well. A file that cannot be taken apart, or that has to be turned,
is made anew.
"""

import re
import struct
from collections.abc import Iterator

from generator.files import images

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_PICTURE = set(b"IHDR PLTE tRNS IDAT IEND cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD pHYs".split())
_JPEG = b"\xff\xd8"
_APP0, _APP2, _APP14, _APPS = 0xE0, 0xE2, 0xEE, range(0xE0, 0xF0)
_COMMENT, _SCAN, _END = 0xFE, 0xDA, 0xD9
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker that is neither a stuffed byte nor a restart
_WEBP_PICTURE = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP"}
_WEBP_FILM = {b"ANIM", b"ANMF"}
_WEBP_FLAGS = 0x20 | 0x10  # a profile, transparency


def bare(data: bytes) -> tuple[bytes, images.StoredImage]:
    """Return a picture's file, upright and without anything else in it, and what it is. Raises BadImage."""
    image = images.verify(data)
    try:
        kept = None if image.is_turned else _PARTS[image.extension](data)
    except (struct.error, IndexError, ValueError):
        kept = None
    if kept == data:
        return data, image
    kept = images.made_anew(data) if kept is None else kept
    return kept, images.verify(kept)


def _png(data: bytes) -> bytes:
    parts, at = [_PNG], len(_PNG)
    while True:
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            raise ValueError("A chunk is cut off.")
        if kind in _PNG_PICTURE:
            parts.append(data[at:end])
        if kind == b"IEND":
            return b"".join(parts)
        at = end


def _jpeg(data: bytes) -> bytes:
    return b"".join([_JPEG, *_jpeg_parts(data)])


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    at = len(_JPEG)
    while True:
        if data[at] != 0xFF:
            raise ValueError("There is no marker.")
        kind = data[at + 1]
        if kind == 0xFF:  # filling
            at += 1
            continue
        if kind == _END:
            yield data[at : at + 2]
            return
        [size] = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + size
        if kind == _SCAN:
            found = _AFTER_SCAN.search(data, end)
            if found is None:
                raise ValueError("The picture does not end.")
            end = found.start()
        yield _segment(kind, data[at:end])
        at = end


def _segment(kind: int, segment: bytes) -> bytes:
    if kind == _COMMENT:
        return b""
    if kind == _APP0 and segment[4:9] == b"JFIF\x00":
        return segment[:2] + b"\x00\x10" + segment[4:16] + b"\x00\x00"  # without its thumbnail
    if kind in _APPS:
        is_needed = (kind == _APP2 and segment[4:16] == b"ICC_PROFILE\x00") or (
            kind == _APP14 and segment[4:9] == b"Adobe"
        )
        return segment if is_needed else b""
    return segment


def _webp(data: bytes) -> bytes:
    [size] = struct.unpack_from("<I", data, 4)
    parts, at, last = [], 12, min(len(data), size + 8)
    while at + 8 <= last:
        kind, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size + size % 2
        if kind in _WEBP_FILM or end > last:
            raise ValueError("It is a film, or cut off.")
        if kind in _WEBP_PICTURE:
            parts.append(data[at:end])
        at = end
    if parts[0][:4] == b"VP8X":
        parts[0] = parts[0][:8] + bytes([parts[0][8] & _WEBP_FLAGS]) + parts[0][9:]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


_PARTS = {"png": _png, "jpg": _jpeg, "webp": _webp}
