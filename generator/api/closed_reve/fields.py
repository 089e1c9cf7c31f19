"""What requests of reve.com's API may carry, and what becomes of each field here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from generator.ask.schemas import Text
from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH, REMIX_MOST_INPUTS
from kit.text import is_blank

AUTO, LATEST = "auto", "latest"
MOST_PIXELS = 4096  # of a side, as `fit_image` may name it
# What reve.com calls its own models, of which there are none by that name here.
THEIR_VERSION = re.compile(r"latest(-fast)?|reve-(create|edit|remix)(-fast)?@\d{8}")
_REFERENCE = re.compile(r"<img>\s*(\d{1,6})\s*</img>", re.IGNORECASE)


class Fate(StrEnum):
    """What becomes of a field."""

    HONOURED = "honoured"
    MAPPED = "mapped"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True)
class Row:
    """A row of the documentation's table: a field, of which calls, what becomes of it, and how."""

    name: str
    calls: tuple[str, ...]
    fate: Fate
    words: str


# What can be done to a finished image, by the name of the process.
_STEPS = {
    "fit_image": (Fate.HONOURED, "The image that is answered is made smaller, in its own shape, until it fits."),
    "upscale": (Fate.REFUSED, "Nothing here enlarges. Name a model with a larger size as `version`."),
    "remove_background": (Fate.REFUSED, "Nothing here cuts out."),
    "effect": (Fate.REFUSED, "There are no effects here; `GET /v1/image/effect` lists none."),
}
_AROUND = (
    Row("Accept", ("create", "edit", "remix"), Fate.HONOURED, "JSON, or the image as PNG, JPEG or WebP; else JSON."),
    Row(
        "Idempotency-Key",
        ("create", "edit", "remix"),
        Fate.HONOURED,
        "The same key with the same body answers the first image, for free.",
    ),
    Row("?breadcrumb", ("create", "edit", "remix", "balance"), Fate.IGNORED, "Use it for your own logs."),
    Row("Proxy-Authorization", ("create", "edit", "remix", "balance"), Fate.IGNORED, "No proxy asks for it here."),
)


def _field(fate: Fate, words: str, default: Any = ...) -> Any:
    return Field(default, description=words, json_schema_extra={"fate": fate.value})


def _filled(value: str) -> str:
    if is_blank(value):
        raise PydanticCustomError("blank", "must not be blank")
    return value


def _process(value: str) -> str:
    fate, words = _STEPS.get(value, (Fate.REFUSED, ""))
    if fate == Fate.REFUSED:
        raise PydanticCustomError("process", "{words}", {"words": words or "there is no process of this name"})
    return value


Words = Annotated[Text, AfterValidator(_filled)]
Ratio = Literal["16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "auto"]
assert {*get_args(Ratio)} == {*ASPECT_RATIOS, AUTO}
Side = Annotated[int, Field(ge=1, le=MOST_PIXELS)]


class Step(Schema):
    """One thing that is done to a finished image."""

    model_config = ConfigDict(strict=True, extra="ignore")

    process: Annotated[str, AfterValidator(_process)]
    max_width: Side | None = None
    max_height: Side | None = None
    max_dim: Side | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Step":
        if self.max_width is self.max_height is self.max_dim is None:
            raise PydanticCustomError("unbounded", "fit_image needs max_width, max_height or max_dim")
        return self

    @property
    def bounds(self) -> tuple[int, int]:
        """The most pixels across and down."""
        both = self.max_dim or MOST_PIXELS
        return min(self.max_width or MOST_PIXELS, both), min(self.max_height or MOST_PIXELS, both)


class Options(Schema):
    """What the three calls have in common."""

    model_config = ConfigDict(strict=True, extra="ignore")

    aspect_ratio: Ratio = _field(
        Fate.HONOURED,
        "Without one, or with `auto`: 3:2 where an image is created, else the shape nearest to the first picture’s.",
        AUTO,
    )
    version: str = _field(
        Fate.MAPPED,
        "`latest`, `latest-fast` and names such as `reve-create@20250915` are the first model on offer; else the name "
        "of a model as `GET /v1/models` lists it.",
        LATEST,
    )
    test_time_scaling: Annotated[int, Field(ge=1, le=15)] = _field(
        Fate.IGNORED, "There is nothing to scale: an image costs what its model costs.", 1
    )
    postprocessing: list[Step] = _field(Fate.MAPPED, "Each step by its `process`, below.", [])

    @property
    def bounds(self) -> tuple[int, int] | None:
        """How large the image that is answered may be; None: as large as it is."""
        steps = [step.bounds for step in self.postprocessing]
        return (min(width for width, _ in steps), min(height for _, height in steps)) if steps else None


class CreateRequest(Options):
    """Draw an image from words."""

    prompt: Words = _field(Fate.HONOURED, f"Up to {PROMPT_MAX_LENGTH} characters.")


class EditRequest(Options):
    """Change an image."""

    edit_instruction: Words = _field(Fate.HONOURED, f"Up to {PROMPT_MAX_LENGTH} characters.")
    reference_image: str = _field(
        Fate.HONOURED, "In base64; an id of an image or file of yours, an `https://` address and a data URL do too."
    )


class RemixRequest(Options):
    """Draw an image that goes by others."""

    reference_images: Annotated[list[str], Field(min_length=1, max_length=REMIX_MOST_INPUTS)] = _field(
        Fate.HONOURED, f"One to {REMIX_MOST_INPUTS}, each as `reference_image`."
    )
    prompt: Words = _field(  # after the pictures that it may name
        Fate.MAPPED,
        "`<img>0</img>` becomes “image 1”, and so on, which every model understands. It may name no picture that is "
        "not there.",
    )

    @field_validator("prompt")
    @classmethod
    def _its_pictures_are_there(cls, prompt: str, info: ValidationInfo) -> str:
        pictures = info.data.get("reference_images", ())  # none: what is wrong with them is told
        for number in _REFERENCE.findall(prompt):
            if pictures and int(number) >= len(pictures):
                words = "<img>{number}</img> names no picture; they are counted from 0"
                raise PydanticCustomError("no_such_picture", words, {"number": number})
        return prompt

    @property
    def words(self) -> str:
        """The prompt with its pictures called what every model calls them."""
        return _REFERENCE.sub(lambda found: f"image {int(found[1]) + 1}", self.prompt)


_CALLS: dict[str, type[Options]] = {"create": CreateRequest, "edit": EditRequest, "remix": RemixRequest}


def rows() -> Iterator[Row]:
    """Yield what becomes of each field, read off the schemas that requests are validated with."""
    found: dict[tuple[str, str], tuple[Fate, list[str]]] = {}
    for call, schema in _CALLS.items():
        for name, field in schema.model_fields.items():
            extra: Any = field.json_schema_extra
            found.setdefault((name, field.description or ""), (Fate(extra["fate"]), []))[1].append(call)
    for (name, words), (fate, calls) in found.items():
        yield Row(name, tuple(calls), fate, words)
    for process, (fate, words) in _STEPS.items():
        yield Row(f"postprocessing: {process}", tuple(_CALLS), fate, words)
    yield from _AROUND
