"""The last coat: vignette, grain against banding, and the way to bytes."""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

from sandbox.painter.canvas import Canvas
from sandbox.painter.noise import Rng

_GRAIN = 1.5


def develop(canvas: Canvas, rng: Rng, *, vignette: float = 0.2) -> Image.Image:
    """Return the finished RGB image. Grain also dithers: without it 8 bits band in wide skies."""
    canvas.vignette(vignette)
    grain = rng.random((canvas.height, canvas.width), dtype=np.float32)
    grain *= np.float32(2 * _GRAIN)
    grain -= np.float32(_GRAIN - 0.5)
    out = np.empty((canvas.height, canvas.width, 3), np.uint8)
    for channel in range(3):
        plane = canvas.pixels[channel]
        plane *= np.float32(255)
        plane += grain
        np.clip(plane, 0, 255, out=plane)
        out[:, :, channel] = plane
    return Image.fromarray(out)


def encode(image: Image.Image) -> bytes:
    """Return the image as PNG; quick rather than small."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "reveweb sandbox")
    out = io.BytesIO()
    # Grain leaves deflate little to match; run lengths alone give the smallest file per millisecond.
    image.save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE, pnginfo=info)
    return out.getvalue()
