"""The last coat: the paper's tooth and the dither against banding, and the way to bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from sandbox.painter.sheet import Sheet

_GRAIN = 3.5  # in levels of 255, from the lightest dot to the darkest


def develop(s: Sheet) -> Image.Image:
    """Return the finished RGB image: corners a little darker, grain over all."""
    down, across = (1 - 0.09 * np.linspace(-1, 1, n, dtype=np.float32) ** 4 for n in (s.h, s.w))
    levels = (255 * down)[:, None] * across[None, :]
    grain = s.noise * np.float32(_GRAIN) + np.float32(0.5 - _GRAIN / 2)
    inks = []
    for plane in s.pixels:
        plane *= levels
        plane += grain
        inks.append(Image.fromarray(plane).convert("L"))  # which also cuts off what is below 0 or above 255
    return Image.merge("RGB", inks)


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
    body = packer.compress(rows.data) + packer.flush()
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"tEXt", b"Software\0reveweb sandbox"), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
