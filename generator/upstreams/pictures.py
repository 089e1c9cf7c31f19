"""Pictures on their way to an upstream and back: data URLs, and masks in another protocol's colours.

Most of it computes: call that on a thread. What goes out was verified when it came in; what comes back was not.
"""

import base64
import binascii
import io
import re
from typing import Any

from django.conf import settings
from PIL import Image

from generator.upstreams.dialect import Picture
from generator.upstreams.errors import BadInput
from generator.upstreams.transport import URL_MAX_LENGTH, identifier
from kit.threads import Pool, in_thread

_DATA_URL = re.compile(r"data:(image/[\w.+-]+|application/octet-stream)?(;[\w-]+=[\w.-]+)*;base64,", re.IGNORECASE)
_HEAD = 200  # characters in which a data URL's own words end


def answer_bytes() -> int:
    """How many bytes an answer may have that holds a picture in base64."""
    return settings.IMAGE_MAX_BYTES * 4 // 3 + 256 * 1024


def data_url(picture: Picture) -> str:
    """Return a picture as an address of its own."""
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


def is_data_url(url: object) -> bool:
    """Tell whether an address is one whose picture is in it."""
    return isinstance(url, str) and url[:5].lower() == "data:"


async def answered(url: Any) -> tuple[str, bytes]:
    """Return the address of a picture, or the picture where that is in it; neither where there is none.

    Raises Unclear for what is no address.
    """
    if is_data_url(url):
        return "", await in_thread(lambda: of_data_url(url), Pool.PROCESSOR)
    return (identifier("url", url, URL_MAX_LENGTH) if url not in (None, "", {}) else ""), b""


def of_data_url(url: str) -> bytes:
    """Return the picture in a data URL; nothing where it has none, or more than `IMAGE_MAX_BYTES`."""
    head = _DATA_URL.match(url[:_HEAD])
    return of_base64(url[head.end() :]) if head else b""


def of_base64(text: object) -> bytes:
    """Return what base64 spells; nothing for what is none, or for more than `IMAGE_MAX_BYTES`."""
    if not isinstance(text, str) or len(text) > settings.IMAGE_MAX_BYTES * 4 // 3 + 4:
        return b""
    try:
        data = base64.b64decode("".join(text.split()) if "\n" in text[:100] else text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if len(data) <= settings.IMAGE_MAX_BYTES else b""


def shape_of(picture: Picture) -> tuple[int, int]:
    """Return a picture's width and height. Raises BadInput where it is none."""
    with _opened(picture) as image:
        return image.size


def transparent_where_white(mask: Picture, like: Picture) -> Picture:
    """Return a mask that is transparent where ours is white, as large as the picture it is for. Raises BadInput."""
    size = shape_of(like)
    with _opened(mask) as image:
        shades = _on_black(image).convert("L")
    if shades.size != size:
        shades = shades.resize(size, Image.Resampling.BILINEAR)
    turned = Image.new("RGBA", size)
    turned.putalpha(shades.point(lambda shade: 255 - shade))
    out = io.BytesIO()
    turned.save(out, "PNG")
    return Picture(out.getvalue(), "image/png")


def _opened(picture: Picture) -> Image.Image:
    try:
        return Image.open(io.BytesIO(picture.data))
    except (OSError, ValueError, Image.DecompressionBombError):
        raise BadInput("A picture that this is made from cannot be read.") from None


def _on_black(image: Image.Image) -> Image.Image:
    """Return a picture whose transparent parts are black: they were not painted."""
    coloured = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), coloured)
