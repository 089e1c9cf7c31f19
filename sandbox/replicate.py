"""Replicate's predictions, answered locally below /replicate: models with their schemas, predictions, cancel, files.

https://replicate.com/docs/reference/http. Any model's name is one; how it ends decides what the model takes:
`…-pixels` has width, height and one `image`, any other `aspect_ratio`, a list of pictures and a mask. A field that a
model does not know is refused, as there.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import asked, multipart
from sandbox.answers import Refusal, in_shape
from sandbox.failures import Mode
from sandbox.jobs import Jobs, Order, answer, nearest_ratio
from sandbox.ratios import SIZES
from sandbox.sources import shape_of
from sandbox.store import Job

KEEP_FILES = 50
_TEXT = {"type": "string"}
_ADDRESS = {"type": "string", "format": "uri"}
_ARTIST = {
    "prompt": _TEXT,
    "negative_prompt": _TEXT,
    "aspect_ratio": {"allOf": [{"$ref": "#/components/schemas/aspect_ratio"}], "default": "1:1"},
    "image_input": {"type": "array", "items": _ADDRESS},
    "mask": _ADDRESS,
    "seed": {"type": "integer"},
}
_PIXELS = {
    "prompt": _TEXT,
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "image": _ADDRESS,
    "seed": {"type": "integer"},
}
_REFUSED: dict[Mode | None, tuple[int, str, str]] = {
    Mode.ERROR500: (500, "Internal server error", "Something went wrong on our side."),
    Mode.UNAUTHORIZED: (401, "Unauthenticated", "You did not pass a valid authentication token"),
    Mode.PAYMENT: (402, "Insufficient credit", "You have insufficient credit to run this model."),
    Mode.FORBIDDEN: (403, "Forbidden", "You do not have permission to run this model."),
    Mode.NOT_FOUND: (404, "Not found", "The requested resource could not be found."),
}
_WORDS = {
    "pending": "starting",
    "queued": "starting",
    "processing": "processing",
    "in_progress": "processing",
    "completed": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}


class Replicate:
    """The API's endpoints."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._files: dict[str, bytes] = {}

    def routes(self) -> list[Route]:
        """Return the API's routes."""
        root, model = "/replicate/v1", "/replicate/v1/models/{owner}/{name}"
        return [
            Route(model, in_shape(self._model, _error)),
            Route(f"{model}/versions/{{version}}", in_shape(self._model, _error)),
            Route(f"{model}/predictions", in_shape(self._predict, _error), methods=["POST"]),
            Route(f"{root}/predictions", in_shape(self._predict, _error), methods=["POST"]),
            Route(f"{root}/predictions/{{id}}", in_shape(self._get, _error)),
            Route(f"{root}/predictions/{{id}}/cancel", in_shape(self._cancel, _error), methods=["POST"]),
            Route(f"{root}/files", in_shape(self._keep, _error), methods=["POST"]),
        ]

    async def _model(self, request: Request) -> Response:
        self._jobs.authenticate(request)
        schemas = {
            "Input": {"type": "object", "properties": _fields(request.path_params["name"]), "required": ["prompt"]},
            "aspect_ratio": {"type": "string", "enum": list(SIZES)},
        }
        version = {
            "id": request.path_params.get("version", "5c7d5dc6"),
            "openapi_schema": {"components": {"schemas": schemas}},
        }
        if "version" in request.path_params:
            return JSONResponse(version)
        return JSONResponse(
            {
                "owner": request.path_params["owner"],
                "name": request.path_params["name"],
                "latest_version": version,
            }
        )

    async def _predict(self, request: Request) -> Response:
        self._jobs.generate_calls += 1
        self._jobs.authenticate(request)
        body = await asked.json_of(request, most=asked.MAX_BODY_WITH_PICTURES)
        given = body.get("input")
        if not isinstance(given, dict):
            raise asked.invalid("- input is required")
        prompt = asked.prompt_of(given)
        mode = asked.mode_for(prompt, self._jobs.settings.fail)
        if mode in _REFUSED:
            raise Refusal(*_REFUSED[mode])
        order = await run_in_threadpool(self._order, prompt, mode, given, request.path_params.get("name", ""))
        if away := self._jobs.is_briefly_away(order):
            raise away
        job = self._jobs.accept(order)
        await self._jobs.spoiled_submit(order)
        if mode is Mode.SYNC_ANYWAY:
            await self._jobs.wait(job)
        return answer(self._told(request, job, given), mode, 201)

    def _order(self, prompt: str, mode: Mode | None, given: dict[str, Any], name: str) -> Order:
        known = _fields(name) if name else {**_ARTIST, **_PIXELS}
        for field in given:
            if field not in known:
                raise asked.invalid(f"- input: Additional property {field} is not allowed")
        negative = asked.text(given, "negative_prompt")
        size = f"{given['width']}x{given['height']}" if "width" in given else ""
        pictures = [self._picture(each) for each in given.get("image_input", ())]
        ratio, source = asked.ratio_of(given), ""
        if "image" in given:
            pictures = [self._picture(given["image"])]
        if pictures:
            mask = self._picture(given["mask"]) if given.get("mask") else None
            is_edit = len(pictures) == 1
            source = self._jobs.sources.keep(pictures, mask, keeps_shape=is_edit)
            if is_edit and "aspect_ratio" in given:
                size = "x".join(map(str, SIZES[ratio]))
            elif is_edit:
                ratio = nearest_ratio(*shape_of(pictures[0]))
        elif size:
            ratio = nearest_ratio(given["width"], given["height"])
        return Order(prompt, mode, negative, ratio, size, source, asked.seed_of(given))

    def _picture(self, value: object) -> bytes:
        kept = self._files.get(value.rpartition("/")[2]) if isinstance(value, str) and len(value) < 300 else None
        return kept or asked.picture(value, "input")

    async def _keep(self, request: Request) -> Response:
        self._jobs.authenticate(request)
        content = (await multipart.fields_of(request, most=asked.MAX_BODY_WITH_PICTURES)).get("content")
        if not content:
            raise asked.invalid("- content is required")
        file_id = secrets.token_urlsafe(24)
        self._files[file_id] = content[0]
        for old in list(self._files)[:-KEEP_FILES]:
            del self._files[old]
        at = f"{request.url.scheme}://{request.url.netloc}/replicate/v1/files/{file_id}"
        return JSONResponse({"id": file_id, "size": len(self._files[file_id]), "urls": {"get": at}}, 201)

    async def _get(self, request: Request) -> Response:
        job = self._found(request)
        spoiled = await self._jobs.spoiled_status(job)
        return spoiled or JSONResponse(self._told(request, job, {"prompt": job.prompt}))

    async def _cancel(self, request: Request) -> Response:
        job = self._found(request)
        self._jobs.cancel(job)
        return JSONResponse(self._told(request, job, {"prompt": job.prompt}))

    def _found(self, request: Request) -> Job:
        self._jobs.status_calls += 1
        self._jobs.authenticate(request)
        return self._jobs.found(request.path_params["id"])

    def _told(self, request: Request, job: Job, given: dict[str, Any]) -> dict[str, Any]:
        word = _WORDS[self._jobs.status_word(job)]
        if job.mode is Mode.REFUSE and word == "succeeded":
            word = "failed"
        at = f"{request.url.scheme}://{request.url.netloc}/replicate/v1/predictions/{job.id}"
        has_begun = word not in ("starting", "canceled")
        error = None
        if word == "failed":
            error = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
            error = error if job.mode is Mode.REFUSE else "The image could not be generated."
        drawn = [] if job.mode is Mode.NO_URL else [self._jobs.image_url(request, job)]
        return {
            "id": job.id,
            "model": "sandbox/artist",
            "status": word,
            "input": given,
            "output": drawn if word == "succeeded" else None,
            "error": error,
            "started_at": _moment(job.created_at) if has_begun else None,
            "metrics": {"predict_time": time.time() - job.created_at} if word == "succeeded" else {},
            "urls": {"get": at, "cancel": f"{at}/cancel"},
        }


def _fields(name: str) -> dict[str, Any]:
    return _PIXELS if name.endswith("-pixels") else _ARTIST


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _error(refusal: Refusal) -> JSONResponse:
    headers = None if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    body = {"title": refusal.code, "detail": refusal.message, "status": refusal.status}
    return JSONResponse(body, refusal.status, headers)
