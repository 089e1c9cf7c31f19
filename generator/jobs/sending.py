"""What is sent for one attempt, and what its answer says of the upstream's health. On the engine's event loop."""

import asyncio
import logging

from generator.errors import BadImage
from generator.files import uploads
from generator.jobs.pacing import persistently
from generator.models import Attempt, Generation, Operation, Upstream
from generator.upstreams import errors, health, transport, trouble
from generator.upstreams.dialect import Job, Order, Picture
from generator.upstreams.registry import Dialects
from kit import storage
from kit.threads import in_thread

log = logging.getLogger(__name__)

PICTURES_SECONDS = 60.0  # for all that an image is made from
RESENDS, RESEND_SECONDS = 2, 1.0  # of one order to an upstream that takes it once, however often it is sent


class Sender:
    """Sends to upstreams."""

    def __init__(self, dialects: Dialects) -> None:
        self._dialects = dialects
        self._is_closing = False

    def close(self) -> None:
        """Begin to send nothing more."""
        self._is_closing = True

    async def submit(self, generation: Generation, attempt: Attempt) -> Job:
        """Send an attempt. Raises every UpstreamError, and counts what it says of the upstream's health.

        One that honours keys is sent the same order again when it gives no answer: it takes it once. Raises NotBegun
        after `close`, where nothing of it was sent.
        """
        upstream, again = attempt.upstream, RESENDS
        self._go_ahead()
        order = await _order(generation, attempt)
        async with self._dialects.of(upstream) as dialect:
            if order.mask is not None and not dialect.can.takes_mask:
                raise errors.NotAccepted("it takes no mask")
            if order.seed is not None and not dialect.can.takes_seed:
                raise errors.NotAccepted("it takes no seed")
            self._go_ahead()
            transport.before_sending.set(self._go_ahead)
            while True:
                try:
                    job = await dialect.submit(order)
                except (errors.NotAccepted, errors.Unclear) as error:
                    health.failed(upstream.pk, error)
                    if isinstance(error, errors.NotAccepted) or not dialect.can.honours_keys or not again:
                        raise
                    transport.before_sending.set(_as_before)  # it may have it already
                    log.warning("%s: no answer from %s, which is asked again: %s", generation, upstream.slug, error)
                except errors.UpstreamError:
                    health.answered(upstream.pk)
                    raise
                else:
                    health.answered(upstream.pk)
                    return job
                again -= 1
                await asyncio.sleep(RESEND_SECONDS)

    def _go_ahead(self) -> None:
        if self._is_closing:
            raise errors.NotBegun

    async def note_success(self, upstream: Upstream) -> None:
        """Put an upstream back that draws again."""
        if trouble.is_suspected(upstream.slug):
            await persistently(lambda: trouble.put_back(upstream.slug))


def _as_before() -> None:
    pass


async def _order(generation: Generation, attempt: Attempt) -> Order:
    """Return what an attempt asks for. Raises NotAccepted or BadInput where its pictures cannot be read."""
    try:
        inputs: tuple[Picture, ...] = ()
        mask: Picture | None = None
        if generation.operation != Operation.CREATE:
            sources = await in_thread(lambda: uploads.sources_of(generation))
            inputs, mask = await storage.in_time(lambda: uploads.pictures_of(sources), PICTURES_SECONDS)
    except (FileNotFoundError, BadImage) as error:
        raise errors.BadInput("A picture that this was to be made from is gone.") from error
    except OSError as error:
        raise errors.NotAccepted(f"its pictures cannot be read now: {storage.words_of(error)}") from error
    return Order(
        prompt=generation.prompt,
        operation=Operation(generation.operation),
        negative_prompt=generation.negative_prompt,
        aspect_ratio=generation.aspect_ratio,
        size=generation.size,
        quality=generation.quality,
        model=attempt.route.their_name if attempt.route else "",
        inputs=inputs,
        mask=mask,
        seed=generation.seed,
        key=f"{generation.public_id}-{attempt.number}",
    )
