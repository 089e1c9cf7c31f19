"""The JSON that the API takes and gives, field by field as the public document names them."""

from datetime import UTC
from typing import Annotated, Any, Literal, get_args

from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict
from pydantic_core import PydanticCustomError

from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH, PROMPT_REFUSED, Generation
from kit.text import is_blank

CREDIT_RETURNED = "Your credit was returned."
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


class GenerateBody(Schema):
    """What to draw. Types are strict; unknown fields are ignored, and `null` stands for a field that is not there."""

    model_config = ConfigDict(strict=True, extra="ignore", title="GenerateRequest")

    prompt: Annotated[Text, AfterValidator(_filled)] = Field(
        description="What to draw.",
        examples=["A red fox in fresh snow"],
        json_schema_extra={"minLength": 1, "maxLength": PROMPT_MAX_LENGTH},
    )
    negative_prompt: Text = Field(
        "",
        description="What to avoid.",
        examples=["people, text"],
        json_schema_extra={"maxLength": PROMPT_MAX_LENGTH},
    )
    aspect_ratio: AspectRatio = Field("1:1", description="The image's shape, width to height.")
    asynchronous: bool = Field(
        False, alias="async", description="Answer at once with a pending image, whose status you then ask for."
    )


class Metadata(Schema):
    """What is known of an image."""

    prompt: str = Field(description="As it was sent.")
    width: int | None = Field(None, description="Pixels.", examples=[1024])
    height: int | None = Field(None, description="Pixels.", examples=[1024])
    model: str | None = Field(None, description="What drew it; only in status look-ups.")
    created_at: str = Field(description="When it was asked for, in UTC.", examples=["2024-01-01T00:00:00Z"])


class Problem(Schema):
    """Why something failed."""

    code: str = Field(description="For programs. Codes stay as they are.", examples=["invalid_request"])
    message: str = Field(description="For people. Words may change.")
    param: str | None = Field(None, description="The field at fault, where there is one.", examples=["prompt"])
    image_id: str | None = Field(
        None, description="The image that is in the way, with `409`.", examples=["img_7Kx2mQ9vTfR4sWbN1cYpLhJd"]
    )


class GenerationBody(Schema):
    """A generation. `status` is `pending` until it is `completed` or `failed`; `stage` tells more meanwhile."""

    id: str = Field(description="The image's id.", examples=["img_7Kx2mQ9vTfR4sWbN1cYpLhJd"])
    status: Literal["pending", "completed", "failed"] = Field(description="`completed` and `failed` are final.")
    stage: Literal["queued", "submitting", "drawing"] | None = Field(None, description="Only while it is pending.")
    url: str | None = Field(None, description="Where the finished image is. Needs no key.")
    metadata: Metadata | None = Field(None, description="Once it is completed.")
    error: Problem | None = Field(None, description="Once it has failed.")


class ErrorBody(Schema):
    """The body of every error."""

    error: Problem = Field(description="What is wrong.")


def describe(generation: Generation, base: str, *, with_model: bool = False) -> dict[str, Any]:
    """Return a generation's JSON, with URLs on the site at `base`; `with_model` for status look-ups."""
    body: dict[str, Any] = {"id": generation.public_id, "status": "pending"}
    if not generation.is_final:
        body["stage"] = generation.status
        return body
    body["status"] = str(generation.status)
    if generation.status == Generation.Status.FAILED:
        message = f"{generation.error_message} {CREDIT_RETURNED}".lstrip()  # a purged one has no words left
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
