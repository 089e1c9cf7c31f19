"""The public Reve Art API (documented in the product's reve-art-api notes), answered locally.

POST /v1/images/generate and /v1/reve-image/generate, GET .../status/{id}, GET /cdn/{name}.png, and GET /sandbox/jobs
for tests. The document names no HTTP status for an asynchronous submit; this one is 202. Failure modes live in
`sandbox.failures`. The documented API knows no Idempotency-Key, so the header is ignored here too.
"""

from __future__ import annotations

import hmac
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox import spoiled
from sandbox.answers import Refusal
from sandbox.failures import FirstCalls, Mode, UnknownMode, mode_of
from sandbox.gallery import Gallery
from sandbox.pauses import Pauses
from sandbox.ratios import SIZES
from sandbox.settings import Settings
from sandbox.store import Job, Store

MODEL = "reve-sandbox-1"
MAX_PROMPT = 4000
MAX_BODY = 256 * 1024
SUBMIT_SILENCE = 120.0
STATUS_SILENCE = 60.0
_DRAWING_STEP = 0.05
_REFUSED_AT_SUBMIT: dict[Mode | None, tuple[int, str, str]] = {
    Mode.REFUSE: (422, "content_policy_violation", "The prompt was refused by our content policy."),
    Mode.ERROR500: (500, "internal_error", "Something went wrong on our side."),
    Mode.UNAUTHORIZED: (401, "unauthorized", "The API key is not valid."),
    Mode.PAYMENT: (402, "insufficient_credits", "The account has no credits left."),
    Mode.FORBIDDEN: (403, "forbidden", "This key may not generate images."),
}


@dataclass(frozen=True, slots=True)
class Order:
    """A validated generate request."""

    prompt: str
    negative_prompt: str
    aspect_ratio: str
    asynchronous: bool
    mode: Mode | None


