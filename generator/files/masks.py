"""Masks that say with transparency where a picture may change, as OpenAI's are; ours say it with white."""

import io

from generator.errors import BadImage
from generator.files.images import opened

__all__ = ["NoTransparency", "white_where_transparent"]


class NoTransparency(BadImage):
    """The mask has no transparent pixel, so nothing could change."""


def white_where_transparent(data: bytes) -> bytes:
    """Return a PNG that is white where `data` is transparent and black where it is not; it computes.

    What is half transparent becomes grey: an upstream that knows soft edges gets them. Raises BadImage.
    """
    image = opened(data)
    if not image.has_transparency_data:
        raise NoTransparency("it has no transparent pixels, which say where the image may change")
    alpha = image.convert("RGBA").getchannel("A")
    least, _ = alpha.getextrema()
    if least == 255:
        raise NoTransparency("it has no transparent pixels, which say where the image may change")
    out = io.BytesIO()
    alpha.point(lambda shade: 255 - shade).save(out, "PNG")
    return out.getvalue()
