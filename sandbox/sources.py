"""The pictures that an edit or a remix is made from: kept, and seen in what is drawn.

An edit is the given picture with the drawing laid over it, by half, where the mask is white; where it is black nothing
changes. A remix is the given pictures side by side below the drawing.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.answers import Refusal

if TYPE_CHECKING:
    from PIL import Image  # at run time, only what draws pays for it

MOST = 1536  # pixels a side; larger pictures are made smaller
OVERLAY = 0.5


class Sources:
    """The folder of what was given. Reading a picture takes milliseconds: call it on a thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "sources"
        self.directory.mkdir(parents=True, exist_ok=True)

    def keep(self, pictures: list[bytes], mask: bytes | None = None, *, keeps_shape: bool) -> str:
        """Keep the pictures of one order and return their name. Raises Refusal where one is no picture."""
        from PIL import Image

        digest = hashlib.sha256(b"\0".join([*pictures, mask or b""])).hexdigest()[:40]
        opened = [_opened(each).convert("RGB") for each in pictures]
        if keeps_shape:
            base = opened[0]
            base.thumbnail((MOST, MOST))
        else:
            base = _side_by_side(opened)
        _write(self.directory / f"{digest}.png", base)
        if mask is not None:
            shades = _opened(mask)
            shades = Image.alpha_composite(Image.new("RGBA", shades.size, "black"), shades.convert("RGBA")).convert("L")
            _write(self.directory / f"{digest}.mask.png", shades.resize(base.size, Image.Resampling.NEAREST))
        return ("edit-" if keeps_shape else "remix-") + digest

    def drawn_over(self, name: str, drawing: bytes) -> bytes:
        """Return a drawing as the edit or remix of what was kept under `name`; as it is where that has gone."""
        from PIL import Image, ImageOps, PngImagePlugin

        kind, _, digest = name.partition("-")
        try:
            base = Image.open(self.directory / f"{digest}.png").convert("RGB")
        except OSError:
            return drawing
        with Image.open(io.BytesIO(drawing)) as painted:
            size = base.size if kind == "edit" else painted.size
            over = ImageOps.fit(painted.convert("RGB"), size)
        base = ImageOps.fit(base, size)
        mixed = Image.blend(base, over, OVERLAY)
        mask = self.directory / f"{digest}.mask.png"
        if kind == "edit" and mask.exists():
            mixed = Image.composite(mixed, base, Image.open(mask))
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", "reveweb sandbox")
        out = io.BytesIO()
        mixed.save(out, "PNG", pnginfo=info, compress_level=1)
        return out.getvalue()


def sized(png: bytes, size: str) -> bytes:
    """Return a picture cut to `size`, as `1536x1024`."""
    from PIL import Image, ImageOps, PngImagePlugin

    width, height = (int(side) for side in size.split("x"))
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "reveweb sandbox")
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        ImageOps.fit(image, (width, height)).save(out, "PNG", pnginfo=info, compress_level=1)
    return out.getvalue()


def white_where_transparent(mask: bytes) -> bytes:
    """Return a mask of OpenAI's as the sandbox has them: white where something may change."""
    from PIL import ImageChops

    out = io.BytesIO()
    ImageChops.invert(_opened(mask).convert("RGBA").getchannel("A")).save(out, "PNG")
    return out.getvalue()


def shape_of(picture: bytes) -> tuple[int, int]:
    """Return a picture's width and height. Raises Refusal where it is none."""
    return _opened(picture).size


def _opened(data: bytes) -> Image.Image:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Refusal(422, "invalid_image", "That is no PNG, JPEG or WebP picture.") from None
    return image


def _side_by_side(pictures: list[Image.Image]) -> Image.Image:
    from PIL import Image, ImageOps

    width, height = MOST // len(pictures), 1024
    sheet = Image.new("RGB", (width * len(pictures), height))
    for at, each in enumerate(pictures):
        sheet.paste(ImageOps.fit(each, (width, height)), (at * width, 0))
    return sheet


def _write(path: Path, image: Image.Image) -> None:
    """Put it there whole: somebody may be drawing over the same picture just now."""
    half = path.with_suffix(f".{secrets.token_hex(4)}")
    image.save(half, "PNG", compress_level=1)
    half.replace(path)
