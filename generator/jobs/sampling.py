"""Samples: what becomes of the images that test keys ask for. On the engine's event loop.

They wait in the same queue, are kept by the same storage and ended by `lifecycle` like all others, so that whoever
asks, waits, watches or cancels meets what a live key meets. But no upstream hears of them: they have no route and no
attempt, and stand in no turn, so that none of them ever takes the place of an image that somebody pays for.
"""

import asyncio
import logging

from generator.errors import BadImage
from generator.files import images, marks, samples
from generator.jobs import lifecycle, outcomes
from generator.jobs.changes import Completion, Pause
from generator.jobs.pacing import Batch, Bell, persistently
from generator.models import Generation
from kit import storage
from kit.threads import Pool, in_thread

log = logging.getLogger(__name__)

IN_HAND = 40  # claimed together, so that a thousand are no thousand claims
AT_ONCE = 2  # drawn and stored at a time, by one process
STORE_SECONDS = 20.0
AGAIN_SECONDS = 5.0  # until storage is offered one again
MODEL = "sample"  # what drew them


class Sampler:
    """Draws what is claimed. `bell` is told when something is due again."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._places = asyncio.Semaphore(AT_ONCE)
        self._pausing = Batch(lifecycle.look_again)
        self._completing = Batch(lifecycle.complete_all)

    async def draw(self, generation: Generation) -> None:
        """Make a claimed sample what its prompt says: an image, unless that names another end."""
        if wait := outcomes.still_drawing(generation):
            await self._pause(generation, wait)
        elif failure := outcomes.failure_of(generation):
            await persistently(lambda: lifecycle.fail(generation, code=failure.code, message=failure.message))
        else:
            async with self._places:
                await self._keep(generation)

    async def _keep(self, generation: Generation) -> None:
        mark = marks.mark_of(generation, source=marks.DRAWN_BY_RULES, model=MODEL)
        variant = f"{generation.seed or ''}/{generation.position}"
        try:
            data = await in_thread(
                lambda: samples.paint(generation.prompt, generation.aspect_ratio, variant=variant), Pool.FILES
            )
            marked, image = await in_thread(lambda: images.prepared(data, mark), Pool.FILES)
            await storage.in_time(lambda: images.keep(marked, generation.file_token, image), STORE_SECONDS)
        except OSError as error:
            log.warning("%s: a sample could not be stored, once more in %s s: %s", generation, AGAIN_SECONDS, error)
            await self._pause(generation, AGAIN_SECONDS)
        except BadImage:
            log.exception("%s: a sample is no image", generation)
            failure = outcomes.OUTCOMES["fail"]
            await persistently(lambda: lifecycle.fail(generation, code=failure.code, message=failure.message))
        else:
            # One that ended meanwhile leaves its file to `sweep.delete_files_of_failures`.
            await self._completing.add(Completion(generation, image, MODEL))

    async def _pause(self, generation: Generation, seconds: float) -> None:
        if await self._pausing.add(Pause(generation, seconds)):
            self._bell.ring_in(seconds)
