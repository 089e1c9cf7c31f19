"""What becomes of each field of OpenAI's Images API: the table that calls are read by and the documentation shows.

A field is honoured (does what it does there), mapped (to the nearest thing that a model here offers), ignored, or
refused where leaving it out would make another picture than the caller counts on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from generator.api.openai.errors import invalid
from generator.models import PROMPT_MAX_LENGTH
from kit.text import is_blank


class Fate(StrEnum):
    """What becomes of a field."""

    HONOURED = "honoured"
    MAPPED = "mapped"
    IGNORED = "ignored"
    REFUSED = "refused"


MOST_IMAGES = 10
MOST_PREVIEWS = 3
OutputFormat = Literal["png", "jpeg", "webp"]
Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
QUALITIES: tuple[str, ...] = get_args(Quality)
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:/-]{0,99}")


def _field(default: Any, fate: Fate, words: str) -> Any:
    return Field(default, description=words, json_schema_extra={"fate": fate.value})


class Asked(BaseModel):
    """The words of a call, whose pictures are read apart. Numbers and truths may come as text, as in forms."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=False)

    prompt: str = _field(
        "", Fate.HONOURED, f"What to draw, or to make of the picture; up to {PROMPT_MAX_LENGTH:,} characters."
    )
    model: str = _field(
        "",
        Fate.MAPPED,
        "A model’s `id` of `GET /v1/models`. OpenAI’s own names stand for the first model here that does what is "
        "asked; the `X-Model` header says which one drew.",
    )
    n: int = _field(1, Fate.HONOURED, f"1 to {MOST_IMAGES}. Each image costs what one costs.")
    size: str = _field(
        "",
        Fate.MAPPED,
        "`WIDTHxHEIGHT` becomes the nearest shape and size class that the model offers; `auto` is its own choice, or "
        "the picture’s shape. `size` in the answer says what was drawn.",
    )
    quality: str = _field(
        "",
        Fate.MAPPED,
        "The nearest quality that the model offers; one of the model’s own names works too. `auto` is its first.",
    )
    response_format: Literal["url", "b64_json"] | None = _field(
        None,
        Fate.HONOURED,
        "Without it `gpt-image-…` and `chatgpt-image-…` answer in base64, as do calls with `output_format`; all others "
        "answer with `url`, which works for good.",
    )
    output_format: OutputFormat | None = _field(
        None,
        Fate.HONOURED,
        "`png`, `jpeg` or `webp`; `png` unless asked otherwise. Not with `response_format=url`: that picture stays as "
        "it was drawn.",
    )
    output_compression: int | None = _field(
        None, Fate.HONOURED, "0 to 100, for `jpeg` and `webp`: how much is kept of the picture."
    )
    background: Literal["auto", "opaque", "transparent"] | None = _field(
        None, Fate.HONOURED, "`auto` and `opaque`. `transparent` is refused: no model here draws it."
    )
    stream: bool = _field(
        False, Fate.HONOURED, "Server-sent events in place of one answer: one `completed` event for each image."
    )
    partial_images: int = _field(
        0,
        Fate.MAPPED,
        f"0 to {MOST_PREVIEWS}. Models here show nothing half drawn: with 1 or more there is one partial image, a "
        "small version of the finished picture, just before it.",
    )

    @field_validator("prompt")
    @classmethod
    def _prompt(cls, value: str) -> str:
        if is_blank(value):
            raise ValueError("must not be blank")
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("must not contain NUL or half of a surrogate pair")
        if len(value.strip()) > PROMPT_MAX_LENGTH:
            raise ValueError(f"must have at most {PROMPT_MAX_LENGTH} characters")
        return value

    @field_validator("model")
    @classmethod
    def _model(cls, value: str) -> str:
        if value and not _NAME.fullmatch(value):
            raise ValueError("is no name of a model; GET /v1/models lists them")
        return value

    @field_validator("n")
    @classmethod
    def _n(cls, value: int) -> int:
        if not 1 <= value <= MOST_IMAGES:
            raise ValueError(f"must be 1 to {MOST_IMAGES}")
        return value

    @field_validator("output_compression")
    @classmethod
    def _compression(cls, value: int | None) -> int | None:
        if value is not None and not 0 <= value <= 100:
            raise ValueError("must be 0 to 100")
        return value

    @field_validator("partial_images")
    @classmethod
    def _previews(cls, value: int) -> int:
        if not 0 <= value <= MOST_PREVIEWS:
            raise ValueError(f"must be 0 to {MOST_PREVIEWS}")
        return value

    @property
    def is_base64(self) -> bool:
        """Whether the pictures come in the answer, and not as addresses."""
        if self.stream or self.response_format:
            return self.stream or self.response_format == "b64_json"
        converts = self.output_format is not None or self.output_compression is not None
        return converts or self.model.startswith(("gpt-image", "chatgpt-image"))


