"""The dialect of OpenAI's Images API, which LiteLLM, LocalAI and many others speak as well.

https://platform.openai.com/docs/api-reference/images: a call waits for the picture, which comes as base64 or as an
address; a mask is transparent where something may change. https://docs.litellm.ai/docs/image_generation and
https://localai.io/features/image-generation/ copy it, each with differences: what is refused by one is needed by
another. So an order that is refused for `response_format` or `size` alone goes once more without, or in the sizes of
the model that OpenAI draws with; what a model was found to take is remembered.
"""

import contextlib
import re
from dataclasses import dataclass, replace
from typing import Any

from generator.models import Operation
from generator.upstreams import asking, pictures, words
from generator.upstreams.dialect import Capabilities, Dialect, Job, Order
from generator.upstreams.errors import BadInput, Gone, Kind, OperatorTrouble, PromptRefused, Unclear, UpstreamError
from generator.upstreams.transport import Access, Transport, versioned
from kit.threads import Pool, in_thread

DRAWING_SECONDS = 180.0  # OpenAI speaks of up to two minutes for one picture
_GPT_SIZES = [(1024, 1024), (1536, 1024), (1024, 1536)]
_SIZES = {
    "gpt-image": _GPT_SIZES,
    "chatgpt-image": _GPT_SIZES,
    "dall-e-3": [(1024, 1024), (1792, 1024), (1024, 1792)],
    "dall-e-2": [(1024, 1024)],
}
_PIXELS = re.compile(r"\d{2,5}x\d{2,5}|auto")
_UNKNOWN_MODEL = re.compile(r"[^a-z]{0,10}(error\W{1,6})?[/\w]*:?\s?Invalid model name passed in model=", re.IGNORECASE)


@dataclass(frozen=True)
class _Habits:
    """What a model takes: a word on how the picture shall come, and which sizes (None: any)."""

    takes_format: bool
    sizes: list[tuple[int, int]] | None


class _Unwelcome(BadInput):
    """One of the fields that some upstreams need and others refuse; `field` is its name."""

    field = ""


