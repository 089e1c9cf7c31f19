"""What is done with one claimed generation: send it, look at it, keep its image. All on the engine's event loop.

Every step ends with a write that repeats the claim, so whoever comes late changes nothing.
"""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.conf import settings
from django.utils import timezone

from generator.errors import BadImage, ImageUnreachable
from generator.files import credentials, images, marks, standing, unstored, uploads
from generator.jobs import lifecycle, wishes
from generator.jobs.attempts import Ended, State, ended_by
from generator.jobs.changes import Acceptance, Completion, Move, Pause, Unstored, Useless
from generator.jobs.lifecycle import UNAVAILABLE
from generator.jobs.pacing import Batch, Bell, Places, T, persistently
from generator.jobs.rhythm import Rhythm, age_of, step_at
from generator.jobs.sending import Sender
from generator.models import PROMPT_REFUSED, Attempt, Generation, Operation, Upstream
from generator.upstreams import errors, trouble
from generator.upstreams.dialect import Cost, Job
from generator.upstreams.errors import Kind
from generator.upstreams.registry import Dialects
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
    """A job that is drawn. `accepting` is the write that makes its generation a drawing, where that is to come yet.

    `is_here` tells that its picture is on this machine (`files.unstored`), as it came with the answer.
    """

    job: Job
    accepting: asyncio.Task[bool] | None = None
    is_here: bool = False


class _NotOurs(Exception):
    """The claim was lost, or the generation has ended."""


