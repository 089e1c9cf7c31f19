"""The JSON that the API takes, field by field as the public document names them; `answers` has what it gives."""

import re
from typing import Annotated, Any, Literal, get_args

from django.conf import settings
from ninja import Field, Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from generator.ask.admission import SEEDS
from generator.models import (
    ASPECT_RATIOS,
    PROMPT_MAX_LENGTH,
    REMIX_MOST_INPUTS,
)
from kit.http import callbacks
from kit.text import SEEN, is_blank

AspectRatio = Literal["1:1", "16:9", "4:3", "3:4", "9:16", "2:3", "3:2"]
assert get_args(AspectRatio) == ASPECT_RATIOS


def _text(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("nul", "must not contain the NUL character")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise PydanticCustomError("surrogate", "must not contain half of a surrogate pair")
    if len(value.strip()) > PROMPT_MAX_LENGTH:
        raise PydanticCustomError("too_long", f"must have at most {PROMPT_MAX_LENGTH} characters")
    return value


def _filled(value: str) -> str:
    if is_blank(value):
        raise PydanticCustomError("blank", "must not be blank")
    return value


def _slug(value: str) -> str:
    if not _CHOICE.fullmatch(value):
        raise PydanticCustomError("slug", "must be one of the names that GET /v1/models lists")
    return value


def _callback(value: str) -> str:
    if value and (words := callbacks.problem_of(value)):
        raise PydanticCustomError("callback", "{words}", {"words": words})
    return value


def _written(value: object) -> object:
    """Refuse a number where a day or a moment is asked for: it would be taken for seconds since 1970."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9._]*", value.strip()):
        raise PydanticCustomError("moment", "must be written as 2026-01-15, and a moment as 2026-01-15T09:30:00Z")
    return value


WRITTEN = BeforeValidator(_written)
CHOICE_MAX_LENGTH = 60
_CHOICE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,59}")
Text = Annotated[str, AfterValidator(_text)]
# What `_text` and `_filled` take, for the document.
TEXT = r"^[^\x00]*$"
FILLED = rf"^[^\x00]*{SEEN}[^\x00]*$"


Choice = Annotated[str, AfterValidator(_slug)]
Callback = Annotated[str, AfterValidator(_callback)]
_WEBHOOK: Any = Field(
    "",
    description="An `https://` address that is told, signed, once each image has ended.",
    examples=["https://example.com/hooks/images"],
    json_schema_extra={"maxLength": callbacks.MOST, "pattern": r"^(https?://[!-~]+)?$"},
)
_ASYNC: Any = Field(
    False, alias="async", description="Answer at once with a pending image, whose status you then ask for."
)
MOST_IMAGES = 10  # of one request


def _in_time(value: int | None) -> int | None:
    if value is not None and value > settings.GENERATION_DEADLINE_SECONDS:
        raise PydanticCustomError("deadline", f"must be at most {settings.GENERATION_DEADLINE_SECONDS}")
    return value


class _Job(Schema):
    """What every request for images may have beside what it wants drawn."""

    n: int = Field(
        1,
        description="How many images. All of them are taken on, or none, and each has a price of its own. More than "
        "one are answered as `images`.",
        examples=[2],
        ge=1,
        le=MOST_IMAGES,
    )
    deadline_seconds: Annotated[int | None, AfterValidator(_in_time)] = Field(
        None,
        description="An image that is not finished by then fails with `timed_out`, and its credits return. Without one "
        f"that is after {settings.GENERATION_DEADLINE_SECONDS} seconds, which is the most.",
        examples=[60],
        ge=1,
    )
    seed: int | None = Field(
        None,
        description="The same seed, words and settings draw the same image again, where the model has seeds "
        "(`GET /v1/models`). Of several images each has the next one.",
        examples=[42],
        ge=0,
        le=SEEDS - 1,
    )
    dry_run: bool = Field(
        False, description="Only say what this request would cost. Nothing is drawn, charged or counted."
    )


def _choice(words: str, unasked: str, example: str) -> Any:
    return Field(
        "",
        description=f"{words} Without one {unasked}.",
        examples=[example],
        json_schema_extra={"maxLength": CHOICE_MAX_LENGTH, "pattern": f"^{_CHOICE.pattern}$"},
    )


class GenerateRequest(_Job):
    """What to draw. Types are strict; unknown fields are ignored, and `null` stands for a field that is not there."""

    model_config = ConfigDict(strict=True, extra="ignore")

    prompt: Annotated[Text, AfterValidator(_filled)] = Field(
        description="What to draw.",
        examples=["A red fox in fresh snow"],
        json_schema_extra={"pattern": FILLED, "minLength": 1, "maxLength": PROMPT_MAX_LENGTH},
    )
    negative_prompt: Text = Field(
        "",
        description="What to avoid.",
        examples=["people, text"],
        json_schema_extra={"pattern": TEXT, "maxLength": PROMPT_MAX_LENGTH},
    )
    aspect_ratio: AspectRatio = Field("1:1", description="The image's shape, width to height.")
    asynchronous: bool = _ASYNC
    model: Choice = _choice("Which model draws it, as `GET /v1/models` names it.", "the first one", "text2image_v1")
    size: Choice = _choice("One of the model's sizes.", "its first one", "1K")
    quality: Choice = _choice("One of the model's qualities.", "its first one", "high")
    webhook_url: Callback = _WEBHOOK


_IMAGE_WAYS = (
    "an id (`img_…` of a finished image of yours, `file_…` of an upload), an `https://` address, a data URL, or "
    "base64. PNG, JPEG or WebP, up to 20 MB"
)
_RATIO_CHOICES = {"enum": list(ASPECT_RATIOS)}


class _Change(Schema):
    model_config = ConfigDict(strict=True, extra="ignore")

    prompt: Annotated[Text, AfterValidator(_filled)] = Field(
        description="What to make of it.",
        examples=["Make it night, with lit windows"],
        json_schema_extra={"pattern": FILLED, "minLength": 1, "maxLength": PROMPT_MAX_LENGTH},
    )


class _Settings(_Job):
    negative_prompt: Text = Field(
        "",
        description="What to avoid.",
        examples=["people, text"],
        json_schema_extra={"pattern": TEXT, "maxLength": PROMPT_MAX_LENGTH},
    )
    asynchronous: bool = _ASYNC
    model: Choice = _choice("Which model does it, as `GET /v1/models` names it.", "the first one", "text2image_v1")
    size: Choice = _choice("One of the model's sizes.", "its first one", "1K")
    quality: Choice = _choice("One of the model's qualities.", "its first one", "high")
    webhook_url: Callback = _WEBHOOK


class EditRequest(_Settings, _Change):
    """An image, and what to change about it."""

    image: str = Field(description=f"The image to change: {_IMAGE_WAYS}.", examples=["img_7Kx2mQ9vTfR4sWbN1cYpLhJd"])
    mask: str = Field(
        "",
        description="White where the image may change, black where not, and as large as it: an id of an upload, or as "
        "for `image`. Without one all of it may.",
        examples=["file_9TfR4sWbN1cYpLhJd7Kx2mQ9"],
    )
    aspect_ratio: AspectRatio | None = Field(
        None, description="The result's shape, width to height. Without one the nearest to the image's own."
    )


class RemixRequest(_Settings, _Change):
    """Images to go by, and what to draw."""

    images: list[str] = Field(
        description=f"One to {REMIX_MOST_INPUTS} images to go by, each {_IMAGE_WAYS}.",
        examples=[["img_7Kx2mQ9vTfR4sWbN1cYpLhJd", "https://example.com/style.jpg"]],
        min_length=1,
        max_length=REMIX_MOST_INPUTS,
    )
    aspect_ratio: AspectRatio = Field("1:1", description="The result's shape, width to height.")
