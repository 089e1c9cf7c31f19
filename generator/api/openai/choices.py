"""What a call names in OpenAI's words, as the models here have it: the model, the shape and size, the quality."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from generator.api.openai.errors import invalid, no_such_model
from generator.api.openai.fields import QUALITIES
from generator.ask import prices
from generator.ask.inputs import nearest_ratio
from generator.models import ASPECT_RATIOS, ImageModel, Operation

SIDE = 1024  # of the square that the size class 1K has about as many pixels as
_OPENAIS = re.compile(r"(gpt-image-|dall-e-|chatgpt-image-)[0-9a-z.-]{1,60}")
_PIXELS = re.compile(r"(\d{1,5})\s*[x×]\s*(\d{1,5})", re.IGNORECASE)
_THOUSANDS = re.compile(r"(\d{1,2}(?:\.\d+)?)k", re.IGNORECASE)
# Qualities by how much they are, the least first; a model may call its own by any of these names.
_RANKS = {
    "draft": 0, "low": 0, "fast": 0,
    "medium": 1, "standard": 1, "normal": 1, "balanced": 1,
    "high": 2, "hd": 2, "best": 2,
    "xhigh": 3, "ultra": 3, "max": 4,
}  # fmt: skip
_TOLD = ("low", "medium", "high", "xhigh", "max")  # as answers call them


@dataclass(frozen=True)
class Choice:
    """What a picture is made with. `model` None: the first on offer that does it; size and quality "": its first."""

    model: ImageModel | None
    aspect_ratio: str
    size: str
    quality: str


def is_openais(name: str) -> bool:
    """Tell whether `name` is one of OpenAI's for its own models."""
    return _OPENAIS.fullmatch(name) is not None


def model_for(name: str) -> ImageModel | None:
    """Return the model that a call names; None where that is the first on offer. Raises Told for one there is not.

    Asks the database for what is on offer.
    """
    if found := prices.model_called(name):
        return found
    if name and not is_openais(name):
        raise no_such_model(name)
    return None


def choose(
    model: ImageModel | None,
    operation: Operation,
    size: str,
    quality: str,
    like: tuple[int, int] | None = None,
    only: Sequence[str] = (),
) -> Choice:
    """Return what to draw with, for `size` and `quality` in OpenAI's words or the model's own.

    `like` is the width and height of the picture whose shape `auto` keeps, and `only` names the models that the caller
    may use, if not all. Raises Told. Asks the database for what is on offer.
    """
    allowed = [one for one in prices.offered() if not only or one.slug in only]
    of = model or next((one for one in allowed if operation in prices.operations_of(one)), None)
    sizes, qualities = (of.sizes, of.qualities) if of else ([], [])
    ratios = prices.ratios_of(of, operation)
    ratio, size_class = _shape(size, ratios, sizes, like)
    return Choice(model, ratio, size_class, _quality(quality, qualities))


def told_quality(quality: str) -> str | None:
    """Return what an answer calls a model's quality; None where it has none of these."""
    rank = _RANKS.get(quality.lower())
    return None if rank is None else _TOLD[rank]


def _shape(size: str, ratios: list[str], sizes: list[str], like: tuple[int, int] | None) -> tuple[str, str]:
    usual = nearest_ratio(*(like or (1, 1)), ratios)
    if size in ("", "auto"):
        return usual, ""
    if size in sizes:
        return usual, size
    if size in ASPECT_RATIOS:
        across, down = (int(part) for part in size.split(":"))
        return nearest_ratio(across, down, ratios), ""
    found = _PIXELS.fullmatch(size)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not width or not height:
        raise invalid("size", "it must be auto, or WIDTHxHEIGHT as 1024x1024")
    return nearest_ratio(width, height, ratios), _nearest_class(math.sqrt(width * height), sizes)


def _nearest_class(side: float, sizes: list[str]) -> str:
    """Return the size class whose square has a side nearest to `side` pixels; "" where none tells its pixels."""
    known = {one: pixels for one in sizes if (pixels := _side_of(one))}
    return min(known, key=lambda one: abs(math.log(side / known[one])), default="")


def _side_of(size: str) -> float:
    if found := _THOUSANDS.fullmatch(size):
        return float(found[1]) * SIDE
    if found := _PIXELS.fullmatch(size):
        return math.sqrt(int(found[1]) * int(found[2]))
    return 0


def _quality(quality: str, offered: list[str]) -> str:
    if quality in offered:
        return quality
    if quality and quality not in QUALITIES:
        raise invalid("quality", f"it must be one of {', '.join(dict.fromkeys([*QUALITIES, *offered]))}")
    if quality in ("", "auto"):
        return ""
    wanted = _RANKS[quality]
    known = {one: _RANKS[one.lower()] for one in offered if one.lower() in _RANKS}
    return min(known, key=lambda one: abs(known[one] - wanted), default="")
