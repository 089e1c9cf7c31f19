"""The JSON that the API takes and gives, field by field as the public document names them."""

from datetime import UTC
from typing import Annotated, Any, Literal, get_args

from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict
from pydantic_core import PydanticCustomError

from generator.models import ASPECT_RATIOS, PROMPT_MAX_LENGTH, Generation

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
    if not value.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return value


Text = Annotated[str, AfterValidator(_text)]


class GenerateBody(Schema):
    """What to draw. Types are strict; unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", title="GenerateRequest")

    prompt: Annotated[Text, AfterValidator(_filled)] = Field(description="What to draw, 1 to 4,000 characters.")
    negative_prompt: Text = Field("", description="What to avoid.")
    aspect_ratio: AspectRatio = Field("1:1", description="The image's shape.")
    asynchronous: bool = Field(False, alias="async", description="Answer at once and poll the status.")


class Metadata(Schema):
    """What is known of an image."""

    prompt: str
    width: int | None = Field(None, description="Pixels.")
    height: int | None = Field(None, description="Pixels.")
    model: str | None = None
    created_at: str = Field(description="UTC, as in 2024-01-01T00:00:00Z.")


class Problem(Schema):
    """Why something failed."""

    code: str
    message: str
    param: str | None = None


class GenerationBody(Schema):
    """A generation. `status` is `pending` until it is `completed` or `failed`; `stage` tells more meanwhile."""

    id: str
    status: Literal["pending", "completed", "failed"]
    stage: str | None = None
    url: str | None = None
    metadata: Metadata | None = None
    error: Problem | None = None


class ErrorBody(Schema):
    """The body of every error."""

    error: Problem


def describe(generation: Generation, base: str, *, with_model: bool = False) -> dict[str, Any]:
    """Return a generation's JSON, with URLs on the site at `base`; `with_model` for status look-ups."""
    body: dict[str, Any] = {"id": generation.public_id, "status": "pending"}
    if not generation.is_final:
        body["stage"] = generation.status
        return body
    body["status"] = str(generation.status)
    if generation.status == Generation.Status.FAILED:
        message = f"{generation.error_message} {CREDIT_RETURNED}"
        body["error"] = {"code": generation.error_code, "message": message}
        if generation.error_code == "invalid_request":
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
