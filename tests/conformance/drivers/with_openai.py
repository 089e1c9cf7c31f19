"""OpenAI's package for Python, with nothing changed but `base_url` and the key."""

import asyncio
import base64
import json
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import openai
from openai import APIStatusError, APITimeoutError, AsyncOpenAI, OpenAI

from tests.conformance.drivers.telling import FACTS, main, picture, row

BASE_URL = f"{FACTS.url}/v1"
RICH = OpenAI(api_key=FACTS.key, base_url=BASE_URL, max_retries=0)
POOR = OpenAI(api_key=FACTS.poor, base_url=BASE_URL)
NOBODY = OpenAI(api_key="sk-of-another-site", base_url=BASE_URL)
READER = OpenAI(api_key=FACTS.reader, base_url=BASE_URL)
PNG, MASK = Path(FACTS.png), Path(FACTS.mask)
PROMPT = "a lighthouse"


def seen(image: Any) -> str:
    """Return what an image of an answer is, and how it came."""
    if image.url:
        with urllib.request.urlopen(image.url) as answer:
            return f"{picture(answer.read())} by url"
    return f"{picture(base64.b64decode(image.b64_json))} in base64"


def raised(call: Callable[[], Any]) -> str:
    """Return what a call raises, as far as programs look at it."""
    try:
        return f"nothing was raised: {call()}"
    except APIStatusError as error:
        words = [type(error).__name__, error.status_code, error.code, error.param]
        return " ".join(str(word) for word in words if word is not None)
    except openai.APIError as error:
        return " ".join(str(word) for word in (type(error).__name__, error.code) if word is not None)


def generated(client: OpenAI = RICH, /, prompt: str = PROMPT, **options: Any) -> Any:
    """Return the first image of an answer."""
    return client.images.generate(prompt=prompt, **options).data[0]


def events(stream: Any) -> str:
    """Return what a stream brings, each event by its type, and the last one's picture."""
    found = list(stream)
    return f"{', '.join(event.type for event in found)}: {picture(base64.b64decode(found[-1].b64_json))}"


@row("images.generate", "no model named")
def _() -> str:
    return seen(generated())


@row("images.generate", "model gpt-image-1")
def _() -> str:
    return seen(generated(model="gpt-image-1"))


@row("images.generate", "model dall-e-3")
def _() -> str:
    return seen(generated(model="dall-e-3"))


@row("images.generate", "a model of the site’s own")
def _() -> str:
    return seen(generated(model="text2image_v1"))


@row("images.generate", "response_format b64_json")
def _() -> str:
    return seen(generated(response_format="b64_json"))


@row("images.generate", "response_format url")
def _() -> str:
    return seen(generated(model="gpt-image-1", response_format="url"))


@row("images.generate", "n 2")
def _() -> str:
    images = RICH.images.generate(prompt=PROMPT, n=2).data
    return f"{len({image.url for image in images})} images, {seen(images[1])}"


for _size in ("1024x1024", "1536x1024", "1024x1536", "auto", "1792x1024", "640x480"):

    @row("images.generate", f"size {_size}")
    def _(size: str = _size) -> str:
        answer = RICH.images.generate(prompt=PROMPT, size=size)
        return f"{picture_of(answer)}, and says {answer.size}"


def picture_of(answer: Any) -> str:
    """Return the first image of an answer, however it comes."""
    return seen(answer.data[0]).removesuffix(" by url").removesuffix(" in base64")


for _quality in ("low", "high", "hd", "auto"):

    @row("images.generate", f"quality {_quality}")
    def _(quality: str = _quality) -> str:
        return seen(generated(quality=quality))


@row("images.generate", "output_format jpeg")
def _() -> str:
    return seen(generated(output_format="jpeg"))


@row("images.generate", "output_format webp, output_compression 50")
def _() -> str:
    return seen(generated(output_format="webp", output_compression=50))


@row("images.generate", "background opaque, moderation low, user")
def _() -> str:
    return seen(generated(background="opaque", moderation="low", user="user-1"))


