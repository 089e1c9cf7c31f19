"""An image's file without words: what an upstream wrote into it beside the picture.

Some programs write the prompt, what was left out of it and the seed into each file. Its owner has it as it was made; a
shared image would give them away whatever its page shows. Marks of where a picture comes from (C2PA) and colours stay,
and so does the way up.
"""

import io
import struct
from collections.abc import Iterator

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_WORDS = {b"tEXt", b"zTXt", b"iTXt", b"eXIf"}
_JPEG = b"\xff\xd8"
_JPEG_COMMENT, _JPEG_APP1, _JPEG_APP13, _JPEG_SCAN = 0xFE, 0xE1, 0xED, 0xDA
_WEBP_WORDS = {b"EXIF": 0x08, b"XMP ": 0x04}  # and their flags in the header
_ORIENTATION = 0x0112


def without_words(data: bytes) -> bytes:
    """Return the bytes of a PNG, JPEG or WebP without words: the same ones where there are none, or no such image."""
    try:
        if data.startswith(_PNG):
            kept = _plain_png(data)
        elif data.startswith(_JPEG):
            kept = _plain_jpeg(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            kept = _plain_webp(data)
        else:
            return data
    except (struct.error, IndexError, ValueError):
        return data  # broken: whoever decodes it says so
    return kept if len(kept) < len(data) else data


def _plain_png(data: bytes) -> bytes:
    return _PNG + b"".join(data[start:end] for kind, start, end in _png_chunks(data) if kind not in _PNG_WORDS)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = len(_PNG)
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            raise ValueError("A chunk is cut off.")
        yield kind, at, end
        at = end


def _plain_jpeg(data: bytes) -> bytes:
    parts, at = [_JPEG], len(_JPEG)
    while data[at] == 0xFF and data[at + 1] != _JPEG_SCAN:
        kind, size = struct.unpack_from(">xBH", data, at)
        segment = data[at : at + 2 + size]
        if kind == _JPEG_APP1:
            parts.append(_upright(data) if segment[4:10] == b"Exif\x00\x00" else b"")
        elif kind not in (_JPEG_COMMENT, _JPEG_APP13):
            parts.append(segment)
        at += 2 + size
    return b"".join([*parts, data[at:]])


def _upright(data: bytes) -> bytes:
    """Return a JPEG's segment that says no more than which way up it is, nothing where that is the usual one."""
    turned = _orientation(data)
    if turned == 1:
        return b""
    exif = Image.Exif()
    exif[_ORIENTATION] = turned
    told = exif.tobytes()
    return struct.pack(">BBH", 0xFF, _JPEG_APP1, len(told) + 2) + told


def _orientation(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, TypeError):
        return 1


def _plain_webp(data: bytes) -> bytes:
    if _orientation(data) != 1:
        return data  # rare, and the way up stands among the words
    parts, at, flags = [], 12, 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size + size % 2
        if kind in _WEBP_WORDS:
            flags |= _WEBP_WORDS[kind]
        else:
            parts.append(data[at:end])
        at = end
    if flags and parts[0][:4] == b"VP8X":
        parts[0] = parts[0][:8] + bytes([parts[0][8] & ~flags]) + parts[0][9:]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
