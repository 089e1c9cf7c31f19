"""An image that its owner calls off: free while no upstream has it.

Where one may have it nobody asks it from here. The wish is noted in the row, a worker acts on it at once, and whoever
wishes waits a moment for what comes of it.
"""

from generator import live
from generator.jobs import lifecycle, wishes
from generator.models import Generation
from kit.threads import in_thread

WAIT_SECONDS = 3.0  # for a worker, and what its upstream says
TRIES = 3  # while it goes back and forth between the queue and a worker


async def cancel_soon(generation: Generation) -> Generation:
    """Call off an image, and return it as it is then: `is_cancelled`, ended before, or going on.

    Any number may do so at once: it ends once, and its credit returns once.
    """
    found = await in_thread(lambda: _cancel(generation))
    if not found.is_to_be_cancelled:
        return found
    async for _ in live.ticks(live.generation_topic(found.public_id), WAIT_SECONDS):
        found = await in_thread(lambda: _now(generation))
        if not found.is_to_be_cancelled:
            break
    return found


def _cancel(generation: Generation) -> Generation:
    for _ in range(TRIES):
        lifecycle.cancel(generation)
        found = _now(generation)
        if found.status != Generation.Status.QUEUED:
            break
    if not found.is_final and wishes.note(found):
        return _now(generation)
    return found


def _now(generation: Generation) -> Generation:
    return Generation.objects.get(pk=generation.pk)


def take_wished(limit: int) -> tuple[list[Generation], bool]:
    """Cancel what came back to the queue; take up to `limit` drawings that their upstreams are to be asked to drop.

    And tell whether there are others, which somebody is just sending, looking at or fetching.
    """
    found = wishes.outstanding(limit)
    for generation in found:
        if generation.status == Generation.Status.QUEUED:
            lifecycle.cancel(generation)
        elif generation.is_test:
            wishes.refuse_sample(generation)
    taken = wishes.claim(found)
    return taken, len(taken) < len(found)
