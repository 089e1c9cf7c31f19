"""The parts that a PNG, JPEG or WebP is made of: found, left out and put in without a look at the picture.

PNG: chunks (W3C PNG, 5.3). JPEG: marker segments up to the first scan (ITU T.81, B.1.1). WebP: RIFF chunks (RFC 9649).
XMP lies in them as the XMP specification, part 3, says; a C2PA manifest as that one's appendix on embedding does.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

XMP_IN_JPEG = 65_502  # bytes of a packet that fit into one segment
_XMP_READ = 256 * 1024  # bytes of a compressed packet that are read

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_APP0, _APP1, _APP11, _SCAN = b"\xe0", b"\xe1", b"\xeb", 0xDA
_EXIF = b"Exif\x00\x00"
_PNG_XMP = b"XML:com.adobe.xmp\x00"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_IN_HEADER = {b"EXIF": 0x08, b"XMP ": 0x04}  # chunks that a WebP's header tells of, and its flags for them
_ALPHA = 0x10


class Container(Enum):
    """What a file is, by its first bytes, as its media type."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end` of a file. `kind` is a chunk's name or a segment's marker, empty for all that follows."""

    kind: bytes
    start: int
    end: int


Change = Callable[[Part], bytes | None]  # what stands instead of a part: nothing where it is empty, None for the part


def container_of(data: bytes) -> Container | None:
    """Return what `data` is; None for all else."""
    if data.startswith(_PNG):
        return Container.PNG
    if data.startswith(_JPEG):
        return Container.JPEG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Container.WEBP
    return None


def parts_of(data: bytes) -> list[Part]:
    """Return a file's parts behind its first bytes. Raises ValueError where it is cut off, or no such file."""
    container = container_of(data)
    if container is None:
        raise ValueError("It is no PNG, JPEG or WebP.")
    try:
        return list(_WALKS[container](data))
    except (struct.error, IndexError) as error:
        raise ValueError("It is cut off.") from error


def rewritten(data: bytes, change: Change, xmp: bytes | None = None) -> bytes:
    """Return a file with `change` made of each of its parts, and with the packet `xmp` put in. Raises ValueError.

    The caller leaves out a packet that is there already (`is_xmp`).
    """
    container = container_of(data)
    view = memoryview(data)
    pieces: list[tuple[bytes, bytes | memoryview]] = []
    for part in parts_of(data):
        changed = change(part)
        if changed is None:
            pieces.append((part.kind, view[part.start : part.end]))
        elif changed:
            pieces.append((part.kind, changed))
    if container is Container.PNG:
        if xmp is not None:
            pieces.insert(1, (b"iTXt", png_chunk(b"iTXt", _PNG_XMP + b"\x00\x00\x00\x00" + xmp)))  # the header is first
        return b"".join([_PNG, *(piece for _, piece in pieces)])
    if container is Container.JPEG:
        if xmp is not None:
            pieces.insert(_behind_exif(pieces), (_APP1, jpeg_segment(_APP1, _JPEG_XMP + xmp)))
        return b"".join([_JPEG, *(piece for _, piece in pieces)])
    return _webp(pieces, xmp)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG's chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a WebP's chunk, of an even length."""
    return kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def jpeg_segment(kind: bytes, body: bytes) -> bytes:
    """Return a JPEG's segment. Raises ValueError where its body is too long for one."""
    if len(body) > 65_533:
        raise ValueError("A segment has no room for that.")
    return struct.pack(">BcH", 0xFF, kind, len(body) + 2) + body


def is_xmp(data: bytes, part: Part) -> bool:
    """Tell whether a part is an XMP packet."""
    if part.kind == b"iTXt":
        return data.startswith(_PNG_XMP, part.start + 8)
    return part.kind == b"XMP " or (part.kind == _APP1 and data.startswith(_JPEG_XMP, part.start + 4))


def xmp_of(data: bytes, parts: Iterable[Part]) -> bytes | None:
    """Return the first XMP packet of a file; None where it has none that can be read."""
    for part in parts:
        if is_xmp(data, part):
            if part.kind == _APP1:
                return data[part.start + 4 + len(_JPEG_XMP) : part.end]
            if part.kind == b"iTXt":
                return _text_of(data[part.start + 8 + len(_PNG_XMP) : part.end - 4])
            size = struct.unpack_from("<I", data, part.start + 4)[0]
            return data[part.start + 8 : part.start + 8 + size]
    return None


def manifest_of(data: bytes, parts: Iterable[Part]) -> list[Part]:
    """Return the parts that a C2PA manifest lies in; none where there is no manifest."""
    named = [part for part in parts if part.kind in (b"caBX", b"C2PA")]
    boxes = [part for part in parts if part.kind == _APP11 and data.startswith(b"JP", part.start + 4)]
    # A long one goes on in more segments, of the same number and without that name.
    numbers = {_box(data, part) for part in boxes if b"c2pa" in data[part.start : min(part.end, part.start + 80)]}
    return named + [part for part in boxes if _box(data, part) in numbers]


