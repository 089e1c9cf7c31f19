"""The JSON that the API gives, field by field as the public document names them; `schemas` has what it takes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from ninja import Field, Schema

from generator.ask.admission import ImageRequest
from generator.ask.dry_run import Estimate
from generator.ask.schemas import MOST_IMAGES, AspectRatio
from generator.models import FILE_ID, PROMPT_REFUSED, PUBLIC_ID, Generation, Operation, Upload

ID: Any = Field(
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


_OPERATION: Any = Field(default_factory=str, description="What was asked for; only in status look-ups.")
_ASKED: Any = Field(
    default_factory=str, description="The model that was asked; only in status look-ups.", examples=["text2image_v1"]
)
_CREDITS: Any = Field(
    default_factory=int,
    description="What it costs, in credits; only in status look-ups. 0 where a test key asked.",
    ge=0,
    examples=[1],
)
_TEST: Any = Field(
    default_factory=lambda: True, description="A test key asked for it: a sample, and free. Left out of all others."
)
_SEED: Any = Field(
    default_factory=int, description="What it was drawn from, where that was asked for; only in look-ups.", ge=0
)
Done = Literal["create", "edit", "remix"]
assert get_args(Done) == tuple(Operation.values)


class PendingImage(Schema):
    """An image that is not finished. Ask for its status again, once a second."""

    id: str = ID
    status: Literal["pending"] = Field(description="It is not finished.")
    stage: Literal["queued", "submitting", "drawing"] = Field(description="How far it is.", examples=["queued"])
    status_url: str = Field(
        description="Where its status is asked for, with the same key.",
        examples=["https://example.com/v1/reve-image/status/img_7Kx2mQ9vTfR4sWbN1cYpLhJd"],
        json_schema_extra={"format": "uri"},
    )
    queue_position: int = Field(
        default_factory=int,
        description="About which place it has in the queue: 1 is next. Only in look-ups, while it is queued and not "
        "very far behind.",
        ge=1,
        examples=[3],
    )
    cancel_url: str = Field(
        description="Where it is called off, by `POST` and with the same key.",
        examples=["https://example.com/v1/reve-image/img_7Kx2mQ9vTfR4sWbN1cYpLhJd/cancel"],
        json_schema_extra={"format": "uri"},
    )
    events_url: str = Field(
        description="Where its changes are told as they happen, as server-sent events, with the same key.",
        examples=["https://example.com/v1/reve-image/img_7Kx2mQ9vTfR4sWbN1cYpLhJd/events"],
        json_schema_extra={"format": "uri"},
    )
    operation: Done = _OPERATION
    model: str = _ASKED
    credits: int = _CREDITS
    seed: int = _SEED
    test: Literal[True] = _TEST


class CompletedImage(Schema):
    """A finished image. Nothing about it changes any more."""

    id: str = ID
    status: Literal["completed"] = Field(description="It is finished.")
    url: str = Field(
        description="Where the image is. Needs no key.",
        examples=["https://images.example.com/images/Vb3nK8sQ1xZt6LwY0fHdR5mCpJ2aGu9E.png"],
        json_schema_extra={"format": "uri"},
    )
    metadata: Metadata = Field(description="What is known of it.")
    operation: Done = _OPERATION
    model: str = _ASKED
    credits: int = _CREDITS
    seed: int = _SEED
    test: Literal[True] = _TEST


class FailedImage(Schema):
    """An image that could not be made. It stays so, and its credit was returned."""

    id: str = ID
    status: Literal["failed"] = Field(description="There is no image, and there will be none.")
    error: Failure = Field(description="Why.")
    operation: Done = _OPERATION
    model: str = _ASKED
    credits: int = _CREDITS
    seed: int = _SEED
    test: Literal[True] = _TEST


Image = Annotated[PendingImage | CompletedImage | FailedImage, Field(discriminator="status")]
_IMAGES: Any = Field(description="Each image, in the order of their numbers.")


class PendingImages(Schema):
    """Several images that were asked for at once, of which some are not finished."""

    status: Literal["pending"] = Field(description="Some are not finished.")
    images: list[Image] = _IMAGES
    test: Literal[True] = _TEST


class CompletedImages(Schema):
    """Several images that were asked for at once: all have ended, and there is one at least."""

    status: Literal["completed"] = Field(description="All have ended, one at least with an image.")
    images: list[Image] = _IMAGES
    test: Literal[True] = _TEST


class FailedCall(Schema):
    """Why a call that asked for several images was answered with none."""

    code: Literal["prompt_refused", "upstream_failed"] = Field(
        description="For programs.", examples=["upstream_failed"]
    )
    message: str = Field(
        description="For people. Words may change.",
        examples=["The image could not be generated. Your credit was returned."],
    )
    param: Literal["prompt"] = Field(
        default_factory=lambda: "prompt", description="The field at fault, where the prompt was refused."
    )


class FailedImages(Schema):
    """Several images that were asked for at once, none of which could be made. All their credits were returned."""

    status: Literal["failed"] = Field(description="There is no image.")
    images: list[Image] = _IMAGES
    test: Literal[True] = _TEST
    error: FailedCall = Field(description="Why there is none.")


class DryRun(Schema):
    """What a request would cost: the answer to one with `dry_run`. Nothing was drawn, charged or counted."""

    dry_run: Literal[True] = Field(description="Nothing happened.")
    credits: int = Field(description="What all of it would cost, in credits.", ge=0, examples=[2])
    credits_each: int = Field(description="What one image would cost.", ge=0, examples=[1])
    credits_remaining: int = Field(description="What you have now.", examples=[97])
    affordable: bool = Field(
        description="Whether your credits cover it, and the API key's credit limit leaves room for it.", examples=[True]
    )
    operation: Done = Field(description="What would be done.", examples=["create"])
    model: str = Field(description="The model that would do it.", examples=["text2image_v1"])
    size: str = Field(description='The size; "" where the model offers no choice.', examples=["1K"])
    quality: str = Field(description='The quality; "" where the model offers no choice.', examples=["high"])
    aspect_ratio: AspectRatio = Field(description="The shape, width to height.", examples=["1:1"])
    n: int = Field(description="How many images.", ge=1, le=MOST_IMAGES, examples=[2])


Drawn = CompletedImage | CompletedImages | DryRun
Pending = PendingImage | PendingImages


def describe(generation: Generation, base: str, *, asked_of: str = "", place: int | None = None) -> dict[str, Any]:
    """Return a generation's JSON, with URLs on the site at `base`.

    `asked_of` is the model's slug, for status look-ups, which tell more, as its `place` in the queue.
    """
    body: dict[str, Any] = {"id": generation.public_id, "status": "pending"}
    if generation.is_final:
        body["status"] = str(generation.status)
    else:
        body["stage"] = generation.status
        body["status_url"] = f"{base}/v1/reve-image/status/{generation.public_id}"
        body["cancel_url"] = f"{base}/v1/reve-image/{generation.public_id}/cancel"
        body["events_url"] = f"{base}/v1/reve-image/{generation.public_id}/events"
        if place is not None:
            body["queue_position"] = place
    if generation.status == Generation.Status.FAILED:
        message = f"{generation.error_message} {generation.returned}".lstrip()  # a purged one has no words left
        body["error"] = {"code": generation.error_code, "message": message}
        if generation.error_code == PROMPT_REFUSED:
            body["error"]["param"] = "prompt"
    elif generation.is_final:
        body["url"] = generation.image_url(base)
        body["metadata"] = {
            "prompt": generation.prompt,
            "width": generation.width,
            "height": generation.height,
            "created_at": _moment(generation.created_at),
        }
        if asked_of:
            body["metadata"]["model"] = generation.model
    if generation.is_test:
        body["test"] = True
    if asked_of:
        body |= {"operation": generation.operation, "model": asked_of, "credits": generation.credits}
        if generation.seed is not None:
            body["seed"] = generation.seed
    return body


def all_final(generations: Sequence[Generation]) -> bool:
    """Tell whether all of these have ended."""
    return all(one.is_final for one in generations)


def describe_all(generations: Sequence[Generation], base: str) -> dict[str, Any]:
    """Return the JSON of several generations that were asked for at once."""
    if not all_final(generations):
        status = "pending"
    else:
        status = "completed" if any(one.status == Generation.Status.COMPLETED for one in generations) else "failed"
    body: dict[str, Any] = {"status": status, "images": [describe(one, base) for one in generations]}
    if generations[0].is_test:
        body["test"] = True
    if status == "failed":
        # Where it was not the prompt's fault alone, what else went wrong is the error.
        which = next((at for at, one in enumerate(generations) if not one.is_refused), 0)
        body["error"] = {**body["images"][which]["error"], "code": failure_code(generations[which])}
    return body


def failure_code(generation: Generation) -> str:
    """Return what a call that was answered with a failure calls it: the prompt's fault, or not."""
    return PROMPT_REFUSED if generation.is_refused else "upstream_failed"


