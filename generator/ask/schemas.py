"""The JSON that the API takes and gives, field by field as the public document names them."""

from datetime import UTC
from typing import Annotated, Any, Literal, get_args

from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict
from pydantic_core import PydanticCustomError

from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH, PROMPT_REFUSED, PUBLIC_ID, Generation
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


Text = Annotated[str, AfterValidator(_text)]
# What `_text` and `_filled` take, for the document.
TEXT = r"^[^\x00]*$"
FILLED = rf"^[^\x00]*{SEEN}[^\x00]*$"


class GenerateRequest(Schema):
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
    asynchronous: bool = Field(
        False, alias="async", description="Answer at once with a pending image, whose status you then ask for."
    )


_ID = Field(
    description="The image's id.",
    examples=["img_7Kx2mQ9vTfR4sWbN1cYpLhJd"],
    json_schema_extra={"pattern": f"^{PUBLIC_ID.pattern}$"},
)


class Metadata(Schema):
    """What is known of an image."""

    prompt: str = Field(description="As it was sent.", examples=["A red fox in fresh snow"])
    width: int = Field(description="Pixels, as viewers show it.", ge=1, examples=[1024])
    height: int = Field(description="Pixels, as viewers show it.", ge=1, examples=[1024])
    created_at: str = Field(
        description="When it was asked for, in UTC.",
        examples=["2026-01-15T09:30:00Z"],
        json_schema_extra={"format": "date-time"},
    )
    model: str = Field(
        default_factory=str, description="What drew it; only in status look-ups.", examples=["text2image_v1"]
    )


class Failure(Schema):
    """Why there is no image."""

    code: Literal["prompt_refused", "upstream_failed", "timed_out", "cancelled"] = Field(
        description="For programs.", examples=["upstream_failed"]
    )
    message: str = Field(
        description="For people. Words may change.",
        examples=["The image could not be generated. Your credit was returned."],
    )
    param: Literal["prompt"] = Field(
        default_factory=lambda: "prompt", description="The field at fault, where the prompt was refused."
    )


class PendingImage(Schema):
    """An image that is not finished. Ask for its status again, once a second."""

    id: str = _ID
    status: Literal["pending"] = Field(description="It is not finished.")
    stage: Literal["queued", "submitting", "drawing"] = Field(description="How far it is.", examples=["queued"])


class CompletedImage(Schema):
    """A finished image. Nothing about it changes any more."""

    id: str = _ID
    status: Literal["completed"] = Field(description="It is finished.")
    url: str = Field(
        description="Where the image is. Needs no key.",
        examples=["https://images.example.com/images/Vb3nK8sQ1xZt6LwY0fHdR5mCpJ2aGu9E.png"],
        json_schema_extra={"format": "uri"},
    )
    metadata: Metadata = Field(description="What is known of it.")


class FailedImage(Schema):
    """An image that could not be made. It stays so, and its credit was returned."""

    id: str = _ID
    status: Literal["failed"] = Field(description="There is no image, and there will be none.")
    error: Failure = Field(description="Why.")


Image = Annotated[PendingImage | CompletedImage | FailedImage, Field(discriminator="status")]


def describe(generation: Generation, base: str, *, with_model: bool = False) -> dict[str, Any]:
    """Return a generation's JSON, with URLs on the site at `base`; `with_model` for status look-ups."""
    body: dict[str, Any] = {"id": generation.public_id, "status": "pending"}
    if not generation.is_final:
        body["stage"] = generation.status
        return body
    body["status"] = str(generation.status)
    if generation.status == Generation.Status.FAILED:
        message = f"{generation.error_message} {generation.returned}".lstrip()  # a purged one has no words left
        body["error"] = {"code": generation.error_code, "message": message}
        if generation.error_code == PROMPT_REFUSED:
            body["error"]["param"] = "prompt"
        return body
    body["url"] = generation.image_url(base)
    created = generation.created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    body["metadata"] = {
        "prompt": generation.prompt,
        "width": generation.width,
        "height": generation.height,
        "created_at": created,
    }
    if with_model:
        body["metadata"]["model"] = generation.model
    return body