def has_manifest(data: bytes) -> bool:
    """Tell whether a file has a C2PA manifest in it, whatever that is worth."""
    try:
        return bool(manifest_of(data, parts_of(data)))
    except ValueError:
        return False


def without_manifest(data: bytes) -> bytes:
    """Return a file without its C2PA manifest, the same bytes where it has none."""
    try:
        gone = {part.start for part in manifest_of(data, parts_of(data))}
        return rewritten(data, lambda part: b"" if part.start in gone else None) if gone else data
    except ValueError:
        return data


def _box(data: bytes, part: Part) -> bytes:
    return data[part.start + 6 : part.start + 8]


def _png_parts(data: bytes) -> Iterator[Part]:
    at, kind = len(_PNG), b""
    while at < len(data) and kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            raise ValueError("A chunk is cut off.")
        yield Part(kind, at, end)
        at = end
    if at < len(data):
        yield Part(b"", at, len(data))
    if not data.startswith(b"IHDR", len(_PNG) + 4):
        raise ValueError("A PNG begins with its header.")


def _jpeg_parts(data: bytes) -> Iterator[Part]:
    at = len(_JPEG)
    while data[at] == 0xFF and data[at + 1] != _SCAN:
        if data[at + 1] == 0xFF:  # padding
            at += 1
            continue
        kind, size = struct.unpack_from(">xcH", data, at)
        end = at + 2 + size
        if size < 2 or end > len(data):
            raise ValueError("A segment is cut off.")
        yield Part(kind, at, end)
        at = end
    yield Part(b"", at, len(data))


def _webp_parts(data: bytes) -> Iterator[Part]:
    at, last = 12, 8 + struct.unpack_from("<I", data, 4)[0]
    if last > len(data) + last % 2:
        raise ValueError("It is cut off.")
    while at + 8 <= min(last, len(data)):
        kind, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size + size % 2
        if at + 8 + size > len(data):
            raise ValueError("A chunk is cut off.")
        yield Part(kind, at, min(end, len(data)))
        at = end


_WALKS: dict[Container, Callable[[bytes], Iterator[Part]]] = {
    Container.PNG: _png_parts,
    Container.JPEG: _jpeg_parts,
    Container.WEBP: _webp_parts,
}


def _text_of(body: bytes) -> bytes | None:
    """Return the words of an international text chunk from behind its keyword; None where they cannot be read."""
    text = body[2:].split(b"\x00", 2)[-1]  # behind its language and its keyword there
    if body[:1] != b"\x01":
        return text
    try:
        return zlib.decompressobj().decompress(text, _XMP_READ)
    except zlib.error:
        return None


def _behind_exif(pieces: list[tuple[bytes, bytes | memoryview]]) -> int:
    """Return where a packet goes in a JPEG: JFIF and Exif each want to be first."""
    at = 0
    for kind, piece in pieces:
        if kind != _APP0 and not (kind == _APP1 and bytes(piece[4:10]) == _EXIF):
            break
        at += 1
    return at


def _webp(pieces: list[tuple[bytes, bytes | memoryview]], xmp: bytes | None) -> bytes:
    if xmp is not None:
        pieces.append((b"XMP ", webp_chunk(b"XMP ", xmp)))
    kinds = {kind for kind, _ in pieces}
    flags = sum(flag for kind, flag in _IN_HEADER.items() if kind in kinds)
    if pieces and pieces[0][0] == b"VP8X":
        header = bytes(pieces[0][1])
        was = header[8] & ~sum(_IN_HEADER.values())
        pieces[0] = (b"VP8X", header[:8] + bytes([was | flags]) + header[9:])
    elif flags:
        pieces.insert(0, (b"VP8X", _header(pieces, flags)))
    body = b"".join([b"WEBP", *(piece for _, piece in pieces)])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _header(pieces: list[tuple[bytes, bytes | memoryview]], flags: int) -> bytes:
    """Return the header of a WebP that had none: its size is read off the beginning of its picture (RFC 9649, 2.7)."""
    kind, piece = pieces[0] if pieces else (b"", b"")
    start = bytes(piece[8:18])
    if kind == b"VP8 " and start[3:6] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", start, 6))
    elif kind == b"VP8L" and start[:1] == b"\x2f":
        bits = struct.unpack_from("<I", start, 1)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags |= _ALPHA if bits >> 28 & 1 else 0
    else:
        raise ValueError("Its picture is not at its beginning.")
    sides = (side.to_bytes(3, "little") for side in (width - 1, height - 1))
    return webp_chunk(b"VP8X", struct.pack("<B3x", flags) + b"".join(sides))