class Worker:
    """What one process does, with its dialects. `queue` and `looks` are told when something is due again."""

    def __init__(self, dialects: Dialects, queue: Bell, looks: Bell) -> None:
        self.dialects = dialects
        self.sender = Sender(dialects)
        self.rhythms: defaultdict[int, Rhythm] = defaultdict(Rhythm)  # by upstream
        self._queue, self._looks = queue, looks
        self._accepting = Batch(lifecycle.accept)
        self._requeueing = Batch(lifecycle.requeue)
        self._going_on = Batch(lifecycle.go_on)
        self._pausing = Batch(lifecycle.look_again)
        self._completing = Batch(lifecycle.complete_all)
        self._setting_aside = Batch(lifecycle.wait_for_storage)
        self._full_until = self._next_offer = float("-inf")
        self.storage_refused = asyncio.Event()
        self._images = Places(IMAGES_AT_ONCE)
        # What ends holds a thread each, and the claims and batches that all others wait for need one as well.
        self._ending = asyncio.Semaphore(max(1, settings.DATABASE_THREADS // 2))

    async def send(self, generation: Generation) -> Drawn | None:
        """Submit a claimed generation under its attempt; return what was drawn when it is drawn already.

        What its upstream certainly did not take goes to the next one at once, and waits once none is left. What this
        process ends before is back in the queue.
        """
        tried = frozenset[int]()
        while True:
            attempt = attempt_of(generation)
            tried |= {attempt.upstream_id}
            log.debug("%s: attempt %s goes to %s", generation, attempt.number, attempt.upstream.slug)
            try:
                job = await self.sender.submit(generation, attempt)
            except errors.NotBegun:
                await self._requeueing.add(Pause(generation, 0.0))
                return None
            except (errors.NotAccepted, errors.OperatorTrouble, errors.Gone) as error:
                if not await self._go_on(generation, tried, error):
                    return None
            except errors.PromptRefused as error:
                message, ended = str(error) or "The image service refused this prompt.", ended_by(State.REFUSED, error)
                await self._fail(generation, message, ended, _useless(error), code=PROMPT_REFUSED)
                return None
            except errors.BadInput as error:
                message = str(error) or "The image service did not accept a value of this request."
                await self._fail(generation, message, ended_by(State.REFUSED, error), _useless(error))
                return None
            except errors.UpstreamError as error:
                await self._lose(generation, attempt, error)
                return None
            else:
                drawn = await self._accept(generation, job)
                await self.sender.note_success(attempt.upstream)
                return drawn

    @property
    def is_full(self) -> bool:
        """Whether images find no room here while storage does not take them: more would be drawn for nothing."""
        return time.monotonic() < self._full_until

    async def look(self, generation: Generation) -> Drawn | None:
        """Ask the upstream about a claimed drawing; return what was drawn when it is."""
        if generation.unstored_since:
            return await self._look_for_unstored(generation)
        attempt = attempt_of(generation)
        if attempt.pk and not attempt.upstream_job:
            return await self._look_for_bytes(generation)
        try:
            async with self.dialects.of(attempt.upstream) as dialect:
                job = await dialect.poll(attempt.upstream_job)
        except errors.Busy as error:
            await self.pause(generation, error.retry_after, error=error)
        except errors.Gone as error:
            await self._count_failed_poll(generation, error)
        except errors.UpstreamError as error:
            log.warning("%s: no news: %r", generation, error)
            if isinstance(error, errors.OperatorTrouble):
                await self._note_trouble(attempt.upstream, error)
            await self.pause(generation, self._rhythm_of(generation).after(generation), error=error)
        else:
            log.debug("%s: %s says that it is %s", generation, attempt.upstream.slug, job.state)
            return await self._act_on(generation, job)
        return None

    async def call_off(self, generation: Generation) -> None:
        """Have the upstream of a claimed drawing drop it, as its owner wishes: free if that certainly costs nothing."""
        attempt, is_dropped = attempt_of(generation), False
        if attempt.upstream_job and not generation.unstored_since:
            try:
                async with self.dialects.of(attempt.upstream) as dialect:
                    if dialect.can.can_cancel:
                        is_dropped = await dialect.cancel(attempt.upstream_job)
            except errors.UpstreamError as error:
                log.warning("%s: it is not known whether its upstream dropped it: %r", generation, error)
        if is_dropped:
            self._rhythm_of(generation).forget(generation)
            await self._end(lambda: lifecycle.call_off(generation))
        elif await self._end(lambda: wishes.refuse(generation)):
            self._looks.ring()

    async def keep(self, generation: Generation, drawn: Drawn) -> None:
        """Fetch, verify and store the image of a claimed drawing, and complete it.

        What storage does not take is kept on this machine, and stored later.
        """
        generation.drawn_at = timezone.now()
        try:
            async with self._images.place_for(generation):
                data = await self._bytes_of(generation, drawn)
                mark, edited = await _mark_of(generation, drawn.job.model)
                marked, image = await in_thread(lambda: images.prepared(data, mark, edited), Pool.PROCESSOR)
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
                await self._give_up(generation, NO_IMAGE, error)
                await self._drop_here(generation, drawn)
        else:
            cost = drawn.job.cost or _usual_cost(generation)
            if not await self._completing.add(Completion(generation, image, drawn.job.model, cost)):
                await self._drop_unwanted(generation)
            await self._drop_here(generation, drawn)

    async def pause(
        self, generation: Generation, after: float, *, error: Exception | None = None, is_failed: bool = False
    ) -> None:
        """Let go of a claimed drawing until its next look in `after` seconds; `error` is why, for staff."""
        log.debug("%s: the next look is in %.2f s", generation, after)
        if await self._pausing.add(Pause(generation, after, is_failed, _useless(error) if error else None)):
            self._looks.ring_in(after)

    async def _go_on(self, generation: Generation, tried: frozenset[int], error: errors.UpstreamError) -> bool:
        """End an attempt that its upstream certainly did not take; whether there is another one now."""
        upstream = attempt_of(generation).upstream
        level = logging.INFO if isinstance(error, errors.Busy) else logging.WARNING
        log.log(level, "%s was not accepted by %s: %s", generation, upstream.slug, error)
        after = min(30.0, BUSY_SECONDS * generation.submits)
        if isinstance(error, errors.Busy):
            after = error.retry_after
        elif not isinstance(error, errors.NotAccepted):
            await self._note_trouble(upstream, error)
            after = REFUSED_SECONDS if generation.submits < 2 else REFUSED_AGAIN_SECONDS
        ended = ended_by(State.NOT_TAKEN, error)
        number = generation.submits
        await self._going_on.add(Move(generation, ended, tried, after, _useless(error)))
        if generation.submits > number:
            return True
        self._queue.ring_in(after)
        return False

    async def _lose(self, generation: Generation, attempt: Attempt, error: errors.UpstreamError) -> None:
        """End an attempt of which nobody knows: it may have been accepted, but without an id nobody can ask for it.

        It is sent elsewhere only where the operator allows for that, for then both may draw it, and are paid.
        """
        log.error("%s could not be sent to %s: %r", generation, attempt.upstream.slug, error)
        if attempt.upstream.may_resend:
            await self._give_up(generation, UNAVAILABLE, error, state=State.UNCLEAR)
        else:
            ended = ended_by(State.UNCLEAR, error)
            await self._fail(generation, UNAVAILABLE, ended, _useless(error))

    async def _accept(self, generation: Generation, job: Job) -> Drawn | None:
        if job.state == "completed" and (job.url or job.data):
            accepting = asyncio.create_task(self._accepting.add(Acceptance(generation, job.id, None)))
            # On the disk it takes no memory while it waits for its turn, and whoever comes after this worker finds it.
            is_here = bool(job.data) and await in_thread(
                lambda: unstored.put(generation.file_token, job.data), Pool.FILES
            )
            return Drawn(replace(job, data=b"") if is_here else job, accepting, is_here)
        if not job.id and job.state == "failed":
            return await self._act_on(generation, job)
        if not job.id:
            await self._lose(generation, attempt_of(generation), errors.Unclear("it names no job and gives no picture"))
            return None
        after = self._rhythm_of(generation).usual if job.state == "pending" else 0.0
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
            attempt = attempt_of(generation)
            try:
                if attempt.upstream_job:
                    async with self.dialects.of(attempt.upstream) as dialect:
                        job = await dialect.poll(attempt.upstream_job)
                    if job.state == "completed" and (job.url or job.data):
                        return Drawn(job)
            except errors.UpstreamError as error:
                log.warning("%s: its image is not here, and the upstream has it no more: %r", generation, error)
        await self._wait_for_storage(generation, generation.model)
        return None

    async def _look_for_bytes(self, generation: Generation) -> Drawn | None:
        """Return the picture of a job without a name, which its worker had and could neither store nor complete.

        It may be on this machine. Nobody can ask for it, and it is never sent twice.
        """
        if await in_thread(lambda: unstored.has(generation.file_token), Pool.FILES):
            return Drawn(Job("", "completed", model=generation.model), is_here=True)
        error = errors.Unclear("the worker that had its picture was lost, and its upstream names no job")
        await self._lose(generation, attempt_of(generation), error)
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
        if drawn.accepting is None or drawn.is_here:
            if drawn.accepting and not await drawn.accepting:
                raise _NotOurs
            kept = await in_thread(lambda: unstored.get(generation.file_token), Pool.FILES)
            if kept is not None:
                return kept
        return await self._fetch(generation, drawn)

    async def _fetch(self, generation: Generation, drawn: Drawn) -> bytes:
        """Return the image's bytes. What its upstream calls it is written down meanwhile, and before anything else is.

        Raises _NotOurs when it is not this worker's any more.
        """
        download = asyncio.create_task(self._download(generation, drawn.job))
        if drawn.accepting is not None:
            await asyncio.wait([drawn.accepting, download])
            if not drawn.accepting.result():
                raise _NotOurs
        return await download

    async def _download(self, generation: Generation, job: Job) -> bytes:
        if job.data:
            return job.data
        if not job.url:
            raise BadImage("its bytes were on this machine, and are gone")
        async with self.dialects.of(attempt_of(generation).upstream) as dialect:
            return await dialect.download(job.url)

    async def _drop_here(self, generation: Generation, drawn: Drawn) -> None:
        """Remove from this machine what waits for storage no more."""
        if generation.unstored_since or drawn.is_here:
            await in_thread(lambda: unstored.drop(generation.file_token), Pool.FILES)

    async def _act_on(self, generation: Generation, job: Job) -> Drawn | None:
        rhythm = self._rhythm_of(generation)
        if job.state == "failed":
            rhythm.forget(generation)
            message, useless = (
                job.message or "The image service could not make this image.",
                Useless(SAID_WITH, job.message),
            )
            if job.is_refused:
                ended = Ended(State.REFUSED, "PromptRefused", SAID_WITH, job.message, job.cost)
                await self._fail(generation, message, ended, useless, code=PROMPT_REFUSED)
            else:
                ended = Ended(State.FAILED, "JobFailed", SAID_WITH, job.message, job.cost)
                await self._elsewhere(generation, message, ended, useless)
        elif job.state == "pending":
            await self.pause(generation, rhythm.after(generation))
        elif not job.url and not job.data:
            await self._count_failed_poll(generation, BadImage("completed without a URL"))
        else:
            rhythm.found(generation)
            return Drawn(job)
        return None

    async def _count_failed_poll(self, generation: Generation, error: Exception) -> None:
        """Count a useless answer; after a few of them the job is given up."""
        log.warning("%s: %r", generation, error)
        if generation.failed_polls + 1 >= MAX_FAILED_POLLS:
            await self._give_up(generation, NO_IMAGE, error)
        else:
            await self.pause(generation, 1.0 * 2**generation.failed_polls, error=error, is_failed=True)

    async def _give_up(
        self, generation: Generation, message: str, error: Exception, state: State = State.FAILED
    ) -> None:
        await self._elsewhere(generation, message, ended_by(state, error), _useless(error))

    async def _elsewhere(self, generation: Generation, message: str, ended: Ended, useless: Useless) -> None:
        """End an attempt that came to nothing; another upstream has the next one, or the generation fails."""
        if await self._end(
            lambda: lifecycle.give_up(generation, ended=ended, code="upstream_failed", message=message, useless=useless)
        ):
            self._queue.ring()

    async def _fail(
        self, generation: Generation, message: str, ended: Ended, useless: Useless, code: str = "upstream_failed"
    ) -> None:
        await self._end(lambda: lifecycle.fail(generation, code=code, message=message, useless=useless, ended=ended))

    async def _end(self, write: Callable[[], T]) -> T:
        async with self._ending:
            return await persistently(write)

    async def _drop_unwanted(self, generation: Generation) -> None:
        """Delete the files of an image that failed while it was being fetched, as when its account was deleted."""
        if await in_thread(Generation.objects.filter(pk=generation.pk, status=Generation.Status.FAILED).exists):
            with contextlib.suppress(storage.StorageAway):  # its row says that it may have files
                await storage.in_time(lambda: images.delete(generation.file_token))

    def _rhythm_of(self, generation: Generation) -> Rhythm:
        return self.rhythms[attempt_of(generation).upstream_id]

    async def _note_trouble(self, upstream: Upstream, error: errors.UpstreamError) -> None:
        log.error("%s refuses us: %s", upstream.slug, error)
        refused = (
            error if isinstance(error, errors.OperatorTrouble) else errors.OperatorTrouble(str(error), Kind.NOT_FOUND)
        )
        await persistently(lambda: trouble.note(upstream, refused))


def attempt_of(generation: Generation) -> Attempt:
    """Return the attempt that a claimed generation has."""
    assert generation.attempt is not None, "lifecycle gives one to what it claims"
    return generation.attempt


def _usual_cost(generation: Generation) -> Cost | None:
    """Return what a job of this route costs, where its upstream does not tell."""
    route = attempt_of(generation).route
    if route is None or route.cost_micros is None:
        return None
    return Cost(route.cost_micros, route.cost_currency)


async def _mark_of(generation: Generation, model: str) -> tuple[marks.Mark, bytes | None]:
    """Return what an image's file is to say of itself, and the file that it is an edit of, where it is to be signed."""
    if generation.operation != Operation.EDIT:
        return marks.mark_of(generation, model=model), None
    source, edited = await in_thread(lambda: marks.source_type(generation)), None
    if credentials.is_configured():
        with contextlib.suppress(storage.StorageAway):  # it goes without that ingredient then
            sources = await in_thread(lambda: uploads.sources_of(generation))
            edited = await storage.in_time(lambda: uploads.edited(sources), STORE_SECONDS)
    return marks.mark_of(generation, source=source, model=model), edited


def _useless(error: Exception) -> Useless:
    """Return what staff are shown of an answer; the messages of these errors went through `words` already."""
    if isinstance(error, errors.UpstreamError):
        return Useless(error.status, error.words)
    return Useless(None, str(error).partition("(")[0])  # behind it: how Python shows an object
