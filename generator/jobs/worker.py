"""What is done with one claimed generation: send it, look at it, keep its image. All on the engine's event loop.

Every step ends with a write that repeats the claim, so whoever comes late changes nothing.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from generator.errors import BadImage, ImageUnreachable
from generator.files import images, marks, standing, unstored
from generator.jobs import lifecycle
from generator.jobs.lifecycle import UNAVAILABLE, Acceptance, Completion, Pause, Unstored, Useless
from generator.jobs.pacing import Batch, Bell, Places, T, persistently
from generator.jobs.rhythm import Rhythm, age_of, step_at
from generator.models import PROMPT_REFUSED, Generation, Operation
from generator.upstreams import errors, trouble
from generator.upstreams.dialect import Dialect, Job, Order
from kit import storage
from kit.threads import Pool, in_thread

log = logging.getLogger(__name__)

MAX_FAILED_POLLS = 5  # useless answers about one job before it is given up
IMAGES_AT_ONCE = 12  # bounds what images take in memory: so many times IMAGE_MAX_BYTES, and a decoded one per thread
STORE_SECONDS = 60.0  # for the whole of an image
STORE_AGAIN_SECONDS = 2.0, 60.0  # the first pause and the longest, before storage is asked to take an image again
FULL_SECONDS = 30.0  # for which nothing is sent, after an image found no room here
BUSY_SECONDS = 2.0
REFUSED_SECONDS = 1.0  # until a job that our own trouble kept from being sent may go; the trouble decides when it does
REFUSED_AGAIN_SECONDS = 30.0  # … that was a trial before: it may be the job that is refused, so others get to be one

SAID_WITH = 200  # the HTTP status of an answer that says that a job failed

NO_IMAGE = "The image service did not deliver a usable image."


@dataclass(frozen=True)
class Drawn:
    """A job that is drawn. `accepting` is the write that makes its generation a drawing, where that is to come yet."""

    job: Job
    accepting: asyncio.Task[bool] | None = None


class _NotOurs(Exception):
    """The claim was lost, or the generation has ended."""


class Worker:
    """What one process does, with one client. `queue` and `looks` are told when something is due again."""

    def __init__(self, client: Dialect, queue: Bell, looks: Bell) -> None:
        self.client = client
        self.rhythm = Rhythm()
        self.is_in_trouble = False
        self.news: set[str] = set()  # whether the upstream answered, to be let known (`kit.pulse`)
        self._queue, self._looks = queue, looks
        self._accepting = Batch(lifecycle.accept)
        self._requeueing = Batch(lifecycle.requeue)
        self._pausing = Batch(lifecycle.look_again)
        self._completing = Batch(lifecycle.complete_all)
        self._setting_aside = Batch(lifecycle.wait_for_storage)
        self._full_until = self._next_offer = float("-inf")
        self.storage_refused = asyncio.Event()
        self._images = Places(IMAGES_AT_ONCE)
        # What ends holds a thread each, and the claims and batches that all others wait for need one as well.
        self._ending = asyncio.Semaphore(max(1, settings.DATABASE_THREADS // 2))

    async def send(self, generation: Generation) -> Drawn | None:
        """Submit a claimed generation; return what was drawn when it is drawn already."""
        try:
            job = await self._asked(
                self.client.submit(
                    Order(
                        prompt=generation.prompt,
                        negative_prompt=generation.negative_prompt,
                        aspect_ratio=generation.aspect_ratio,
                    )
                )
            )
        except errors.Busy as error:
            await self._requeue(generation, error.retry_after, error)
        except errors.NotAccepted as error:
            log.warning("%s was not accepted, it waits: %s", generation, error)
            await self._requeue(generation, min(30.0, BUSY_SECONDS * generation.submits), error)
        except errors.PromptRefused as error:
            message, useless = str(error) or "The image service refused this prompt.", _useless(error)
            await self._end(lambda: lifecycle.fail(generation, code=PROMPT_REFUSED, message=message, useless=useless))
        except errors.OperatorTrouble as error:
            await self._note_trouble(error)
            after = REFUSED_SECONDS if generation.submits < 2 else REFUSED_AGAIN_SECONDS
            await self._requeue(generation, after, error)
        except errors.UpstreamError as error:
            # Unclear: it may have been accepted, but without an id nobody can ask for it, and it is never sent twice.
            log.error("%s could not be sent: %r", generation, error)
            await self._fail(generation, UNAVAILABLE, error)
        else:
            await self._note_success()
            return await self._accept(generation, job)
        return None

    @property
    def is_full(self) -> bool:
        """Whether images find no room here while storage does not take them: more would be drawn for nothing."""
        return time.monotonic() < self._full_until

    async def look(self, generation: Generation) -> Drawn | None:
        """Ask the upstream about a claimed drawing; return what was drawn when it is."""
        if generation.unstored_since:
            return await self._look_for_unstored(generation)
        try:
            job = await self._asked(self.client.poll(generation.upstream_id))
        except errors.Busy as error:
            await self.pause(generation, error.retry_after, error=error)
        except errors.Gone as error:
            await self._count_failed_poll(generation, error)
        except errors.UpstreamError as error:
            log.warning("%s: no news: %r", generation, error)
            if isinstance(error, errors.OperatorTrouble):
                await self._note_trouble(error)
            await self.pause(generation, self.rhythm.after(generation), error=error)
        else:
            return await self._act_on(generation, job)
        return None

    async def keep(self, generation: Generation, drawn: Drawn) -> None:
        """Fetch, verify and store the image of a claimed drawing, and complete it.

        What storage does not take is kept on this machine, and stored later.
        """
        try:
            async with self._images.place_for(generation):
                data = await self._bytes_of(generation, drawn)
                mark = await _mark_of(generation, drawn.job.model)
                marked, image = await in_thread(lambda: images.prepared(data, mark), Pool.PROCESSOR)
                try:
                    await storage.in_time(lambda: images.keep(marked, generation.file_token, image), STORE_SECONDS)
                except OSError as error:
                    log.warning("%s: the image could not be stored, it is kept here: %s", generation, error)
                    await self._keep_here(generation, marked, drawn.job.model)
                    return
        except _NotOurs:
            log.warning("%s ended, or another worker has it", generation)
        except ImageUnreachable as error:
            # Its host is busy or away. The image is there, so it is worth the whole deadline.
            log.warning("%s: %r", generation, error)
            after = max(1.0, error.retry_after or 0.0, step_at(age_of(generation)))
            await self.pause(generation, after, error=error)
        except BadImage as error:
            log.error("%s: %s", generation, error)
            if generation.unstored_since:  # it was one: another machine may have it, or the upstream again
                await in_thread(lambda: unstored.drop(generation.file_token), Pool.FILES)
                await self._wait_for_storage(generation, generation.model)
            else:
                await self._fail(generation, NO_IMAGE, error)
        else:
            if not await self._completing.add(Completion(generation, image, drawn.job.model)):
                await self._drop_unwanted(generation)
            if generation.unstored_since:
                await in_thread(lambda: unstored.drop(generation.file_token), Pool.FILES)

    async def pause(
        self, generation: Generation, after: float, *, error: Exception | None = None, is_failed: bool = False
    ) -> None:
        """Let go of a claimed drawing until its next look in `after` seconds; `error` is why, for staff."""
        if await self._pausing.add(Pause(generation, after, is_failed, _useless(error) if error else None)):
            self._looks.ring_in(after)

    async def _asked(self, call: Awaitable[T]) -> T:
        """Return what the upstream answers, and note whether it does."""
        try:
            answer = await call
        except errors.UpstreamError as error:
            is_silent = isinstance(error, errors.NotAccepted | errors.Unclear)
            self.news.add("upstream-away" if is_silent and not isinstance(error, errors.Busy) else "upstream")
            raise
        self.news.add("upstream")
        return answer

    async def _accept(self, generation: Generation, job: Job) -> Drawn | None:
        if job.state == "completed" and job.url:
            return Drawn(job, asyncio.create_task(self._accepting.add(Acceptance(generation, job.id, None))))
        after = self.rhythm.usual if job.state == "pending" else 0.0
        if await self._accepting.add(Acceptance(generation, job.id, after)):
            self._looks.ring_in(after)
        return None

    async def _look_for_unstored(self, generation: Generation) -> Drawn | None:
        """Return what storage did not take: from this machine, or from the upstream once more, while that has it.

        Whatever the upstream says of it now is no failure, for another machine may have its bytes.
        """
        if self._may_try_storage():
            if await in_thread(lambda: unstored.has(generation.file_token), Pool.FILES):
                return Drawn(Job(generation.upstream_id, "completed", model=generation.model))
            try:
                job = await self.client.poll(generation.upstream_id)
            except errors.UpstreamError as error:
                log.warning("%s: its image is not here, and the upstream has it no more: %r", generation, error)
            else:
                if job.state == "completed" and job.url:
                    return Drawn(job)
        await self._wait_for_storage(generation, generation.model)
        return None

    def _may_try_storage(self) -> bool:
        """Tell whether an image that waits may be offered: while trouble is known, one of all every few seconds."""
        if storage.is_silent():
            return False
        if standing.is_known_trouble():
            if (now := time.monotonic()) < self._next_offer:
                return False
            self._next_offer = now + standing.TROUBLED_PAUSE_SECONDS
        return True

    async def _keep_here(self, generation: Generation, data: bytes, model: str) -> None:
        """Keep what storage did not take; where there is no room, it is fetched from the upstream again."""
        self.storage_refused.set()
        if not await in_thread(lambda: unstored.put(generation.file_token, data), Pool.FILES):
            if not self.is_full:
                log.error("There is no room here for what storage does not take: nothing more is sent for a while")
            self._full_until = time.monotonic() + FULL_SECONDS
        await self._wait_for_storage(generation, model)

    async def _wait_for_storage(self, generation: Generation, model: str) -> None:
        least, most = STORE_AGAIN_SECONDS
        since = generation.unstored_since
        after = min(most, max(least, (timezone.now() - since).total_seconds() / 8)) if since else least
        if await self._setting_aside.add(Unstored(generation, model, after)):
            self._looks.ring_in(after)

    async def _bytes_of(self, generation: Generation, drawn: Drawn) -> bytes:
        """Return an image's bytes, from this machine where it was kept. Raises what `_fetch` does."""
        if drawn.accepting is None:
            kept = await in_thread(lambda: unstored.get(generation.file_token), Pool.FILES)
            if kept is not None:
                return kept
        return await self._fetch(drawn)

    async def _fetch(self, drawn: Drawn) -> bytes:
        """Return the image's bytes. What its upstream calls it is written down meanwhile, and before anything else is.

        Raises _NotOurs when it is not this worker's any more.
        """
        if drawn.accepting is None:
            return await self.client.download(drawn.job.url)
        download = asyncio.create_task(self.client.download(drawn.job.url))
        await asyncio.wait([drawn.accepting, download])
        if not drawn.accepting.result():
            raise _NotOurs
        return download.result()

    async def _act_on(self, generation: Generation, job: Job) -> Drawn | None:
        if job.state == "failed":
            self.rhythm.forget(generation)
            message = job.message or "The image service could not make this image."
            await self._end(
                lambda: lifecycle.fail(
                    generation,
                    code=PROMPT_REFUSED if job.is_refused else "upstream_failed",
                    message=message,
                    useless=Useless(SAID_WITH, job.message),
                )
            )
        elif job.state == "pending":
            await self.pause(generation, self.rhythm.after(generation))
        elif not job.url:
            await self._count_failed_poll(generation, BadImage("completed without a URL"))
        else:
            self.rhythm.found(generation)
            return Drawn(job)
        return None

    async def _requeue(self, generation: Generation, after: float, error: errors.UpstreamError) -> None:
        if await self._requeueing.add(Pause(generation, after, useless=_useless(error))):
            self._queue.ring_in(after)

    async def _count_failed_poll(self, generation: Generation, error: Exception) -> None:
        """Count a useless answer; after a few of them the generation fails."""
        log.warning("%s: %r", generation, error)
        if generation.failed_polls + 1 >= MAX_FAILED_POLLS:
            await self._fail(generation, NO_IMAGE, error)
        else:
            await self.pause(generation, 1.0 * 2**generation.failed_polls, error=error, is_failed=True)

    async def _fail(self, generation: Generation, message: str, error: Exception) -> None:
        useless = _useless(error)
        await self._end(lambda: lifecycle.fail(generation, code="upstream_failed", message=message, useless=useless))

    async def _end(self, write: Callable[[], T]) -> T:
        async with self._ending:
            return await persistently(write)

    async def _drop_unwanted(self, generation: Generation) -> None:
        """Delete the files of an image that failed while it was being fetched, as when its account was deleted."""
        if await in_thread(Generation.objects.filter(pk=generation.pk, status=Generation.Status.FAILED).exists):
            with contextlib.suppress(storage.StorageAway):  # its row says that it may have files
                await storage.in_time(lambda: images.delete(generation.file_token))

    async def _note_trouble(self, error: errors.OperatorTrouble) -> None:
        log.error("The upstream refuses us: %s", error)
        self.is_in_trouble = True
        await persistently(lambda: trouble.note(error))

    async def _note_success(self) -> None:
        if self.is_in_trouble:
            self.is_in_trouble = False
            await persistently(trouble.clear)


async def _mark_of(generation: Generation, model: str) -> marks.Mark:
    source = ""
    if generation.operation == Operation.EDIT:
        source = await in_thread(lambda: marks.source_type(generation))
    return marks.mark_of(generation, source=source, model=model)


def _useless(error: Exception) -> Useless:
    """Return what staff are shown of an answer; the messages of these errors went through `words` already."""
    if isinstance(error, errors.UpstreamError):
        return Useless(error.status, error.words)
    return Useless(None, str(error).partition("(")[0])  # behind it: how Python shows an object
