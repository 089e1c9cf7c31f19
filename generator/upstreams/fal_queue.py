"""The dialect of fal's queue.

https://docs.fal.ai/model-endpoints/queue and https://fal.ai/docs/inference-api/queue/result: what is submitted to
`queue.fal.run/{model}` waits, is looked at below the model's app (its first two names), and its result is fetched when
it is COMPLETED, which it is after a failure too. https://docs.fal.ai/errors and
https://docs.fal.ai/documentation/model-apis/request-errors: a model's errors are a list under `detail`, the platform's
a text there beside an `error_type`. https://fal.ai/models/{model}/api tells a model's fields: they differ in what they
call a shape or a picture, so each is sent under the names that most of them read.

A job's id here is its path there, as `fal-ai/flux/requests/764cabcf…`: the app is in nothing else that is kept.
"""

import contextlib
import re
from typing import Any

import httpx

from generator.models import Operation
from generator.upstreams import asking, pictures, words
from generator.upstreams.dialect import NO_JOB, Capabilities, Dialect, Job, Order
from generator.upstreams.errors import (
    BadInput,
    Gone,
    Kind,
    OperatorTrouble,
    PromptRefused,
    Unclear,
    UpstreamError,
)
from generator.upstreams.transport import ID_MAX_LENGTH, URL_MAX_LENGTH, Access, Transport, identifier, quoted
from kit.threads import Pool, in_thread

_STEP = r"[\w-][\w.-]*"
_MODEL = re.compile(rf"{_STEP}(/{_STEP})+", re.ASCII)
_JOB = re.compile(rf"({_STEP}(?:/{_STEP})+)/requests/([^/]+)", re.ASCII)
_SPACES = ("workflows", "comfy")  # names in front of an owner's


class _Ended(Unclear):
    """An error of the model or its runner, told in JSON: of a result it is the job's end, of anything else unclear."""