@row("images.generate", "background transparent")
def _() -> str:
    return raised(lambda: generated(background="transparent"))


@row("images.generate", "created and usage")
def _() -> str:
    answer = RICH.images.generate(prompt=PROMPT)
    return f"created {type(answer.created).__name__}, usage {type(answer.usage).__name__}"


@row("images.generate", "asynchronously")
def _() -> str:
    async def ask() -> Any:
        async with AsyncOpenAI(api_key=FACTS.key, base_url=BASE_URL) as client:
            return await client.images.generate(prompt=PROMPT)

    return seen(asyncio.run(ask()).data[0])


@row("images.generate", "the raw response’s headers")
def _() -> str:
    headers = RICH.images.with_raw_response.generate(prompt=PROMPT).headers
    return f"X-Model {headers['x-model']}, {headers['x-credits-charged']} credit"


@row("images.generate", "the same Idempotency-Key twice")
def _() -> str:
    named = {"Idempotency-Key": str(uuid4())}
    return f"{len({generated(extra_headers=named).url for _ in range(2)})} image"


@row("images.generate", "stream")
def _() -> str:
    return events(RICH.images.generate(prompt=PROMPT, model="gpt-image-1", stream=True))


@row("images.generate", "stream with partial_images 2")
def _() -> str:
    return events(RICH.images.generate(prompt=PROMPT, model="gpt-image-1", stream=True, partial_images=2))


@row("images.generate", "stream of a refused prompt")
def _() -> str:
    ask = f"{PROMPT} [sandbox:refuse]"
    return raised(lambda: list(RICH.images.generate(prompt=ask, model="gpt-image-1", stream=True)))


@row("images.generate", "stream of an image that fails")
def _() -> str:
    ask = f"{PROMPT} [sandbox:fail]"
    return raised(lambda: list(RICH.images.generate(prompt=ask, model="gpt-image-1", stream=True)))


@row("images.generate", "stream with a wrong key")
def _() -> str:
    return raised(lambda: list(NOBODY.images.generate(prompt=PROMPT, model="gpt-image-1", stream=True)))


@row("images.generate", "a refused prompt")
def _() -> str:
    return raised(lambda: generated(prompt=f"{PROMPT} [sandbox:refuse]"))


@row("images.generate", "an image that fails")
def _() -> str:
    return raised(lambda: generated(prompt=f"{PROMPT} [sandbox:fail]"))


@row("images.generate", "a wrong key")
def _() -> str:
    return raised(lambda: generated(NOBODY))


@row("images.generate", "a key that may not")
def _() -> str:
    return raised(lambda: generated(READER))


@row("images.generate", "no credits")
def _() -> str:
    return raised(lambda: generated(POOR))


@row("images.generate", "too many requests")
def _() -> str:
    slow = OpenAI(api_key=FACTS.slow, base_url=BASE_URL, max_retries=0)
    generated(slow)
    return raised(lambda: generated(slow))


@row("images.generate", "too many at once, tried again by the client")
def _() -> str:
    patient = OpenAI(api_key=FACTS.narrow, base_url=BASE_URL, max_retries=20)
    with ThreadPoolExecutor(6) as pool:
        urls = set(pool.map(lambda at: generated(patient, prompt=f"{PROMPT} {at}").url, range(6)))
    return f"{len(urls)} images"


@row("images.generate", "a timeout")
def _() -> str:
    hasty = OpenAI(api_key=FACTS.key, base_url=BASE_URL, max_retries=0, timeout=1)
    return _raised_timeout(lambda: generated(hasty, prompt=f"{PROMPT} [sandbox:never]"))


def _raised_timeout(call: Callable[[], Any]) -> str:
    try:
        return f"nothing was raised: {call()}"
    except APITimeoutError as error:
        return type(error).__name__


@row("images.generate", "timeouts, tried again by the client")
def _() -> str:
    hasty = OpenAI(api_key=FACTS.alone, base_url=BASE_URL, max_retries=30, timeout=3)
    before = _balance()
    image = generated(hasty, prompt=f"{PROMPT} [sandbox:slow-image]")
    return f"{seen(image)}, {before - _balance()} credit paid"


