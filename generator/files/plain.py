"""An image's file without words: what an upstream wrote into it beside the picture.

Some programs write the prompt, what was left out of it and the seed into each file. Its owner has those as they were
made; a shared image would give them away whatever its page shows. What says where a picture comes from (`marks`) and
colours stay, and so does the way up. A C2PA manifest stays where nothing had to go: it would not be true of the rest.
"""

import io
import struct
import warnings

from PIL import Image

from generator.files import xmp
from generator.files.containers import (
    Part,
    is_xmp,
    jpeg_segment,
    manifest_of,
    parts_of,
    png_chunk,
    rewritten,
    webp_chunk,
    xmp_of,
)

_WORDS = {b"tEXt", b"zTXt", b"iTXt", b"XMP ", b"\xfe", b"\xed"}  # the last two: a JPEG's comment, and Photoshop's
_APP1 = b"\xe1"
_EXIF = {b"eXIf", b"EXIF", _APP1}
_ORIENTATION = 0x0112


def without_words(data: bytes, mark: bytes | None = None) -> bytes:
    """Return the bytes of a PNG, JPEG or WebP without words: the same ones where there are none, or no such image.

    A packet of marks alone stays. Where there is none, the packet `mark` is put in.
    """
    try:
        parts = parts_of(data)
        kept = next((part for part in parts if is_xmp(data, part) and xmp.is_plain(xmp_of(data, [part]) or b"")), None)
        changes = {part.start: _instead_of(data, part) for part in parts if part is not kept and _is_words(data, part)}
        changes = {start: words for start, words in changes.items() if not data.startswith(words or b" ", start)}
        manifest = manifest_of(data, parts)
        if not changes and (kept or manifest or mark is None):
            return data
        changes |= {part.start: b"" for part in manifest}
        return rewritten(data, lambda part: changes.get(part.start), None if kept else mark)
    except (struct.error, IndexError, ValueError):
        return data  # broken: whoever decodes it says so


def _is_words(data: bytes, part: Part) -> bool:
    return part.kind in _WORDS or part.kind in _EXIF


def _instead_of(data: bytes, part: Part) -> bytes:
    """Return no more than which way up a picture is, nothing where that is the usual one, in place of Exif."""
    if part.kind not in _EXIF or is_xmp(data, part):
        return b""
    turned = _orientation(data)
    if turned == 1 or (part.kind == _APP1 and not data.startswith(b"Exif\x00\x00", part.start + 4)):
        return b""
    exif = Image.Exif()
    exif[_ORIENTATION] = turned
    told = exif.tobytes()
    if part.kind == _APP1:
        return jpeg_segment(_APP1, told)
    return (png_chunk if part.kind == b"eXIf" else webp_chunk)(part.kind, told.removeprefix(b"Exif\x00\x00"))


def _orientation(data: bytes) -> int:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # on broken files Pillow raises nearly anything
        return 1
