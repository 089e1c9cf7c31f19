"""Draws what a test key's images are: a real PNG of the right shape that says TEST, in colours that its words choose.

It asks nobody, and takes some hundredths of a second and some ten kilobytes.
"""

import colorsys
import hashlib
import io
import math
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont, ImageOps

PIXELS = 1024 * 1024  # about as many, in whatever shape
WORDS_SHOWN = 48  # characters of the prompt


def paint(prompt: str, aspect_ratio: str, *, variant: str = "") -> bytes:
    """Return a sample as a PNG. The same prompt and `variant` give the same picture."""
    width, height = size_of(aspect_ratio)
    picture = _ground(width, height, hashlib.sha256(f"{prompt}\n{variant}".encode()).digest())
    draw = ImageDraw.Draw(picture)
    large, small = min(width, height) // 4, min(width, height) // 24
    middle = width / 2, height / 2
    draw.text(middle, "TEST", fill="white", font=_font(large), anchor="mm", stroke_width=3, stroke_fill="#202020")
    for words, down in (("Sample: a test key asked for it", large * 0.75), (_one_line(prompt), large * 1.1)):
        draw.text((middle[0], middle[1] + down), words, fill="white", font=_font(small), anchor="mm")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def size_of(aspect_ratio: str) -> tuple[int, int]:
    """Return width and height of a sample in this shape, in pixels."""
    across, down = map(int, aspect_ratio.split(":"))
    unit = round(math.sqrt(PIXELS / (across * down)))
    return across * unit, down * unit


def _ground(width: int, height: int, chance: bytes) -> Image.Image:
    hue = chance[0] / 256
    above, below = _colour(hue, 0.55), _colour(hue + 0.08 + chance[1] / 1024, 0.3)
    # Few grey levels, stretched without smoothing: bands that a PNG packs well.
    bands = Image.linear_gradient("L").resize((1, 32)).resize((width, height), Image.Resampling.NEAREST)
    return ImageOps.colorize(bands, above, below)


def _colour(hue: float, lightness: float) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colorsys.hls_to_rgb(hue % 1, lightness, 0.5))


def _one_line(prompt: str) -> str:
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in prompt[:500]).split())
    return words if len(words) <= WORDS_SHOWN else words[: WORDS_SHOWN - 1] + "…"


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