def describe_estimate(estimate: Estimate, wanted: ImageRequest) -> dict[str, Any]:
    """Return the JSON of what a request would cost."""
    quote = estimate.quote
    return {
        "dry_run": True,
        "credits": estimate.credits,
        "credits_each": quote.credits,
        "credits_remaining": estimate.balance,
        "affordable": estimate.is_affordable,
        "operation": wanted.operation.value,
        "model": quote.model.slug,
        "size": quote.size,
        "quality": quote.quality,
        "aspect_ratio": wanted.aspect_ratio,
        "n": wanted.count,
    }


class File(Schema):
    """A picture that you uploaded: upright, without metadata, and seen by nobody else."""

    id: str = Field(
        description="The file's id, for `image`, `images` and `mask`.",
        examples=["file_9TfR4sWbN1cYpLhJd7Kx2mQ9"],
        json_schema_extra={"pattern": f"^{FILE_ID.pattern}$"},
    )
    width: int = Field(description="Pixels, as viewers show it.", ge=1, examples=[1536])
    height: int = Field(description="Pixels, as viewers show it.", ge=1, examples=[1024])
    size: int = Field(description="Bytes, as it is kept.", ge=1, examples=[824112])
    media_type: Literal["image/png", "image/jpeg", "image/webp"] = Field(
        description="What it is.", examples=["image/jpeg"]
    )
    expires_at: str = Field(
        description="When it is deleted, in UTC, unless an image that you keep was made from it.",
        examples=["2026-02-14T09:30:00Z"],
        json_schema_extra={"format": "date-time"},
    )


