"""The public Reve Art API (documented in the product's reve-art-api notes), answered locally.

POST /v1/images/generate and /v1/reve-image/generate, GET .../status/{id}, GET /cdn/{name}.png, and GET /sandbox/jobs
for tests. POST .../edit and .../remix are what reveweb adds to it. The document names no HTTP status for an
asynchronous submit; this one is 202. Failure modes live in `sandbox.failures`. The documented API knows no
Idempotency-Key, so the header is ignored here too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import asked
from sandbox.answers import Refusal
from sandbox.failures import Mode
from sandbox.jobs import Jobs, Order, answer, nearest_ratio
from sandbox.ratios import SIZES
from sandbox.sources import shape_of
from sandbox.store import Job

MODEL = "reve-sandbox-1"
MOST_IMAGES = 6
_REFUSED_AT_SUBMIT: dict[Mode | None, tuple[int, str, str]] = {
    Mode.REFUSE: (422, "content_policy_violation", "The prompt was refused by our content policy."),
    Mode.ERROR500: (500, "internal_error", "Something went wrong on our side."),
    Mode.UNAUTHORIZED: (401, "unauthorized", "The API key is not valid."),
    Mode.PAYMENT: (402, "insufficient_credits", "The account has no credits left."),
    Mode.FORBIDDEN: (403, "forbidden", "This key may not generate images."),
    Mode.NOT_FOUND: (404, "not_found", "There is no such model."),
}


class Reve:
    """The API's endpoints."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def routes(self) -> list[Route]:
        """Return the API's routes; the status route answers with and without a trailing slash, unredirected."""
        routes = [Route("/cdn/{name}.png", self._jobs.image), Route("/sandbox/jobs", self._listed)]
        for family in ("reve-image", "images"):
            for endpoint in (self._generate, self._edit, self._remix):
                name = endpoint.__name__.removeprefix("_")
                routes.append(Route(f"/v1/{family}/{name}", endpoint, methods=["POST"]))
            routes.append(Route(f"/v1/{family}/status/{{id}}", self._status))
            routes.append(Route(f"/v1/{family}/status/{{id}}/", self._status))
        return routes

    async def _generate(self, request: Request) -> Response:
        self._begin(request)
        body = await asked.json_of(request)
        prompt = asked.prompt_of(body)
        mode = asked.mode_for(prompt, self._jobs.settings.fail)
        order = Order(prompt, mode, asked.text(body, "negative_prompt"), asked.ratio_of(body), seed=asked.seed_of(body))
        return await self._submitted(request, order, body)

    async def _edit(self, request: Request) -> Response:
        self._begin(request)
        body = await asked.json_of(request, most=asked.MAX_BODY_WITH_PICTURES)
        prompt = asked.prompt_of(body)
        picture = asked.picture(body.get("image"), "image")
        mask = asked.picture(body["mask"], "mask") if body.get("mask") is not None else None
        source = await run_in_threadpool(self._jobs.sources.keep, [picture], mask, keeps_shape=True)
        mode = asked.mode_for(prompt, self._jobs.settings.fail)
        ratio, size = nearest_ratio(*shape_of(picture)), ""
        if "aspect_ratio" in body:
            ratio = asked.ratio_of(body)
            size = "x".join(map(str, SIZES[ratio]))
        negative = asked.text(body, "negative_prompt")
        return await self._submitted(
            request, Order(prompt, mode, negative, ratio, size, source, asked.seed_of(body)), body
        )

    async def _remix(self, request: Request) -> Response:
        self._begin(request)
        body = await asked.json_of(request, most=asked.MAX_BODY_WITH_PICTURES)
        prompt = asked.prompt_of(body)
        pictures = asked.pictures(body.get("images"), "images")
        if len(pictures) > MOST_IMAGES:
            raise asked.invalid(f"images must be at most {MOST_IMAGES}.")
        source = await run_in_threadpool(self._jobs.sources.keep, pictures, keeps_shape=False)
        mode = asked.mode_for(prompt, self._jobs.settings.fail)
        negative, seed = asked.text(body, "negative_prompt"), asked.seed_of(body)
        order = Order(prompt, mode, negative, asked.ratio_of(body), source=source, seed=seed)
        return await self._submitted(request, order, body)

    def _begin(self, request: Request) -> None:
        self._jobs.generate_calls += 1
        self._jobs.authenticate(request)

    async def _submitted(self, request: Request, order: Order, body: dict[str, Any]) -> Response:
        asynchronous = body.get("async", False)
        if not isinstance(asynchronous, bool):
            raise asked.invalid("async must be true or false.")
        if order.mode in _REFUSED_AT_SUBMIT:
            raise Refusal(*_REFUSED_AT_SUBMIT[order.mode])
        if away := self._jobs.is_briefly_away(order):
            raise away
        job = self._jobs.accept(order)
        await self._jobs.spoiled_submit(order)
        if asynchronous and order.mode is not Mode.SYNC_ANYWAY:
            return answer({"id": job.id, "status": "pending"}, order.mode, 202)
        await self._jobs.wait(job)
        return JSONResponse(self._body(request, job))

    async def _status(self, request: Request) -> Response:
        self._jobs.status_calls += 1
        self._jobs.authenticate(request)
        job = self._jobs.found(request.path_params["id"])
        spoiled_answer = await self._jobs.spoiled_status(job)
        return spoiled_answer or JSONResponse(self._body(request, job))

    async def _listed(self, request: Request) -> Response:
        """For tests: what was asked and what was accepted. `?prompt=` narrows the list to one exact prompt."""
        wanted = request.query_params.get("prompt")
        jobs = [job for job in self._jobs.store.newest(1000) if wanted is None or job.prompt == wanted]
        listed = [
            {
                "id": j.id,
                "prompt": j.prompt,
                "status": self._jobs.status_word(j),
                "created_at": _timestamp(j.created_at),
            }
            for j in jobs
        ]
        counts = {
            "generate_calls": self._jobs.generate_calls,
            "status_calls": self._jobs.status_calls,
            "image_calls": self._jobs.image_calls,
        }
        return JSONResponse({**counts, "accepted": self._jobs.store.count(), "jobs": listed})

    def _body(self, request: Request, job: Job) -> dict[str, Any]:
        status = self._jobs.status_word(job)
        body: dict[str, Any] = {"id": job.id, "status": status}
        if status == "failed":
            body["error"] = {"code": "generation_failed", "message": "The image could not be generated."}
        if status == "completed":
            if job.mode is not Mode.NO_URL:
                body["url"] = self._jobs.image_url(request, job)
            body["metadata"] = _metadata(job)
        return body


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
