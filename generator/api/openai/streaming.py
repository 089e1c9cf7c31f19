"""A call's images as server-sent events, in OpenAI's names: `image_generation.completed`, `image_edit.completed`.

Comments tell that the images are being drawn, so that nothing on the way ends a silent connection; clients pass over
them. Where partial images are asked for there is one, a small version of the finished picture: models here show nothing
half drawn. An error is an event whose data has an `error`, which clients raise. Which of several failed is told as
`failed` in the last picture's event, or where that is gone already by one of its own.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from django.utils import timezone

from generator import live
from generator.api.openai import answers, choices
from generator.api.openai.errors import OpenAIError
from generator.api.openai.fields import Asked
from generator.ask.retried import Try
from generator.models import Generation, Operation
from kit.threads import Pool, in_thread

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 10.0
GRACE_SECONDS = 10.0  # so long after its deadline an image may take to be ended


async def events(
    generations: Sequence[Generation], asked: Asked, *, site: str, is_named: bool, trying: Try | None
) -> AsyncIterator[bytes]:
    """Yield the events of a call whose images are admitted, as which of its client's tries it may be.

    Whoever hangs up stops the waiting; the images go on. `is_named`: the call has an Idempotency-Key. Without one the
    same call is another one, whoever sends it: no client tries a stream again that has begun.
    """
    waiting = {asyncio.ensure_future(_end_of(one)) for one in generations}
    untold = {one.pk: one for one in generations}  # and not failed
    failed: list[Generation] = []
    late: list[Generation] = []
    is_told = has_all = False
    try:
        yield b": drawing\n\n"
        while waiting:
            arrived, waiting = await asyncio.wait(
                waiting, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not arrived:
                yield b": drawing\n\n"
            outcome = answers.outcome_of([each.result() for each in arrived])
            failed += outcome.failed
            for one in outcome.failed:
                del untold[one.pk]
            late += outcome.pending
            for left, one in zip(reversed(range(len(outcome.done))), outcome.done, strict=True):
                is_last = not waiting and not left
                async for event in _told(one, asked, failed if is_last else ()):
                    yield event
                del untold[one.pk]
                is_told = is_last
        if late:
            yield await _error(answers.not_finished(late, site, is_taken_up=is_named))
            return
        if len(failed) == len(generations):
            yield await _error(answers.failure(failed[0], is_named=is_named))
        elif failed and not is_told:
            yield await _event(f"{_kind(failed[0])}.failed", {"failed": answers.failures(failed)})
        has_all = True
    except Exception:
        log.exception("An image's events ended early")
        yield await _error(answers.unreadable(list(untold.values()) or generations, site, is_taken_up=is_named))
    finally:  # also where whoever listened has hung up
        for each in waiting:
            each.cancel()
        if trying:
            await asyncio.shield(trying.ended() if has_all else trying.hung_up())


async def _end_of(generation: Generation) -> Generation:
    """Return an image that has ended: its own deadline sees to that, and the stream is kept alive until then.

    As it is where it is not to be waited for: the process ends, or as many wait for it already as may.
    """
    if generation.is_final:
        return generation
    left = (generation.deadline_at - timezone.now()).total_seconds()
    return await live.wait_until_final(generation, max(0.0, left) + GRACE_SECONDS)


def _kind(generation: Generation) -> str:
    return "image_generation" if generation.operation == Operation.CREATE else "image_edit"


async def _told(generation: Generation, asked: Asked, failed: Sequence[Generation]) -> AsyncIterator[bytes]:
    kind = _kind(generation)
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
    own |= {"failed": answers.failures(failed)} if failed else {}
    whole = await answers.spelled_of(generation, asked)
    yield await _event(f"{kind}.completed", {"b64_json": whole, **common, **own})


async def _error(error: OpenAIError) -> bytes:
    return await _event("error", error.body)


async def _event(name: str, data: dict[str, Any]) -> bytes:
    return await in_thread(
        lambda: f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode(), Pool.PROCESSOR
    )
