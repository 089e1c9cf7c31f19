"""The dialect of Replicate's predictions.

https://replicate.com/docs/reference/http: `POST /v1/models/{owner}/{name}/predictions` for models that Replicate keeps
running, `POST /v1/predictions` with a version for all others (here: a model named `owner/name:version`); then
`GET /v1/predictions/{id}` and `POST …/cancel`. https://replicate.com/docs/topics/predictions/lifecycle: the statuses.
https://replicate.com/docs/topics/predictions/input-files: a picture goes as a data URL up to a size, larger ones are
stored there first. A model takes just the fields of its own schema, so that is read before the first order and chosen
from: `aspect_ratio` or `width` and `height`, `image` or `input_image` or a list of them.
"""

import re
import time
from dataclasses import dataclass
from typing import Any

from generator.models import Operation
from generator.upstreams import asking, pictures, words
from generator.upstreams.dialect import Capabilities, Dialect, Job, Order, Picture
from generator.upstreams.errors import (
    BadInput,
    Gone,
    Kind,
    NotAccepted,
    OperatorTrouble,
    Unclear,
)
from generator.upstreams.transport import (
    ID_MAX_LENGTH,
    URL_MAX_LENGTH,
    Access,
    Transport,
    identifier,
    quoted,
    versioned,
)
from kit.threads import Pool, in_thread

INLINE_BYTES = 1024 * 1024  # of a picture that goes as a data URL
SCHEMA_SECONDS = 3600.0  # that a model's fields are remembered
SCHEMA_BYTES = 4 * 1024 * 1024
_NAME = re.compile(r"([\w-][\w.-]*)/([\w-][\w.-]*)(?::([0-9A-Za-z]{8,64}))?|([0-9a-f]{64})", re.ASCII)
_PICTURES = ("input_images", "image_input", "images", "reference_images", "image_inputs", "input_image", "image")
_ONE_PICTURE = ("input_image", "image", "img", "image_prompt", "init_image", "input")
_MASKS = ("mask", "mask_image", "image_mask")
_NUMBERED = re.compile(r"(input_image|image|reference_image)_?(\d)")
_FAILED = ("failed", "canceled", "cancelled", "aborted")


@dataclass(frozen=True)
class _Model:
    """A model's name in its parts, and what its schema says of its fields; None where it could not be read."""

    path: str
    version: str
    fields: dict[str, Any] | None = None
    until: float = 0.0


class ReplicatePredictions(Dialect):
    """A prediction is one image."""

    can = Capabilities(operations=frozenset(Operation), takes_mask=True, takes_seed=True, can_cancel=True)

    def __init__(self, access: Access) -> None:
        self.http = Transport(access, meaning=lambda status, data: asking.meaning(self.http, status, data))
        self._root = versioned(access.base_url)
        self._models: dict[str, _Model] = {}

    async def submit(self, order: Order) -> Job:
        model = await self._model(order.model)
        given = {"input": await self._input(order, model.fields)}
        try:
            if model.version:
                data = await self.http.submit(f"{self._root}/predictions", json={"version": model.version, **given})
            else:
                data = await self.http.submit(f"{self._root}/models/{model.path}/predictions", json=given)
        except Gone as error:
            raise asking.not_there(error, "such model") from None
        return await self._job(data)

    async def poll(self, job_id: str) -> Job:
        # The answer repeats the input, pictures and all.
        path = f"{self._root}/predictions/{quoted(job_id)}"
        return await self._job(await self.http.look(path, most=pictures.answer_bytes()), job_id)

    async def cancel(self, job_id: str) -> bool:
        path = f"{self._root}/predictions/{quoted(job_id)}/cancel"
        data = await self.http.look(path, method="POST", most=pictures.answer_bytes())
        job = await self._job(data, job_id)
        # What had begun is paid for by the second.
        return job.state == "failed" and "started_at" in data and data["started_at"] is None

    async def _model(self, name: str) -> _Model:
        """Return a model's fields, as read within the hour. Raises every UpstreamError but Unclear."""
        known = self._models.get(name)
        if known is not None and time.monotonic() < known.until:
            return known
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise OperatorTrouble("Replicate needs a model's name, as owner/name", Kind.NOT_FOUND)
        if parts[4]:  # a version alone, as of old: there is no asking what it takes
            return _Model("", parts[4])
        path, version = f"{parts[1]}/{parts[2]}", parts[3] or ""
        where = f"{self._root}/models/{path}" + (f"/versions/{version}" if version else "")
        try:
            data = await self.http.look(where, most=SCHEMA_BYTES)
        except Gone as error:
            raise asking.not_there(error, "such model") from None
        except (Unclear, BadInput):
            return _Model(path, version)
        fields = _fields(data)
        model = _Model(path, version, fields, time.monotonic() + SCHEMA_SECONDS)
        if fields is not None:
            self._models[name] = model
        return model

    async def _input(self, order: Order, fields: dict[str, Any] | None) -> dict[str, Any]:
        known = fields if fields is not None else _guessed(order)
        given: dict[str, Any] = {"prompt": order.prompt}
        if "negative_prompt" in known:
            given |= {"negative_prompt": order.negative_prompt} if order.negative_prompt else {}
        else:
            given["prompt"] = asking.whole_prompt(order)
        given |= _shape(order, known, keeps=await in_thread(lambda: asking.keeps_shape(order), Pool.PROCESSOR))
        for name in ("num_outputs", "number_of_images", "num_images"):
            if name in known:
                given[name] = 1
        for name, wanted in (("resolution", order.size), ("size", order.size), ("quality", order.quality)):
            if wanted and name in known and name not in given:
                given[name] = wanted
        if order.seed is not None:
            if fields is not None and "seed" not in fields:
                raise BadInput("This model takes no seed.")
            given["seed"] = order.seed
        for name, picture in _places(order, known).items():
            many = isinstance(picture, tuple)
            sent = [await self._sent(each) for each in (picture if isinstance(picture, tuple) else (picture,))]
            given[name] = sent if many else sent[0]
        return given

    async def _sent(self, picture: Picture) -> str:
        """Return an address of a picture: of its own, or where it was stored. Raises UpstreamErrors but Unclear."""
        if len(picture.data) <= INLINE_BYTES:
            return await in_thread(lambda: pictures.data_url(picture), Pool.PROCESSOR)
        content = (f"picture.{picture.extension}", picture.data, picture.media_type)
        try:
            data = await self.http.submit(f"{self._root}/files", files={"content": content})
        except (Unclear, Gone) as error:
            raise NotAccepted(f"a picture could not be stored: {error}") from None
        urls = data.get("urls") if isinstance(data, dict) else None
        try:
            return identifier("url", urls.get("get") if isinstance(urls, dict) else None, URL_MAX_LENGTH)
        except Unclear as error:
            raise NotAccepted(f"a picture could not be stored: {error}") from None

    async def _job(self, data: Any, job_id: str | None = None) -> Job:
        if not isinstance(data, dict):
            raise Unclear("an answer that is no object")
        told = identifier("id", data.get("id"), ID_MAX_LENGTH)
        if job_id is not None and told != job_id:
            raise Unclear("an answer about another job")
        model = words.name(data.get("model"), self.http.hidden)
        word = str(data.get("status", "")).lower()
        if word in _FAILED:
            message = self.http.said({"error": data.get("error")})
            return Job(told, "failed", model=model, message=message, is_refused=message == words.Kind.CONTENT)
        if word != "succeeded":
            return Job(told, "pending", model=model)
        drawn = data.get("output")
        if isinstance(drawn, list):
            drawn = drawn[0] if drawn else None
        url, picture = await pictures.answered(drawn)
        return Job(told, "completed", url=url, model=model, data=picture)


