"""fal's queue, answered locally below /fal, for any model's name: submit, status, result, cancel.

https://docs.fal.ai/model-endpoints/queue. As there, a model looks at its input when its turn comes: a
refused prompt is taken, and its result is an error.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import asked
from sandbox.answers import Refusal, in_shape
from sandbox.failures import Mode
from sandbox.jobs import Jobs, Order, answer, nearest_ratio
from sandbox.sources import shape_of
from sandbox.store import Job

_REFUSED: dict[Mode | None, tuple[int, str, str]] = {
    Mode.ERROR500: (500, "", "Internal Server Error"),
    Mode.UNAUTHORIZED: (401, "", "No user found for Key ID and Secret"),
    Mode.PAYMENT: (403, "", "User is locked. Reason: Exhausted balance. Top up your balance in the dashboard."),
    Mode.FORBIDDEN: (403, "", "This key may not use this application."),
    Mode.NOT_FOUND: (404, "", "Application not found"),
}
_WORDS = {"pending": "IN_QUEUE", "queued": "IN_QUEUE", "processing": "IN_PROGRESS", "in_progress": "IN_PROGRESS"}
_CONTENT = {
    "loc": ["body", "prompt"],
    "msg": "The content could not be processed because it contained material flagged by a content checker.",
    "type": "content_policy_violation",
    "url": "https://docs.fal.ai/errors/#content_policy_violation",
    "input": "",
}


class Fal:
    """The API's endpoints."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def routes(self) -> list[Route]:
        """Return the API's routes."""
        request = "/fal/{app:path}/requests/{id}"
        return [
            Route(f"{request}/status", in_shape(self._status, _error)),
            Route(f"{request}/cancel", in_shape(self._cancel, _error), methods=["PUT"]),
            Route(f"{request}/response", in_shape(self._result, _error)),
            Route(request, in_shape(self._result, _error)),
            Route("/fal/{model:path}", in_shape(self._submit, _error), methods=["POST"]),
        ]

    async def _submit(self, request: Request) -> Response:
        self._jobs.generate_calls += 1
        self._jobs.authenticate(request, "Key")
        body = await asked.json_of(request, most=asked.MAX_BODY_WITH_PICTURES)
        prompt = asked.prompt_of(body)
        mode = asked.mode_for(prompt, self._jobs.settings.fail)
        if mode in _REFUSED:
            raise Refusal(*_REFUSED[mode])
        order = await run_in_threadpool(self._order, prompt, mode, body)
        if away := self._jobs.is_briefly_away(order):
            raise away
        job = self._jobs.accept(order)
        await self._jobs.spoiled_submit(order)
        app = "/".join(request.path_params["model"].split("/")[:2])
        return answer({"status": "IN_QUEUE", "queue_position": 0, **self._addresses(request, app, job)}, mode)

    def _order(self, prompt: str, mode: Mode | None, body: dict[str, Any]) -> Order:
        size, source = body.get("image_size"), ""
        shape = (size["width"], size["height"]) if isinstance(size, dict) else (1024, 1024)
        if not all(isinstance(side, int) and 64 <= side <= 4096 for side in shape):
            raise asked.invalid("image_size must have width and height, 64 to 4096.")
        if "image_url" in body:
            picture = asked.picture(body["image_url"], "image_url")
            mask = asked.picture(body["mask_url"], "mask_url") if body.get("mask_url") else None
            source = self._jobs.sources.keep([picture], mask, keeps_shape=True)
            shape = shape if size else shape_of(picture)
        elif "image_urls" in body:
            source = self._jobs.sources.keep(asked.pictures(body["image_urls"], "image_urls"), keeps_shape=False)
        wanted = f"{shape[0]}x{shape[1]}" if isinstance(size, dict) else ""
        negative = asked.text(body, "negative_prompt")
        return Order(prompt, mode, negative, nearest_ratio(*shape), wanted, source, asked.seed_of(body))

    async def _status(self, request: Request) -> Response:
        job = self._found(request)
        if spoiled := await self._jobs.spoiled_status(job):
            return spoiled
        word = _WORDS.get(self._jobs.status_word(job), "COMPLETED")
        told: dict[str, Any] = {"status": word, **self._addresses(request, request.path_params["app"], job)}
        if word == "IN_QUEUE":
            told["queue_position"] = 0
        if self._jobs.status_word(job) == "canceled":
            told |= {"error": "Request was cancelled by the client", "error_type": "client_cancelled"}
        return JSONResponse(told, 200 if word == "COMPLETED" else 202)

    async def _result(self, request: Request) -> Response:
        job = self._found(request)
        word = self._jobs.status_word(job)
        if word in _WORDS:
            return JSONResponse({"detail": "Request is still in progress"}, 400)
        if word == "canceled":
            return JSONResponse({"detail": "Request was cancelled", "error_type": "client_cancelled"}, 499)
        if word == "failed":
            return JSONResponse({"detail": "The runner failed.", "error_type": "runner_server_error"}, 500)
        if job.mode is Mode.REFUSE:
            return JSONResponse({"detail": [_CONTENT]}, 422)
        image = {"url": self._jobs.image_url(request, job), "content_type": "image/png"}
        drawn = [] if job.mode is Mode.NO_URL else [image]
        return JSONResponse({"images": drawn, "seed": 1, "has_nsfw_concepts": [False], "prompt": job.prompt})

    async def _cancel(self, request: Request) -> Response:
        job = self._found(request)
        if self._jobs.status_word(job) not in (*_WORDS, "canceled"):
            return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
        self._jobs.cancel(job)
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)

    def _found(self, request: Request) -> Job:
        self._jobs.status_calls += 1
        self._jobs.authenticate(request, "Key")
        if len(request.path_params["app"].split("/")) != 2:  # a job is below its app, not below its model
            raise Refusal(404, "", "There is no such request.")
        return self._jobs.found(_job_id(request.path_params["id"]))

    def _addresses(self, request: Request, app: str, job: Job) -> dict[str, str]:
        request_id = _request_id(job.id)
        at = f"{request.url.scheme}://{request.url.netloc}/fal/{app}/requests/{request_id}"
        return {
            "request_id": request_id,
            "response_url": at,
            "status_url": f"{at}/status",
            "cancel_url": f"{at}/cancel",
        }


def _request_id(job_id: str) -> str:
    """Return a job's id as fal would write it."""
    digits = job_id.removeprefix("img_")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:]))


def _job_id(request_id: str) -> str:
    return "img_" + re.sub("-", "", request_id)


def _error(refusal: Refusal) -> JSONResponse:
    headers = None if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    detail: object = refusal.message
    if refusal.status == 422:
        detail = [{"loc": ["body"], "msg": refusal.message, "type": refusal.code, "input": ""}]
    return JSONResponse({"detail": detail}, refusal.status, headers)