def _balance() -> int:
    request = urllib.request.Request(
        f"{FACTS.url}/api/misc/balance", headers={"Authorization": f"Bearer {FACTS.alone}"}
    )
    with urllib.request.urlopen(request) as answer:
        balance: int = json.load(answer)["new_balance"]
        return balance


@row("images.generate", "longer than the wait")
def _() -> str:
    return raised(lambda: generated(prompt=f"{PROMPT} [sandbox:never]"))


@row("images.generate", "a blank prompt")
def _() -> str:
    return raised(lambda: generated(prompt=" "))


@row("images.generate", "n 11")
def _() -> str:
    return raised(lambda: generated(n=11))


@row("images.generate", "a size that is none")
def _() -> str:
    return raised(lambda: generated(size="large"))


@row("images.generate", "a model that is not there")
def _() -> str:
    return raised(lambda: generated(model="no-such-model"))


@row("images.generate", "a prompt that is too long")
def _() -> str:
    return raised(lambda: generated(prompt="x" * 5000))


@row("images.generate", "a body that is too large")
def _() -> str:
    return raised(lambda: generated(prompt="x" * 100_000))


@row("images.edit", "a file")
def _() -> str:
    with PNG.open("rb") as file:
        return seen(RICH.images.edit(image=file, prompt="make it night").data[0])


@row("images.edit", "a file and a mask, model gpt-image-1")
def _() -> str:
    with PNG.open("rb") as file, MASK.open("rb") as mask:
        return seen(RICH.images.edit(image=file, mask=mask, prompt="a hat", model="gpt-image-1").data[0])


@row("images.edit", "two files: a new image that goes by them")
def _() -> str:
    with PNG.open("rb") as one, PNG.open("rb") as other:
        return seen(RICH.images.edit(image=[one, other], prompt="both", size="1536x1024").data[0])


@row("images.edit", "n 2")
def _() -> str:
    with PNG.open("rb") as file:
        return f"{len(RICH.images.edit(image=file, prompt='make it night', n=2).data)} images"


@row("images.edit", "output_format webp")
def _() -> str:
    with PNG.open("rb") as file:
        return seen(RICH.images.edit(image=file, prompt="make it night", output_format="webp").data[0])


@row("images.edit", "stream")
def _() -> str:
    with PNG.open("rb") as file:
        return events(RICH.images.edit(image=file, prompt="make it night", model="gpt-image-1", stream=True))


@row("images.edit", "bytes that are no picture")
def _() -> str:
    return raised(lambda: RICH.images.edit(image=("a.png", b"no picture"), prompt="make it night"))


@row("images.edit", "a wrong key")
def _() -> str:
    return raised(lambda: NOBODY.images.edit(image=("a.png", PNG.read_bytes()), prompt="make it night"))


@row("images.edit", "no credits")
def _() -> str:
    return raised(lambda: POOR.images.edit(image=("a.png", PNG.read_bytes()), prompt="make it night"))


@row("models.list", "the list")
def _() -> str:
    return ", ".join(f"{model.id}, {model.object}" for model in RICH.models.list())


@row("models.list", "a wrong key")
def _() -> str:
    return raised(lambda: list(NOBODY.models.list()))


@row("models.retrieve", "a model of the site’s own")
def _() -> str:
    return str(RICH.models.retrieve("text2image_v1").id)


@row("models.retrieve", "a model that is not there")
def _() -> str:
    return raised(lambda: RICH.models.retrieve("no-such-model"))


@row("chat.completions.create", "is not offered")
def _() -> str:
    said: Any = [{"role": "user", "content": "hello"}]
    return raised(lambda: RICH.chat.completions.create(model="gpt-5", messages=said))


@row("images.create_variation", "is not offered")
def _() -> str:
    return raised(lambda: RICH.images.create_variation(image=("a.png", PNG.read_bytes())))


main(openai.__version__)
