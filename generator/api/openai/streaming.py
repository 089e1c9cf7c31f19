"""A call's images as server-sent events, in OpenAI's names: `image_generation.completed`, `image_edit.completed`.

Comments tell that the images are being drawn, so that nothing on the way ends a silent connection; clients pass over
them. Where partial images are asked for there is one, a small version of the finished picture: models here show nothing
half drawn. An error is an event whose data has an `error`, which clients raise.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from django.conf import settings

from generator import live
from generator.api.openai import answers, choices
from generator.api.openai.answers import NOT_FINISHED, UNREADABLE
from generator.api.openai.errors import OpenAIError
from generator.api.openai.fields import Asked
from generator.models import Generation, Operation
from kit.threads import Pool, in_thread

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 10.0


async def events(
    generations: Sequence[Generation], asked: Asked, *, is_named: bool, ended: Callable[[], Any]
) -> AsyncIterator[bytes]:
    """Yield the events of a call whose images are admitted, and await `ended()` when its caller has all there is.

    Whoever hangs up stops the waiting; the images go on.
    """
    waiting = {asyncio.ensure_future(_end_of(one)) for one in generations}
    failed: list[Generation] = []
    done = 0
    yield b": drawing\n\n"
    try:
        while waiting:
            arrived, waiting = await asyncio.wait(
                waiting, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not arrived:
                yield b": drawing\n\n"
            for one in [each.result() for each in arrived]:
                if not one.is_final:
                    yield await _error(NOT_FINISHED)
                    return
                if one.status == Generation.Status.FAILED:
                    failed.append(one)
                    continue
                async for event in _told(one, asked):
                    yield event
                done += 1
        if not done:
            yield await _error(answers.failure(failed[0], is_named=is_named))
        await ended()
    except Exception:
        log.exception("An image's events ended early")
        yield await _error(UNREADABLE)
    finally:  # also where whoever listened has hung up
        for each in waiting:
            each.cancel()


async def _end_of(generation: Generation) -> Generation:
    return generation if generation.is_final else await live.wait_until_final(generation, settings.SYNC_WAIT_SECONDS)


async def _told(generation: Generation, asked: Asked) -> AsyncIterator[bytes]:
    kind = "image_generation" if generation.operation == Operation.CREATE else "image_edit"
    common = {
        "created_at": answers.created([generation]),
        "size": answers.size_of(generation),
        "quality": choices.told_quality(generation.quality) or "auto",
        "background": "opaque",
        "output_format": asked.output_format or "png",
    }
    if asked.partial_images:
        preview = await answers.preview_of(generation, asked)
        yield await _event(f"{kind}.partial_image", {"b64_json": preview, "partial_image_index": 0, **common})
    own: dict[str, Any] = {"id": generation.public_id, "usage": answers.usage([generation])}
    own |= {"test": True} if generation.is_test else {}
    whole = await answers.spelled_of(generation, asked)
    yield await _event(f"{kind}.completed", {"b64_json": whole, **common, **own})


async def _error(error: OpenAIError) -> bytes:
    return await _event("error", error.body)


async def _event(name: str, data: dict[str, Any]) -> bytes:
    return await in_thread(
        lambda: f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode(), Pool.PROCESSOR
    )
