"""What a worker does with a generation: send it, poll it, fetch and store its image.

The upstream is asked from one event loop per process, which a background thread runs, so that thousands of jobs share
one pooled client; database and image work runs beside it on threads.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import lru_cache

from django.conf import settings
from django.db import DatabaseError

from generator.errors import BadImage, ImageUnreachable
from generator.files import images
from generator.jobs import lifecycle
from generator.models import Generation
from generator.upstreams import reve_art
from kit.threads import in_loop, in_thread

log = logging.getLogger(__name__)

POLL_BATCH = 100
MAX_FAILED_POLLS = 5  # useless answers about one job before it is given up
DOWNLOADS_AT_ONCE = 4  # bounds what images take in memory: four times IMAGE_MAX_BYTES and as many decoded
BUSY_SECONDS = 2.0

UNAVAILABLE = "The image service is not available right now."
NO_IMAGE = "The image service did not deliver a usable image."


def send(generation: Generation) -> float | None:
    """Submit a claimed generation; return the seconds until its first poll, None when it ended or waits."""
    try:
        job = in_loop(_submit(generation))
    except reve_art.Busy as error:
        lifecycle.requeue(generation, after=error.retry_after)
    except reve_art.NotAccepted as error:
        log.warning("%s was not accepted, it waits: %s", generation, error)
        lifecycle.requeue(generation, after=min(30.0, BUSY_SECONDS * generation.submits))
    except reve_art.PromptRefused as error:
        message = str(error) or "The image service refused this prompt."
        lifecycle.fail(generation, code="invalid_request", message=message)
    except reve_art.UpstreamError as error:
        # Unclear: it may have been accepted, but without an id nobody can ask for it, and it is never sent twice.
        log.error("%s could not be sent: %r", generation, error)
        lifecycle.fail(generation, code="upstream_failed", message=UNAVAILABLE)
    else:
        after = 0.0 if job.state != "pending" else lifecycle.first_poll_after()
        if lifecycle.accepted(generation, upstream_id=job.id, poll_after=after):
            return after
    return None


def poll(generations: list[Generation]) -> None:
    """Ask the upstream about claimed drawings, all at once, and act on each answer as it comes."""
    in_loop(_poll_all(generations))


def sweep() -> None:
    """End what is stuck: submissions whose sender was lost, and generations past their deadline."""
    for generation in lifecycle.lapsed_submissions()[:200]:
        lifecycle.fail(
            generation, code="upstream_failed", message=UNAVAILABLE, only_from=[Generation.Status.SUBMITTING]
        )
    for generation in lifecycle.past_deadline()[:200]:
        lifecycle.fail(
            generation,
            code="timed_out",
            message=f"No image after {settings.GENERATION_DEADLINE_SECONDS} seconds.",
        )


async def _submit(generation: Generation) -> reve_art.Job:
    async with _renewing(generation):
        return await _client().submit(
            prompt=generation.prompt,
            negative_prompt=generation.negative_prompt,
            aspect_ratio=generation.aspect_ratio,
        )


@contextlib.asynccontextmanager
async def _renewing(generation: Generation) -> AsyncIterator[None]:
    """Renew the claim on a generation for as long as the block takes; it lapses soon after its worker dies."""

    ended = asyncio.Event()

    async def renew() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), lifecycle.LEASE.total_seconds() / 3)
                return
            try:
                await in_thread(lambda: lifecycle.renew(generation))
            except DatabaseError as error:
                log.warning("%s: its claim could not be renewed: %s", generation, error)

    renewal = asyncio.create_task(renew())
    try:
        yield
    finally:
        # A renewal that runs on a thread is waited for: one that came late would overwrite what is due next.
        ended.set()
        await renewal


async def _poll_all(generations: list[Generation]) -> None:
    await asyncio.gather(*map(_poll_one, generations))


async def _poll_one(generation: Generation) -> None:
    try:
        await _ask(generation)
    except Exception:
        # One odd job must not stop the others of its batch; its claim lapses and it is polled again.
        log.exception("%s: a poll went wrong", generation)


async def _ask(generation: Generation) -> None:
    try:
        job = await _client().poll(generation.upstream_id)
    except reve_art.Busy as error:
        after = error.retry_after
        await in_thread(lambda: lifecycle.poll_again(generation, after=after))
    except reve_art.Gone as error:
        await _count_failed_poll(generation, error)
    except reve_art.UpstreamError as error:
        log.warning("%s: no news: %r", generation, error)
        await in_thread(lambda: lifecycle.poll_again(generation, after=lifecycle.next_poll_after(generation.polls)))
    else:
        await _act_on(generation, job)


async def _act_on(generation: Generation, job: reve_art.Job) -> None:
    if job.state == "failed":
        message = job.message or "The image service could not make this image."
        await in_thread(lambda: lifecycle.fail(generation, code="upstream_failed", message=message))
    elif job.state == "pending":
        await in_thread(lambda: lifecycle.poll_again(generation, after=lifecycle.next_poll_after(generation.polls)))
    elif not job.url:
        await _count_failed_poll(generation, BadImage("completed without a URL"))
    else:
        await _keep_image(generation, job)


async def _keep_image(generation: Generation, job: reve_art.Job) -> None:
    try:
        async with _renewing(generation), _downloads():
            async with asyncio.timeout(reve_art.DOWNLOAD_SECONDS):
                data = await _client().download(job.url)
            stored = await in_thread(lambda: images.store(data, generation.file_token))
    except (ImageUnreachable, TimeoutError) as error:
        await _count_failed_poll(generation, error)
    except BadImage as error:
        log.error("%s: %s", generation, error)
        await in_thread(lambda: lifecycle.fail(generation, code="upstream_failed", message=NO_IMAGE))
    except OSError as error:  # our own storage: full, or away
        log.error("%s: the image could not be saved: %r", generation, error)
        await in_thread(lambda: lifecycle.poll_again(generation, after=lifecycle.next_poll_after(generation.polls)))
    else:
        if not await in_thread(lambda: lifecycle.complete(generation, image=stored, model=job.model)):
            await in_thread(lambda: _drop_unwanted(generation))


def _drop_unwanted(generation: Generation) -> None:
    """Delete the files of an image that failed while it was being fetched, as when its account was deleted."""
    if Generation.objects.filter(pk=generation.pk, status=Generation.Status.FAILED).exists():
        images.delete(generation.file_token)


async def _count_failed_poll(generation: Generation, error: Exception) -> None:
    """Count a useless answer; after a few of them the generation fails."""
    log.warning("%s: %r", generation, error)
    if generation.failed_polls + 1 >= MAX_FAILED_POLLS:
        await in_thread(lambda: lifecycle.fail(generation, code="upstream_failed", message=NO_IMAGE))
    else:
        after = 1.0 * 2**generation.failed_polls
        await in_thread(lambda: lifecycle.poll_again(generation, after=after, is_failed=True))


@lru_cache(maxsize=1)
def _client() -> reve_art.ReveClient:
    return reve_art.ReveClient(settings.REVE_API_URL, settings.UPSTREAM_API_KEY)


@lru_cache(maxsize=1)
def _downloads() -> asyncio.Semaphore:
    return asyncio.Semaphore(DOWNLOADS_AT_ONCE)