class OpenAIImages(Dialect):
    """`POST /v1/images/generations` and `/v1/images/edits`, whose answer is the picture."""

    can = Capabilities(operations=frozenset(Operation), is_synchronous=True, takes_mask=True)

    def __init__(self, access: Access) -> None:
        # A limit that is meant for taking a job is none for drawing one.
        self.http = Transport(replace(access, seconds=access.seconds or DRAWING_SECONDS), meaning=self._meaning)
        self._root = versioned(access.base_url)
        self._habits: dict[str, _Habits] = {}

    async def submit(self, order: Order) -> Job:
        while True:
            habits = self._habits.get(order.model) or _usual(order.model)
            try:
                data = await self._send(order, habits)
            except Gone as error:
                raise asking.not_there(error, "images endpoint, or no such model") from None
            except _Unwelcome as refused:
                learned = _without(habits, refused.field)
                if learned == habits or (order.size and refused.field == "size"):
                    raise asking.bad_input(refused) from None
                self._habits[order.model] = learned
            else:
                return await self._job(data)

    async def poll(self, job_id: str) -> Job:
        raise Gone("it knows no jobs: the answer to a submission is the picture")

    async def greet(self) -> None:
        with contextlib.suppress(Gone):  # by a server that draws and lists nothing
            await self.http.look(f"{self._root}/models")

    async def _send(self, order: Order, habits: _Habits) -> Any:
        fields: dict[str, Any] = {"prompt": asking.whole_prompt(order), "n": 1}
        if order.model:
            fields["model"] = order.model
        if order.quality:
            fields["quality"] = order.quality
        if habits.takes_format:
            fields["response_format"] = "b64_json"
        if order.operation is Operation.CREATE:
            fields["size"] = _size(order, habits, asking.pixels(order.aspect_ratio, order.size))
            most = pictures.answer_bytes()
            return await self.http.submit(f"{self._root}/images/generations", most=most, json=fields)
        return await self._send_pictures(order, habits, fields)

    async def _send_pictures(self, order: Order, habits: _Habits, fields: dict[str, Any]) -> Any:
        if not order.inputs:
            raise BadInput("An edit needs a picture.")
        shape = asking.pixels(order.aspect_ratio, order.size)
        if await in_thread(lambda: asking.keeps_shape(order), Pool.PROCESSOR):
            width, height = pictures.shape_of(order.inputs[0])
            shape = asking.pixels(f"{width}:{height}", order.size)
        fields["size"] = _size(order, habits, shape)
        one_only = order.model.rpartition("/")[2].startswith("dall-e")
        files = [
            ("image" if one_only else "image[]", (f"image{at}.{each.extension}", each.data, each.media_type))
            for at, each in enumerate(order.inputs)
        ]
        if (mask := order.mask) is not None:
            turned = await in_thread(lambda: pictures.transparent_where_white(mask, order.inputs[0]), Pool.PROCESSOR)
            files.append(("mask", ("mask.png", turned.data, turned.media_type)))
        fields = {name: str(value) for name, value in fields.items()}
        most = pictures.answer_bytes()
        return await self.http.submit(f"{self._root}/images/edits", most=most, data=fields, files=files)

    async def _job(self, answer: Any) -> Job:
        """Return the job of a good answer. Raises Unclear where it is none, PromptRefused where it says so."""
        if not isinstance(answer, dict):
            raise Unclear("an answer that is no object")
        drawn = answer.get("data")
        if not isinstance(drawn, list):
            if words.kind_of(words.code_of(answer)) is words.Kind.CONTENT:
                raise PromptRefused(words.Kind.CONTENT.value)
            raise Unclear(f"an answer without pictures: {self.http.said(answer)}".rstrip(": "))
        picture = drawn[0] if drawn and isinstance(drawn[0], dict) else {}
        spelled, model = picture.get("b64_json"), words.name(answer.get("model"), self.http.hidden)
        if spelled in (None, "") or pictures.is_data_url(spelled):
            url, data = await pictures.answered(spelled or picture.get("url"))
        else:
            url, data = "", await in_thread(lambda: pictures.of_base64(spelled), Pool.PROCESSOR)
        return Job("", "completed", url=url, data=data, model=model)

    def _meaning(self, status: int, data: Any) -> UpstreamError | None:
        code, said = words.code_of(data), words.of_error(data)
        if 400 <= status < 500:
            if code == "budget_exceeded":  # LiteLLM's, of a key or a team there
                return OperatorTrouble(f"{status}: {words.Kind.FUNDS.value}", Kind.OUT_OF_FUNDS)
            if code == "no_db_connection":  # LiteLLM's, of a key that is not its own, where it keeps no others
                return OperatorTrouble(f"{status}: it does not know our key")
            if code == "model_not_found" or (status == 400 and _UNKNOWN_MODEL.match(said)):
                return OperatorTrouble(f"{status}: it has no such model", Kind.NOT_FOUND)
        error = asking.meaning(self.http, status, data)
        if type(error) is BadInput and (field := _unwelcome(data, said)):
            error = _Unwelcome(str(error))
            error.field = field
        return error


def _usual(model: str) -> _Habits:
    name = model.rpartition("/")[2].lower()
    known = next((sizes for begins, sizes in _SIZES.items() if name.startswith(begins)), None)
    return _Habits(takes_format="gpt-image" not in name, sizes=known)


def _without(habits: _Habits, field: str) -> _Habits:
    if field == "response_format":
        return replace(habits, takes_format=False)
    return replace(habits, sizes=habits.sizes or _GPT_SIZES)


def _unwelcome(data: Any, said: str) -> str:
    """Return which of the fields that can be asked for in another way an error is about; "" for none."""
    error = data.get("error") if isinstance(data, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    if param in ("response_format", "size"):
        return str(param)
    # Some pass on another's words and no more. Should it be the prompt that is quoted, one more order is refused.
    return "response_format" if "response_format" in said else "size" if re.search(r"\bsize\b", said) else ""


def _size(order: Order, habits: _Habits, shape: tuple[int, int]) -> str:
    if _PIXELS.fullmatch(order.size):
        return order.size
    width, height = shape if habits.sizes is None else asking.nearest(shape, habits.sizes)
    return f"{width}x{height}"
