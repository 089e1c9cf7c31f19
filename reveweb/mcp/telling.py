"""An image told to an agent: while it is waited for, in a sentence, and as a small picture."""

import logging
from contextlib import suppress
from functools import partial

from generator import live
from generator.files import downloads, images
from generator.models import Generation
from kit import storage
from kit.storage import StorageAway
from reveweb.mcp.calls import Call, Json

log = logging.getLogger(__name__)

STEP_SECONDS = 5.0  # between two words of progress
PREVIEW_SIDE = min(images.THUMBNAIL_SIDES)  # pixels


async def wait(asked: Call, generation: Generation, seconds: float) -> Generation:
    """Wait for a generation, and tell now and then how it goes to whoever asked for that."""
    if asked.progress is None:
        return await live.wait_until_final(generation, seconds)
    waited = 0.0
    while waited < seconds and not generation.is_final:
        await asked.progress(waited, f"{generation.public_id} is {generation.status}")
        step = min(STEP_SECONDS, seconds - waited)
        generation = await live.wait_until_final(generation, step)
        waited += step
    return generation


def sentence(generation: Generation, data: Json) -> str:
    """Return what became of an image, described as `data`."""
    if generation.status == Generation.Status.COMPLETED:
        size = f"{data['metadata']['width']} x {data['metadata']['height']} pixels"
        return f"The image {data['id']} is finished ({size}): {data['url']}"
    if generation.status == Generation.Status.FAILED:
        return f"The image {data['id']} failed ({data['error']['code']}): {data['error']['message']}"
    return f"The image {data['id']} is not finished yet ({data['stage']}). Call image_status with this id."


def line(generation: Generation, data: Json) -> str:
    """Return an image of a list in one line."""
    prompt = " ".join(generation.prompt.split())
    short = prompt if len(prompt) <= 80 else f"{prompt[:79]}…"
    return f"{data['id']} {data['status']}: “{short}” {data.get('url', '')}".rstrip()


async def preview(generation: Generation, is_wanted: bool) -> bytes | None:
    """Return a finished image as a small WebP; None where there is none, or none is wanted."""
    if not is_wanted or generation.status != Generation.Status.COMPLETED:
        return None
    try:
        with suppress(FileNotFoundError):  # they are made after the image
            return await storage.in_time(partial(images.read_thumbnail, generation.file_token, PREVIEW_SIDE))
        return (await downloads.delivered(generation, "webp", within=(PREVIEW_SIDE, PREVIEW_SIDE))).data
    except (StorageAway, FileNotFoundError) as error:
        log.warning("There is no preview of %s: %s", generation.public_id, error)
        return None  # it is paid for, and its address is told
