"""The last coat: the paper's tooth and the dither against banding, and the way to bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from sandbox.painter.noise import enlarge, smoothstep
from sandbox.painter.sheet import Sheet

_GRAIN = 6.0  # in levels of 255, from the lightest dot to the darkest


def develop(s: Sheet) -> Image.Image:
    """Return the finished RGB image: corners a little darker, ink a little uneven, grain over all."""
    ys, xs = np.mgrid[-1:1:24j, -1:1:24j].astype(np.float32)
    ink = 255 * (1 - 0.13 * smoothstep(0.6, 1.6, np.sqrt(xs * xs + ys * ys)))
    ink *= 1 + 0.02 * (s.rng.random((24, 24), dtype=np.float32) - np.float32(0.5))
    levels = enlarge(ink, s.h, s.w, smooth=False)
    grain = (s.noise - np.float32(0.5)) * np.float32(_GRAIN) + np.float32(0.5)
    out = np.empty((s.h, s.w, 3), np.uint8)
    for channel, plane in enumerate(s.pixels):
        plane *= levels
        plane += grain
        out[:, :, channel] = np.clip(plane, 0, 255, out=plane)
    return Image.fromarray(out)


def encode(image: Image.Image) -> bytes:
    """Return the image as PNG, quick rather than small: one filter for all rows and no search for matches.

    Pillow would try five filters a row, which costs more than all the rest; grain leaves deflate nothing to match.
    """
    flat = np.asarray(image).reshape(image.height, image.width * 3)
    rows = np.empty((image.height, 1 + flat.shape[1]), np.uint8)
    rows[:, 0] = 1  # each pixel is kept as its difference from the one on its left
    rows[:, 1:4] = flat[:, :3]
    np.subtract(flat[:, 3:], flat[:, :-3], out=rows[:, 4:])
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
    body = packer.compress(rows.tobytes()) + packer.flush()
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"tEXt", b"Software\0reveweb sandbox"), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
