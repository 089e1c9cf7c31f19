"""What became of a call, as OpenAI's clients read it: `ImagesResponse`, and the pictures in it."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.api.openai import choices
from generator.api.openai.errors import INVALID, SERVER, OpenAIError, Told, translated
from generator.api.openai.fields import Asked
from generator.files import downloads, images, marks
from generator.models import Generation
from kit import storage
from kit.loops import PerLoop
from kit.threads import Pool, in_thread

TURNS = 4  # pictures that a process reads, converts and spells at a time
PREVIEW_SIDE = 480  # pixels of a partial image's longer side

THROWN_AWAY = OpenAIError(
    404, INVALID, "image_not_found", "An earlier call with this Idempotency-Key made the image, and it was deleted."
)


@dataclass(frozen=True)
class Outcome:
    """What became of the images of a call."""

    done: tuple[Generation, ...]
    failed: tuple[Generation, ...]
    pending: tuple[Generation, ...]


def outcome_of(generations: Sequence[Generation]) -> Outcome:
    """Sort a call's images by what became of them."""
    of = Generation.Status
    return Outcome(
        tuple(one for one in generations if one.status == of.COMPLETED),
        tuple(one for one in generations if one.status == of.FAILED),
        tuple(one for one in generations if not one.is_final),
    )


def not_finished(images: Sequence[Generation], site: str, *, is_taken_up: bool) -> OpenAIError:
    """Return that images are not finished. `is_taken_up`: the same call, sent again, gets these and is not charged."""
    if is_taken_up:
        words = (
            "The image is not finished yet, and is being drawn. Send the same request again: with the same "
            "Idempotency-Key, or as these clients do by themselves, it gets this image and is not charged again."
        )
        return _late("image_not_finished", words, images, retry=True, retry_after=1)
    words = f"The image is not finished yet, and is being drawn. It is charged once. {_where(images, site)}"
    return _late("image_not_finished", words, images, retry=False)


def unreadable(images: Sequence[Generation], site: str, *, is_taken_up: bool) -> OpenAIError:
    """Return that images are there, or on their way, and cannot be given. `is_taken_up`: as in `not_finished`."""
    if is_taken_up:
        words = "The image is drawn, and cannot be read just now. Send the same request again: it is not charged again."
        return _late("service_unavailable", words, images)
    words = f"The image cannot be read just now. It is charged once. {_where(images, site)}"
    return _late("service_unavailable", words, images, retry=False)


def _late(code: str, words: str, images: Sequence[Generation], **retry: Any) -> OpenAIError:
    ids = tuple(one.public_id for one in images if one.status != Generation.Status.FAILED)
    return OpenAIError(503, SERVER, code, words, ids=ids, **retry)


def _where(images: Sequence[Generation], site: str) -> str:
    """Say where images are to be looked for, by whom no other call gets them."""
    found = next(one for one in images if one.status != Generation.Status.FAILED)
    return (
        f"Look for it at {site}/v1/reve-image/status/{found.public_id}, with your key, or in your gallery; 'ids' names "
        "all that there are. The same request again, without an Idempotency-Key, is another image with a price of its "
        "own."
    )


def failure(generation: Generation, *, is_named: bool) -> OpenAIError:
    """Return why an image could not be made. `is_named`: the call has an Idempotency-Key, so that a retry is no try."""
    message = f"{generation.error_message} {generation.returned}".lstrip()
    found = translated(500, generation.error_code or "upstream_failed", message)
    if generation.is_refused:
        return OpenAIError(found.status, found.type, found.code, message, "prompt", retry=False)
    retry = False if is_named else found.retry
    return OpenAIError(found.status, found.type, found.code, message, None, retry)


def unless_done(outcome: Outcome, *, is_named: bool) -> None:
    """Raise Told where there is nothing to give of what is finished: all failed, or something was deleted."""
    if not outcome.done:
        raise Told(failure(outcome.failed[0], is_named=is_named))
    if any(one.was_deleted for one in outcome.done):
        raise Told(THROWN_AWAY)


async def response_of(outcome: Outcome, asked: Asked, site: str) -> dict[str, Any]:
    """Return the JSON of a call whose images are there. Raises StorageAway, FileNotFoundError, BadImage."""
    first = outcome.done[0]
    body: dict[str, Any] = {"created": created(outcome.done), "background": "opaque"}
    if asked.is_base64:
        format: str = asked.output_format or "png"
        spelled = [await spelled_of(one, asked) for one in outcome.done]
        pairs = zip(spelled, outcome.done, strict=True)
        body["data"] = [{"b64_json": text, "id": one.public_id} for text, one in pairs]
    else:
        format = downloads.original_format(first)
        body["data"] = [{"url": one.image_url(site), "id": one.public_id} for one in outcome.done]
    body |= {"output_format": format, "size": size_of(first)}
    if quality := choices.told_quality(first.quality):
        body["quality"] = quality
    body["usage"] = usage(outcome.done)
    if outcome.failed:
        body["failed"] = failures(outcome.failed)
    if first.is_test:
        body["test"] = True
    return body


def failures(generations: Sequence[Generation]) -> list[dict[str, Any]]:
    """Return what is told of those of several that failed."""
    return [{"id": one.public_id, **failure(one, is_named=False).body} for one in generations]


def created(generations: Sequence[Generation]) -> int:
    """Return when the last one was finished, in seconds as Unix counts them."""
    return max(int((one.finished_at or one.created_at).timestamp()) for one in generations)


def size_of(generation: Generation) -> str:
    """Return what an image measures, as OpenAI's answers say it."""
    return f"{generation.width}x{generation.height}"


def usage(generations: Sequence[Generation]) -> dict[str, Any]:
    """Return what clients count. Images here cost credits and no tokens: there are none of these."""
    return {
        "input_tokens": 0,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
        "output_tokens": 0,
        "total_tokens": 0,
        "credits": sum(one.credits for one in generations),
    }


async def spelled_of(generation: Generation, asked: Asked) -> str:
    """Return a finished image in base64, in the format that was asked for, with its mark.

    Raises StorageAway, FileNotFoundError, BadImage.
    """
    async with downloads.delivery_for(generation.wallet_id), _turns.get():
        data = await _converted(generation, asked)
        return await in_thread(lambda: base64.b64encode(data).decode(), Pool.PROCESSOR)


async def preview_of(generation: Generation, asked: Asked) -> str:
    """Return a small version of a finished image in base64. Raises as `spelled_of`."""
    format = downloads.FORMATS[asked.output_format or "png"]
    async with downloads.delivery_for(generation.wallet_id), _turns.get():
        data = await storage.in_time(partial(images.read, generation.file_name))
        mark = marks.mark_of(generation)
        small = await in_thread(
            partial(images.convert, data, format, mark, within=(PREVIEW_SIDE, PREVIEW_SIDE)), Pool.PROCESSOR
        )
        return await in_thread(lambda: base64.b64encode(small).decode(), Pool.PROCESSOR)


async def _converted(generation: Generation, asked: Asked) -> bytes:
    format, kept = asked.output_format or "png", asked.output_compression
    if kept is None or format == "png":
        return (await downloads.download_of(generation, format)).data
    data = await storage.in_time(partial(images.read, generation.file_name))
    mark = marks.mark_of(generation)
    return await in_thread(
        partial(images.convert, data, downloads.FORMATS[format], mark, quality=max(1, kept)), Pool.PROCESSOR
    )


async def _closed(turns: asyncio.Semaphore) -> None:
    """Nothing is to be closed."""


_turns = PerLoop(lambda: asyncio.Semaphore(TURNS), _closed)