@dataclass(frozen=True)
class Row:
    """A field, what becomes of it, and what there is to know. `of`: "both", or "generations" or "edits" alone."""

    name: str
    fate: Fate
    words: str
    of: str = "both"


_PICTURES = (
    Row(
        "image",
        Fate.HONOURED,
        "One picture is edited; two to six are what a new one goes by. PNG, JPEG or WebP.",
        "edits",
    ),
    Row(
        "mask",
        Fate.HONOURED,
        "A PNG as large as the picture, transparent where that may change. With one picture only.",
        "edits",
    ),
)
_IGNORED = (
    Row("moderation", Fate.IGNORED, "Each model has rules of its own."),
    Row("user", Fate.IGNORED, "Nothing is kept of it."),
    Row("safety_identifier", Fate.IGNORED, "Nothing is kept of it."),
    Row("style", Fate.IGNORED, "Say it in the prompt.", "generations"),
    Row("input_fidelity", Fate.IGNORED, "Edits keep what they can.", "edits"),
    Row("complexity", Fate.IGNORED, "Models here plan as they do."),
)
REFUSED = (
    Row("markup", Fate.REFUSED, "No model here reads one. Use `mask`, or say it in the prompt.", "edits"),
    Row("svg", Fate.REFUSED, "Models here draw pixels."),
    Row("frame_count", Fate.REFUSED, "Models here draw stills."),
    Row("frame_duration_ms", Fate.REFUSED, "Models here draw stills."),
)


def table() -> Iterator[Row]:
    """Yield what becomes of every field."""
    yield from _PICTURES
    for name, field in Asked.model_fields.items():
        extra: Any = field.json_schema_extra
        yield Row(name, Fate(extra["fate"]), field.description or "")
    yield from _IGNORED
    yield from REFUSED
    yield Row("…", Fate.IGNORED, "Any other field.")


def read(fields: dict[str, Any]) -> Asked:
    """Return the words of a call. Raises Told for the first field that cannot be."""
    for row in REFUSED:
        if any(name.partition("[")[0] == row.name for name in fields):
            raise invalid(row.name, _plain(row.words), "unsupported_parameter")
    if "prompt" not in fields:
        raise invalid("prompt", "it is missing", "missing_required_parameter")
    try:
        asked = Asked.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise invalid(str(first["loc"][0]), first["msg"].removeprefix("Value error, ")) from None
    if asked.background == "transparent":
        raise invalid("background", "no model here draws on transparency; leave it out, or send opaque")
    if asked.output_format and asked.response_format == "url" and not asked.stream:
        raise invalid("output_format", "with response_format url the picture stays as it was drawn; ask for b64_json")
    is_lossless = (asked.output_format or "png") == "png"
    if is_lossless and asked.output_compression not in (None, 100):
        raise invalid("output_compression", "only jpeg and webp have one; send output_format as well")
    return asked


def _plain(words: str) -> str:
    return words.replace("`", "").rstrip(".")
