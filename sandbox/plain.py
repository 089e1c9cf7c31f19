"""Pictures of one colour, which cost next to no time: for tests and load, where what is drawn is not the point."""

from __future__ import annotations

import hashlib
import io

from PIL import Image, PngImagePlugin

from sandbox.ratios import SIZES


def png(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> bytes:
    """Return a sheet in a colour of the prompt's, as the painter's `png` would: equal arguments give equal bytes."""
    digest = hashlib.sha256("\0".join((prompt, negative_prompt, str(variation))).encode()).digest()
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "reveweb sandbox")
    out = io.BytesIO()
    Image.new("RGB", SIZES[aspect_ratio], (digest[0], digest[1], digest[2])).save(
        out, "PNG", pnginfo=info, compress_level=1
    )
    return out.getvalue()