def _fields(data: Any) -> dict[str, Any] | None:
    """Return the properties of a model's or a version's input, references resolved; None where they are not told."""
    for step in ("latest_version", "openapi_schema", "components", "schemas"):
        if step == "latest_version" and isinstance(data, dict) and "openapi_schema" in data:
            continue
        data = data.get(step) if isinstance(data, dict) else None
    given = data.get("Input") if isinstance(data, dict) else None
    properties = given.get("properties") if isinstance(given, dict) else None
    if not isinstance(properties, dict) or "prompt" not in properties:
        return None
    return {name: _resolved(field, data) for name, field in properties.items() if isinstance(field, dict)}


def _resolved(field: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    parts = [field, *(each for each in field.get("allOf") or () if isinstance(each, dict))]
    for part in parts[:4]:
        named = schemas.get(str(part.get("$ref", "")).rpartition("/")[2])
        if isinstance(named, dict):
            field = {**named, **field}
    return field


def _guessed(order: Order) -> dict[str, Any]:
    """Return the fields that models have most often."""
    if order.operation is Operation.CREATE:
        return {"aspect_ratio": {}}
    one: dict[str, Any] = {"input_image": {}, "mask": {}, "aspect_ratio": {}}
    return one if order.operation is Operation.EDIT else {"aspect_ratio": {}, "image_input": {"type": "array"}}


def _shape(order: Order, known: dict[str, Any], *, keeps: bool) -> dict[str, Any]:
    offered = _offered(known.get("aspect_ratio"))
    if keeps:  # as far as the model knows how
        return {"aspect_ratio": "match_input_image"} if "match_input_image" in offered else {}
    if "aspect_ratio" in known:
        if offered and order.aspect_ratio not in offered:
            raise BadInput(f"This model does not draw {order.aspect_ratio}.")
        return {"aspect_ratio": order.aspect_ratio}
    width, height = asking.pixels(order.aspect_ratio, order.size)
    if "width" in known and "height" in known:
        return {"width": width, "height": height}
    size = f"{width}x{height}"
    return {"size": size} if size in _offered(known.get("size")) else {}


def _offered(field: Any) -> list[Any]:
    offered = field.get("enum") if isinstance(field, dict) else None
    return offered if isinstance(offered, list) else []


def _places(order: Order, known: dict[str, Any]) -> dict[str, Picture | tuple[Picture, ...]]:
    """Return in which field each picture goes. Raises BadInput where the model has none."""
    places: dict[str, Picture | tuple[Picture, ...]] = {}
    if order.inputs:
        places |= _input_places(order.inputs, known)
    if order.mask is not None:
        mask = next((name for name in _MASKS if name in known), None)
        if mask is None:
            raise BadInput("This model takes no mask.")
        places[mask] = order.mask  # white where it draws, as ours
    return places


def _input_places(
    inputs: tuple[Picture, ...], known: dict[str, Any]
) -> dict[str, Picture] | dict[str, tuple[Picture, ...]]:
    if many := next((name for name in _PICTURES if known.get(name, {}).get("type") == "array"), None):
        return {many: inputs}
    if len(inputs) == 1 and (one := next((name for name in _ONE_PICTURE if name in known), None)):
        return {one: inputs[0]}
    numbered = sorted(name for name in known if _NUMBERED.fullmatch(name))
    if len(inputs) > len(numbered):
        raise BadInput(f"This model takes {len(numbered) or 'no'} pictures.")
    return dict(zip(numbered, inputs, strict=False))