def describe_file(upload: Upload, media_type: str) -> dict[str, Any]:
    """Return an upload's JSON."""
    return {
        "id": upload.public_id,
        "width": upload.width,
        "height": upload.height,
        "size": upload.size,
        "media_type": media_type,
        "expires_at": _moment(upload.expires_at),
    }


class DeletedFile(Schema):
    """A file that is not there any more."""

    id: str = Field(description="The file's id.", examples=["file_9TfR4sWbN1cYpLhJd7Kx2mQ9"])
    deleted: Literal[True] = Field(description="It is deleted.")


class ModelPrice(Schema):
    """What one image costs."""

    operation: Done = Field(description="What is asked for.", examples=["create"])
    size: str = Field(description='The size; "" where the model offers no choice.', examples=["1K"])
    quality: str = Field(description='The quality; "" where the model offers no choice.', examples=["high"])
    credits: int = Field(description="Credits for one image.", ge=1, examples=[1])


class Model(Schema):
    """A model that you can choose."""

    id: str = Field(description="What requests call it.", examples=["text2image_v1"])
    object: Literal["model"] = Field(description="For clients of OpenAI's API.")
    created: int = Field(description="Since when it is there, in seconds as Unix counts them.", examples=[1767225600])
    owned_by: str = Field(description="Whose site this is.", examples=["Reve Web"])
    name: str = Field(description="What people call it.", examples=["Reve Image 1.0"])
    description: str = Field(description='What it is good at; may be "".', examples=["Follows long prompts closely"])
    operations: list[Done] = Field(description="What it can do.", examples=[["create"]])
    aspect_ratios: list[AspectRatio] = Field(description="The shapes that it draws.", examples=[["1:1", "16:9"]])
    sizes: list[str] = Field(description="The sizes that it offers; none: there is no choice.", examples=[["1K"]])
    qualities: list[str] = Field(
        description="The qualities that it offers; none: there is no choice.", examples=[["high"]]
    )
    seed: bool = Field(description="Whether requests may name a `seed`.", examples=[False])
    prices: list[ModelPrice] = Field(description="What each of its images costs.")


class Models(Schema):
    """The models that you can choose; the first is used where a request names none."""

    object: Literal["list"] = Field(description="For clients of OpenAI's API.")
    data: list[Model] = Field(description="In the order in which they are offered.")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
