"""OpenAI's Images API, answered locally below /openai: POST /v1/images/generations and /v1/images/edits.

https://platform.openai.com/docs/api-reference/images. A model whose name begins with `gpt-image` behaves as those do
(it answers in base64, refuses `response_format`, and draws three sizes), any other as `dall-e-3` did. An edit that is
asked for in its picture's own shape stays as large as the picture.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import asked, multipart, spoiled
from sandbox.answers import Refusal, in_shape
from sandbox.failures import Mode
from sandbox.jobs import Jobs, Order, answer, nearest_ratio
from sandbox.sources import shape_of, white_where_transparent

GPT_SIZES = ("1024x1024", "1536x1024", "1024x1536", "auto")
_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}
_REFUSED: dict[Mode | None, tuple[int, str, str]] = {
    Mode.REFUSE: (400, "moderation_blocked", "Your request was rejected by the safety system."),
    Mode.ERROR500: (500, "", "The server had an error while processing your request."),
    Mode.FAIL: (500, "", "The server had an error while processing your request."),
    Mode.UNAUTHORIZED: (401, "invalid_api_key", "Incorrect API key provided."),
    Mode.PAYMENT: (429, "insufficient_quota", "You exceeded your current quota, please check your plan."),
    Mode.FORBIDDEN: (403, "unsupported_country_region_territory", "Country, region, or territory not supported."),
    Mode.NOT_FOUND: (404, "model_not_found", "The model does not exist or you do not have access to it."),
}
_IN_DATA = {Mode.TRUNCATED, Mode.BOMB, Mode.WRONG_TYPE, Mode.JPEG, Mode.WEBP}


class OpenAI:
    """The API's endpoints."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def routes(self) -> list[Route]:
        """Return the API's routes."""
        return [
            Route("/openai/v1/images/generations", in_shape(self._generations, _error), methods=["POST"]),
            Route("/openai/v1/images/edits", in_shape(self._edits, _error), methods=["POST"]),
        ]

    async def _generations(self, request: Request) -> Response:
        self._begin(request)
        body = await asked.json_of(request)
        return await self._drawn(request, body, _size(body))

    async def _edits(self, request: Request) -> Response:
        self._begin(request)
        form = await multipart.fields_of(request, most=asked.MAX_BODY_WITH_PICTURES)
        pictures = form.pop("image[]", []) + form.pop("image", [])
        mask = form.pop("mask", [])
        body = {name: values[-1].decode("utf-8", "replace") for name, values in form.items()}
        if not pictures:
            raise Refusal(400, "missing_required_parameter", "Missing required parameter: 'image'.", param="image")
        white = None
        if mask:
            if shape_of(mask[0]) != shape_of(pictures[0]):
                raise Refusal(400, "invalid_mask", "The mask must have the size of the image.", param="mask")
            white = white_where_transparent(mask[0])
        size = _size(body)
        is_edit = len(pictures) == 1
        source = await run_in_threadpool(self._jobs.sources.keep, pictures, white, keeps_shape=is_edit)
        if is_edit and size and _ratio(size) == nearest_ratio(*shape_of(pictures[0])):
            size = ""
        return await self._drawn(request, body, size, source)

    def _begin(self, request: Request) -> None:
        self._jobs.generate_calls += 1
        self._jobs.authenticate(request)

    async def _drawn(self, request: Request, body: dict[str, Any], size: str, source: str = "") -> Response:
        prompt = asked.prompt_of(body)
        if str(body.get("n", 1)) != "1":
            raise Refusal(400, "invalid_value", "n must be 1.", param="n")
        mode = asked.mode_for(prompt, self._jobs.settings.fail)
        order = Order(prompt, mode, aspect_ratio=_ratio(size) if size else "1:1", size=size, source=source)
        if order.mode in _REFUSED:
            raise Refusal(*_REFUSED[order.mode])
        if away := self._jobs.is_briefly_away(order):
            raise away
        job = self._jobs.accept(order)
        await self._jobs.spoiled_submit(order)
        await self._jobs.wait(job)
        picture: dict[str, Any] = {}
        if mode is not Mode.NO_URL:
            if _is_gpt(body) or body.get("response_format") == "b64_json":
                png = spoiled.spoil(await self._jobs.gallery.png(job), mode if mode in _IN_DATA else None)
                picture["b64_json"] = base64.b64encode(png).decode()
            else:
                picture["url"] = self._jobs.image_url(request, job)
        told: dict[str, object] = {"created": int(time.time()), "data": [picture]}
        if _is_gpt(body):
            told["usage"] = {
                "input_tokens": 20,
                "input_tokens_details": {"text_tokens": 20, "image_tokens": 0},
                "output_tokens": 1056,
                "total_tokens": 1076,
            }
        return answer(told, mode)


def _is_gpt(body: dict[str, Any]) -> bool:
    return str(body.get("model", "")).startswith("gpt-image")


def _size(body: dict[str, Any]) -> str:
    """Return the size asked for; "" for the model's choice. Raises Refusal."""
    if _is_gpt(body) and "response_format" in body:
        raise Refusal(400, "unknown_parameter", "Unknown parameter: 'response_format'.", param="response_format")
    size = asked.text(body, "size")
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size)
    is_offered = size in GPT_SIZES if _is_gpt(body) else found and max(int(found[1]), int(found[2])) <= 2048
    if size and not is_offered:
        raise Refusal(400, "invalid_value", f"Invalid value: '{size}'.", param="size")
    return "" if size == "auto" else size


def _ratio(size: str) -> str:
    width, _, height = size.partition("x")
    return nearest_ratio(int(width), int(height))


def _error(refusal: Refusal) -> JSONResponse:
    status = 400 if refusal.status == 422 else refusal.status
    code = {"rate_limited": "rate_limit_exceeded", "internal_error": None}.get(refusal.code, refusal.code or None)
    kind = "insufficient_quota" if code == "insufficient_quota" else _TYPES.get(status, "invalid_request_error")
    body = {"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}}
    headers = None if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return JSONResponse(body, status, headers)
