"""The JSON of what is done about images that were asked for: lists of them, calling one off, deleting one."""

from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import AwareDatetime

from generator.ask.answers import (
    ID,
    CompletedImage,
    Done,
    FailedImage,
    Image,
    PendingImage,
    describe,
)
from generator.ask.schemas import CHOICE_MAX_LENGTH, WRITTEN
from generator.library.filters import SEARCH_MAX_LENGTH
from generator.models import Generation
from kit.text import counted

_CANCELLED: Any = Field(description="Whether it was called off, now or before.")
_CHARGED: Any = Field(description="What it has cost, or will if it is drawn, in credits.", ge=0, examples=[0])
_WHAT_HAPPENS: Any = Field(
    description="What happens, for people. Words may change.", examples=["It is cancelled. Your credit was returned."]
)


class PendingCancel(PendingImage):
    """An image that could not be called off, and goes on."""

    cancelled: bool = _CANCELLED
    credits_charged: int = _CHARGED
    message: str = _WHAT_HAPPENS


class CompletedCancel(CompletedImage):
    """An image that was finished before it could be called off."""

    cancelled: bool = _CANCELLED
    credits_charged: int = _CHARGED
    message: str = _WHAT_HAPPENS


class FailedCancel(FailedImage):
    """An image that is called off, or had failed before."""

    cancelled: bool = _CANCELLED
    credits_charged: int = _CHARGED
    message: str = _WHAT_HAPPENS


Cancel = Annotated[PendingCancel | CompletedCancel | FailedCancel, Field(discriminator="status")]


def describe_cancel(generation: Generation, base: str, *, asked_of: str, place: int | None) -> dict[str, Any]:
    """Return the JSON of an image that its owner wished to call off."""
    credits = counted(generation.credits, "credit")
    if generation.is_cancelled:
        message = f"It is cancelled. {generation.returned}"
    elif generation.status == Generation.Status.COMPLETED:
        message = f"It was finished already, and cost {credits}."
    elif generation.status == Generation.Status.FAILED:
        message = f"It had failed already. {generation.returned}"
    else:
        message = f"It is being made already, and goes on: it costs {credits} if it is drawn."
    return {
        **describe(generation, base, asked_of=asked_of, place=place),
        "cancelled": generation.is_cancelled,
        "credits_charged": 0 if generation.status == Generation.Status.FAILED else generation.credits,
        "message": message,
    }


class ImageList(Schema):
    """Images that you asked for, the newest first."""

    object: Literal["list"] = Field(description="For clients of OpenAI's API.")
    data: list[Image] = Field(description="Each as its status tells it.")
    has_more: bool = Field(description="Whether there are older ones.")
    next_cursor: str = Field(
        default_factory=str,
        description="What to ask for as `cursor`, for those; only where there are more.",
        examples=["MTc2ODQ2OTQwMDAwMDAwMC4xNw"],
    )


class ListQuery(Schema):
    """Which images to list."""

    limit: int = Field(20, ge=1, le=100, description="How many, at most.")
    cursor: str = Field("", max_length=100, description="The `next_cursor` of the page before.")
    status: Literal["pending", "completed", "failed"] | None = Field(None, description="Only these.")
    operation: Done | None = Field(None, description="Only what was asked for in this way.")
    model: str = Field(
        "", max_length=CHOICE_MAX_LENGTH, description="Only of this model, as `GET /v1/models` names it."
    )
    created_after: Annotated[AwareDatetime | None, WRITTEN] = Field(
        None, description="Only what was asked for after this moment, with its offset from UTC."
    )
    created_before: Annotated[AwareDatetime | None, WRITTEN] = Field(
        None, description="Only what was asked for before this moment."
    )
    q: str = Field("", max_length=SEARCH_MAX_LENGTH, description="Only where the prompt has all of these words.")


class DeletedImage(Schema):
    """An image that is in the trash: gone from every list, and for good after a while."""

    id: str = ID
    deleted: Literal[True] = Field(description="It is deleted.")
