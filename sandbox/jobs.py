"""What the sandbox's image APIs have in common: keys, failure modes, jobs and the pictures they end in."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox import spoiled
from sandbox.answers import Refusal
from sandbox.failures import FirstCalls, Mode
from sandbox.gallery import Gallery
from sandbox.pauses import Pauses
from sandbox.ratios import SIZES
from sandbox.settings import Settings
from sandbox.store import Job, Store

SUBMIT_SILENCE = 120.0
STATUS_SILENCE = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """A validated request for one picture. `size` is "" for its ratio's usual one, `source` what `Sources` keeps.

    `seed` is a number in text, "" for none.
    """

    prompt: str
    mode: Mode | None
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    size: str = ""
    source: str = ""
    seed: str = ""


class Jobs:
    """The state that all APIs share; one job has one id in all of them."""

    def __init__(self, *, settings: Settings, store: Store, gallery: Gallery, pauses: Pauses) -> None:
        self.settings, self.store, self.gallery, self.pauses = settings, store, gallery, pauses
        self.sources = gallery.sources
        self.generate_calls = self.status_calls = self.image_calls = 0
        self._first_calls = FirstCalls()
        self._cancelled: set[str] = set()

    def authenticate(self, request: Request, scheme: str = "Bearer") -> None:
        """Take any key, or the one that the settings name. Raises Refusal."""
        given, _, key = request.headers.get("Authorization", "").partition(" ")
        wanted = self.settings.api_key
        key = key.strip()
        accepted = hmac.compare_digest(key.encode(), wanted.encode()) if wanted else bool(key)
        if given.lower() != scheme.lower() or not accepted:
            raise Refusal(401, "unauthorized", f"A valid API key is required: Authorization: {scheme} <key>.")

    def is_briefly_away(self, order: Order) -> Refusal | None:
        """Return what the first two submits of a prompt are answered in the modes that spoil those."""
        if order.mode not in (Mode.ERROR503, Mode.BUSY):
            return None
        if not self._first_calls.among_first(2, kind="submit", prompt=order.prompt):
            return None
        if order.mode is Mode.BUSY:
            return Refusal(429, "rate_limited", "Too many requests; try again shortly.", retry_after=1)
        return Refusal(503, "unavailable", "The service is briefly unavailable.", retry_after=1)

    def accept(self, order: Order) -> Job:
        """Take a job on and begin to draw."""
        job = self.store.add(
            prompt=order.prompt,
            negative_prompt=order.negative_prompt,
            aspect_ratio=order.aspect_ratio,
            mode=order.mode,
            now=time.time(),
            seconds=self.settings.seconds,
            size=order.size,
            source=order.source,
            seed=order.seed,
        )
        self.gallery.ready(job)
        return job

    async def spoiled_submit(self, order: Order) -> None:
        """Keep silent, or raise a Refusal, where a mode spoils the answer to a job that was accepted."""
        if order.mode is Mode.ERROR500_ACCEPTED:
            raise Refusal(500, "internal_error", "Something went wrong on our side.")
        if order.mode is Mode.TIMEOUT_SUBMIT:
            await self.silence(SUBMIT_SILENCE)

    async def wait(self, job: Job) -> None:
        """Wait until a job is done. Raises Refusal where it never is."""
        if job.mode is Mode.NEVER:
            await self.silence(SUBMIT_SILENCE)
        await self.pauses.sleep(job.ready_at - time.time())
        if job.mode is not Mode.FAIL:
            await self.gallery.png(job)
        if self.pauses.closing:
            raise _shutting_down()

    async def silence(self, seconds: float) -> None:
        """Say nothing for so long, then raise a Refusal."""
        await self.pauses.sleep(seconds)
        if self.pauses.closing:
            raise _shutting_down()
        raise Refusal(504, "timeout", "The request took too long.")

    def found(self, job_id: str) -> Job:
        """Return a job. Raises Refusal."""
        job = self.store.by_id(job_id)
        if job is None or job.mode is Mode.LOST:
            raise Refusal(404, "not_found", "There is no image with this id.")
        return job

    async def spoiled_status(self, job: Job) -> Response | None:
        """Return the answer to a status call that its job's mode spoils. Raises Refusal, likewise."""
        first = self._first_calls
        if job.mode is Mode.STATUS500 and first.among_first(3, kind="status", prompt=job.prompt):
            raise Refusal(500, "internal_error", "Something went wrong on our side.")
        if job.mode is Mode.STATUS_BUSY and first.among_first(2, kind="status", prompt=job.prompt):
            raise Refusal(429, "rate_limited", "Too many requests; try again shortly.", retry_after=1)
        if job.mode is Mode.STATUS_GARBAGE and first.among_first(2, kind="status", prompt=job.prompt):
            return PlainTextResponse('{"id": "img_', media_type="application/json")
        if job.mode is Mode.STATUS_TIMEOUT and first.among_first(1, kind="status", prompt=job.prompt):
            await self.silence(STATUS_SILENCE)
        return None

    def status_word(self, job: Job) -> str:
        """Return how far a job is, in the Reve API's words."""
        if job.id in self._cancelled:
            return "canceled"
        now = time.time()
        if job.mode is Mode.NEVER:
            return "pending"
        early, late = ("queued", "in_progress") if job.mode is Mode.PROCESSING_WORDS else ("pending", "processing")
        if now < job.ready_at:
            return early if now < (job.created_at + job.ready_at) / 2 else late
        if job.mode is Mode.FAIL:
            return "failed"
        # A completed job's image must be there to fetch: a burst at SANDBOX_SECONDS=0 waits for the painter here.
        return "completed" if self.gallery.ready(job) else late

    def cancel(self, job: Job) -> bool:
        """Drop a job that is not being drawn yet; whether it was one."""
        if self.status_word(job) in ("pending", "queued"):
            self._cancelled.add(job.id)
        return job.id in self._cancelled

    def image_url(self, request: Request, job: Job) -> str:
        """Return where a job's picture is."""
        return f"{request.url.scheme}://{request.url.netloc}/cdn/{job.image}.png"

    async def image(self, request: Request) -> Response:
        """Answer `GET /cdn/{name}.png`."""
        self.image_calls += 1
        job = self.store.by_image(request.path_params["name"])
        if job is None or time.time() < job.ready_at:
            raise Refusal(404, "not_found", "There is no such image.")
        png = await self.gallery.png(job)
        mode = job.mode
        if mode is Mode.STALLED_IMAGE and not self._first_calls.among_first(1, kind="image", prompt=job.prompt):
            mode = None
        serve = partial(spoiled.serve, slow_seconds=self.settings.slow_seconds)
        return await run_in_threadpool(serve, png, mode, self.pauses)


def answer(body: dict[str, object], mode: Mode | None, status: int = 200) -> Response:
    """Return a good answer, cut in half where that is the mode."""
    whole = JSONResponse(body, status)
    if mode is not Mode.CUT_OFF:
        return whole
    return Response(bytes(whole.body)[: len(whole.body) // 2], status, media_type="application/json")


def nearest_ratio(width: int, height: int) -> str:
    """Return which of the ratios that are drawn comes closest to a shape."""
    wanted = width / height
    return min(SIZES, key=lambda ratio: abs(SIZES[ratio][0] / SIZES[ratio][1] - wanted))


def _shutting_down() -> Refusal:
    return Refusal(503, "unavailable", "The sandbox is shutting down.")