class Reve:
    """The API's state and its endpoints."""

    def __init__(self, *, settings: Settings, store: Store, gallery: Gallery, pauses: Pauses) -> None:
        self._settings, self._store, self._gallery, self._pauses = settings, store, gallery, pauses
        self._first_calls = FirstCalls()
        self._generate_calls = 0
        self._status_calls = 0
        self._image_calls = 0

    def routes(self) -> list[Route]:
        """Return the API's routes; the status route answers with and without a trailing slash, unredirected."""
        routes = [
            Route("/cdn/{name}.png", self._image),
            Route("/sandbox/jobs", self._jobs),
        ]
        for family in ("reve-image", "images"):
            routes.append(Route(f"/v1/{family}/generate", self._generate, methods=["POST"]))
            routes.append(Route(f"/v1/{family}/status/{{id}}", self._status))
            routes.append(Route(f"/v1/{family}/status/{{id}}/", self._status))
        return routes

    async def _generate(self, request: Request) -> Response:
        self._generate_calls += 1
        self._authenticate(request)
        order = _order(await _json(request), self._settings.fail)
        self._refuse_at_submit(order)
        job = self._accept(order)
        if order.mode is Mode.ERROR500_ACCEPTED:
            raise Refusal(500, "internal_error", "Something went wrong on our side.")
        if order.mode is Mode.TIMEOUT_SUBMIT:
            return await self._silence(SUBMIT_SILENCE)
        if order.asynchronous and order.mode is not Mode.SYNC_ANYWAY:
            return JSONResponse({"id": job.id, "status": "pending"}, 202)
        return await self._wait(request, job)

    async def _status(self, request: Request) -> Response:
        self._status_calls += 1
        self._authenticate(request)
        job = self._store.by_id(request.path_params["id"])
        if job is None or job.mode is Mode.LOST:
            raise Refusal(404, "not_found", "There is no image with this id.")
        spoiled_answer = await self._spoiled_status(job)
        return spoiled_answer or JSONResponse(self._body(request, job))

    async def _image(self, request: Request) -> Response:
        self._image_calls += 1
        job = self._store.by_image(request.path_params["name"])
        if job is None or time.time() < job.ready_at:
            raise Refusal(404, "not_found", "There is no such image.")
        png = await self._gallery.png(job)
        mode = job.mode
        if mode is Mode.STALLED_IMAGE and not self._first_calls.among_first(1, kind="image", prompt=job.prompt):
            mode = None
        return await run_in_threadpool(spoiled.serve, png, mode, self._pauses)

    async def _jobs(self, request: Request) -> Response:
        """For tests: what was asked and what was accepted. `?prompt=` narrows the list to one exact prompt."""
        wanted = request.query_params.get("prompt")
        jobs = [job for job in self._store.newest(1000) if wanted is None or job.prompt == wanted]
        listed = [
            {
                "id": j.id,
                "prompt": j.prompt,
                "status": self._status_word(j),
                "created_at": _timestamp(j.created_at),
            }
            for j in jobs
        ]
        counts = {
            "generate_calls": self._generate_calls,
            "status_calls": self._status_calls,
            "image_calls": self._image_calls,
        }
        return JSONResponse({**counts, "accepted": self._store.count(), "jobs": listed})

    def _authenticate(self, request: Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        wanted = self._settings.api_key
        key = key.strip()
        accepted = hmac.compare_digest(key.encode(), wanted.encode()) if wanted else bool(key)
        if scheme.lower() != "bearer" or not accepted:
            raise Refusal(401, "unauthorized", "A valid API key is required: Authorization: Bearer <key>.")

    def _refuse_at_submit(self, order: Order) -> None:
        if order.mode in _REFUSED_AT_SUBMIT:
            raise Refusal(*_REFUSED_AT_SUBMIT[order.mode])
        if order.mode not in (Mode.ERROR503, Mode.BUSY):
            return
        if self._first_calls.among_first(2, kind="submit", prompt=order.prompt):
            if order.mode is Mode.BUSY:
                raise Refusal(429, "rate_limited", "Too many requests; try again shortly.", retry_after=1)
            raise Refusal(503, "unavailable", "The service is briefly unavailable.", retry_after=1)

    def _accept(self, order: Order) -> Job:
        job = self._store.add(
            prompt=order.prompt,
            negative_prompt=order.negative_prompt,
            aspect_ratio=order.aspect_ratio,
            mode=order.mode,
            now=time.time(),
            seconds=self._settings.seconds,
        )
        self._gallery.ready(job)
        return job

    async def _wait(self, request: Request, job: Job) -> Response:
        if job.mode is Mode.NEVER:
            return await self._silence(SUBMIT_SILENCE)
        await self._pauses.sleep(job.ready_at - time.time())
        if job.mode is not Mode.FAIL:
            await self._gallery.png(job)
        if self._pauses.closing:
            raise _shutting_down()
        return JSONResponse(self._body(request, job))

    async def _silence(self, seconds: float) -> Response:
        await self._pauses.sleep(seconds)
        if self._pauses.closing:
            raise _shutting_down()
        raise Refusal(504, "timeout", "The request took too long.")

    async def _spoiled_status(self, job: Job) -> Response | None:
        first = self._first_calls
        if job.mode is Mode.STATUS500 and first.among_first(3, kind="status", prompt=job.prompt):
            raise Refusal(500, "internal_error", "Something went wrong on our side.")
        if job.mode is Mode.STATUS_BUSY and first.among_first(2, kind="status", prompt=job.prompt):
            raise Refusal(429, "rate_limited", "Too many requests; try again shortly.", retry_after=1)
        if job.mode is Mode.STATUS_GARBAGE and first.among_first(2, kind="status", prompt=job.prompt):
            return PlainTextResponse('{"id": "img_', media_type="application/json")
        if job.mode is Mode.STATUS_TIMEOUT and first.among_first(1, kind="status", prompt=job.prompt):
            return await self._silence(STATUS_SILENCE)
        return None

    def _status_word(self, job: Job) -> str:
        now = time.time()
        if job.mode is Mode.NEVER:
            return "pending"
        early, late = ("queued", "in_progress") if job.mode is Mode.PROCESSING_WORDS else ("pending", "processing")
        if now < job.ready_at:
            return early if now < (job.created_at + job.ready_at) / 2 else late
        if job.mode is Mode.FAIL:
            return "failed"
        # A completed job's image must be there to fetch: a burst at SANDBOX_SECONDS=0 waits for the painter here.
        return "completed" if self._gallery.ready(job) else late

    def _body(self, request: Request, job: Job) -> dict[str, Any]:
        status = self._status_word(job)
        body: dict[str, Any] = {"id": job.id, "status": status}
        if status == "failed":
            body["error"] = {"code": "generation_failed", "message": "The image could not be generated."}
        if status == "completed":
            if job.mode is not Mode.NO_URL:
                body["url"] = f"{request.url.scheme}://{request.url.netloc}/cdn/{job.image}.png"
            body["metadata"] = _metadata(job)
        return body


def _shutting_down() -> Refusal:
    return Refusal(503, "unavailable", "The sandbox is shutting down.")


def _metadata(job: Job) -> dict[str, Any]:
    width, height = SIZES[job.aspect_ratio]
    return {
        "prompt": job.prompt,
        "width": width,
        "height": height,
        "model": MODEL,
        "created_at": _timestamp(job.created_at),
    }


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _json(request: Request) -> object:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Refusal(413, "too_large", "The request body is too large.")
    try:
        parsed: object = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_json", "The request body is not valid JSON.") from None
    return parsed


def _order(body: object, default_mode: Mode | None) -> Order:
    if not isinstance(body, dict):
        raise _invalid("The request body must be a JSON object.")
    prompt = _text(body, "prompt")
    if not prompt.strip():
        raise _invalid("prompt is required.")
    ratio = body.get("aspect_ratio", "1:1")
    if not isinstance(ratio, str) or ratio not in SIZES:
        raise _invalid(f"aspect_ratio must be one of: {', '.join(SIZES)}.")
    asynchronous = body.get("async", False)
    if not isinstance(asynchronous, bool):
        raise _invalid("async must be true or false.")
    try:
        mode = mode_of(prompt, default_mode)
    except UnknownMode as unknown:
        raise Refusal(422, "unknown_sandbox_mode", str(unknown)) from None
    return Order(prompt, _text(body, "negative_prompt"), ratio, asynchronous, mode)


def _text(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _invalid(f"{field} must be a string.")
    if len(value) > MAX_PROMPT:
        raise _invalid(f"{field} must have at most {MAX_PROMPT} characters.")
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair; nothing could store or echo it
        raise _invalid(f"{field} is not valid Unicode.") from None
    return value


def _invalid(message: str) -> Refusal:
    return Refusal(422, "validation_error", message)