class FalQueue(Dialect):
    """`POST /{model}`, then `GET` and `PUT` below `/{app}/requests/{id}`."""

    can = Capabilities(operations=frozenset(Operation), takes_mask=True, takes_seed=True, can_cancel=True)

    def __init__(self, access: Access) -> None:
        self.http = Transport(access, authorization="Key {key}", meaning=self._meaning)
        self._base = httpx.URL(access.base_url.rstrip("/"))

    async def submit(self, order: Order) -> Job:
        if not _MODEL.fullmatch(order.model):
            raise OperatorTrouble("fal needs a model's name, as fal-ai/flux/dev", Kind.NOT_FOUND)
        body = await in_thread(lambda: _body(order), Pool.PROCESSOR) if order.inputs else _body(order)
        try:
            data = await self.http.submit(f"/{order.model}", json=body)
        except Gone as error:
            raise asking.not_there(error, "such model") from None
        except _Ended as error:
            raise _unclear(error) from None
        if not isinstance(data, dict):
            raise Unclear("an answer that is no object")
        request_id = identifier("id", data.get("request_id"), ID_MAX_LENGTH)
        job_id = f"{self._app(data.get('status_url'), request_id) or _app_of(order.model)}/requests/{request_id}"
        if len(job_id) > ID_MAX_LENGTH or not _JOB.fullmatch(job_id):
            raise Unclear("an answer without a usable id")
        return Job(job_id, "pending")

    async def poll(self, job_id: str) -> Job:
        path = _path(job_id)
        data = await self._look(f"{path}/status")
        state = self._checked(data, job_id)
        if state in ("FAILED", "ERROR", "CANCELED", "CANCELLED"):  # the document knows none of them
            return self._failed(job_id, self.http.said(data))
        if state != "COMPLETED":
            return Job(job_id, "pending")
        if data.get("error") or data.get("error_type"):
            return self._failed(job_id, self.http.said(data))
        told = data.get("response_url")
        try:
            result = await self.http.look(self._own(told, path) or path, most=pictures.answer_bytes())
        except PromptRefused as refused:
            return self._failed(job_id, str(refused))
        except (BadInput, _Ended) as failed:
            return self._failed(job_id, failed.words)
        return await self._drawn(job_id, result)

    async def greet(self) -> None:
        with contextlib.suppress(Gone, BadInput):
            await self._look(f"/fal-ai/flux/requests/{NO_JOB}/status")

    async def cancel(self, job_id: str) -> bool:
        path = _path(job_id)
        try:
            data = await self._look(f"{path}/cancel", method="PUT")
        except BadInput:  # ALREADY_COMPLETED
            return False
        if isinstance(data, dict) and data.get("status") == "OK":
            return True
        # It was asked for, no more: what had begun may go on to its end, and costs what it took.
        data = await self._look(f"{path}/status")
        return (
            self._checked(data, job_id) == "COMPLETED"
            and data.get("error_type") in ("client_cancelled", "client_disconnected")
            and not (isinstance(data.get("metrics"), dict) and data["metrics"].get("inference_time"))
        )

    async def _look(self, path: str, method: str = "GET") -> Any:
        try:
            return await self.http.look(path, method=method)
        except _Ended as error:
            raise _unclear(error) from None

    def _checked(self, data: Any, job_id: str) -> str:
        """Return the status in an answer about a job. Raises Unclear where it is about another one, or about none."""
        if not isinstance(data, dict):
            raise Unclear("an answer that is no object")
        told = data.get("request_id")
        if told is not None and told != job_id.rpartition("/")[2]:
            raise Unclear("an answer about another job")
        return str(data.get("status", "")).upper()

    async def _drawn(self, job_id: str, result: Any) -> Job:
        if not isinstance(result, dict):
            raise Unclear("a result that is no object")
        flags = result.get("has_nsfw_concepts")
        if isinstance(flags, list) and flags and flags[0] is True:  # the picture is there, and black
            return self._failed(job_id, words.Kind.CONTENT.value)
        drawn: Any = result.get("images") or result.get("image") or result.get("output")
        if isinstance(drawn, list):
            drawn = drawn[0] if drawn else None
        url, data = await pictures.answered(drawn.get("url") if isinstance(drawn, dict) else drawn)
        return Job(job_id, "completed", url=url, data=data)

    def _failed(self, job_id: str, message: str) -> Job:
        return Job(job_id, "failed", message=message, is_refused=message == words.Kind.CONTENT)

    def _own(self, url: object, path: str) -> str:
        """Return the path of an address it gave us, where that is of our upstream and about this job; else ""."""
        if not isinstance(url, str) or len(url) > URL_MAX_LENGTH:
            return ""
        try:
            given = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            return ""
        base = self._base
        if (given.scheme, given.host, given.port) != (base.scheme, base.host, base.port) or given.userinfo:
            return ""
        below = given.raw_path.decode("ascii", "replace").partition("?")[0].removeprefix(base.path.rstrip("/"))
        return below if below == path or below == f"{path}/response" else ""

    def _app(self, status_url: object, request_id: str) -> str:
        """Return the app that an address leads to, where it is of our upstream; else ""."""
        if not isinstance(status_url, str):
            return ""
        found = re.search(rf"/({_STEP}(?:/{_STEP})+)/requests/[^/]+/status\Z", status_url[:URL_MAX_LENGTH], re.ASCII)
        for depth in (2, 3) if found else ():
            app = "/".join(found[1].split("/")[-depth:]) if found else ""
            path = _path(f"{app}/requests/{request_id}", or_none=True)
            if path and self._own(status_url.removesuffix("/status"), path):
                return app
        return ""

    def _meaning(self, status: int, data: Any) -> UpstreamError | None:
        said = words.of_error(data)
        # "User is locked. Reason: Exhausted balance." No prompt was read where the key was looked at.
        if status == 403 and words.kind_of(words.code_of(data), said) is words.Kind.FUNDS:
            return OperatorTrouble(f"{status}: {words.Kind.FUNDS.value}", Kind.OUT_OF_FUNDS)
        if status >= 500 and status != 503 and isinstance(data, dict) and "detail" in data:
            return _Ended(f"{status}: {self.http.said(data)}")
        return asking.meaning(self.http, status, data)


def _body(order: Order) -> dict[str, Any]:
    body: dict[str, Any] = {"prompt": order.prompt, "num_images": 1}
    if order.negative_prompt:
        body["negative_prompt"] = order.negative_prompt
    if not asking.keeps_shape(order):
        width, height = asking.pixels(order.aspect_ratio, order.size)
        body |= {"aspect_ratio": order.aspect_ratio, "image_size": {"width": width, "height": height}}
    if order.size:
        body["resolution"] = order.size
    if order.quality:
        body["quality"] = order.quality
    if order.seed is not None:
        body["seed"] = order.seed
    given = [pictures.data_url(each) for each in order.inputs]
    if given:
        body["image_urls"] = given
    if order.operation is Operation.EDIT and given:
        body["image_url"] = given[0]
    if order.mask is not None:  # white where it draws, as ours
        body["mask_url"] = pictures.data_url(order.mask)
    return body


def _unclear(error: _Ended) -> Unclear:
    """Return an error as it is where nothing ended with it."""
    unclear = Unclear(str(error))
    unclear.status = error.status
    return unclear


def _app_of(model: str) -> str:
    """Return the app that a model belongs to: `fal-ai/flux` of `fal-ai/flux/dev`."""
    names = model.split("/")
    return "/".join(names[: 3 if names[0] in _SPACES else 2])


def _path(job_id: str, *, or_none: bool = False) -> str:
    found = _JOB.fullmatch(job_id)
    if found:
        return f"/{found[1]}/requests/{quoted(found[2])}"
    if or_none:
        return ""
    raise Gone("no id of a job at fal")
