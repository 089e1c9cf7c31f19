"""LiteLLM as a client: OpenAI's provider at another `api_base`."""

import asyncio
import base64
import os
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # what it would fetch from the internet while it is imported

import litellm

from tests.conformance.drivers.telling import FACTS, main, picture, row

PNG = Path(FACTS.png)
PROMPT = "a lighthouse"
WAYS = {"api_base": f"{FACTS.url}/v1", "max_retries": 0}
MODEL = "openai/text2image_v1"


def generated(prompt: str = PROMPT, *, key: str = FACTS.key, model: str = MODEL, **options: Any) -> Any:
    """Return an answer."""
    return litellm.image_generation(prompt=prompt, model=model, api_key=key, **{**WAYS, **options})


def edited(image: Any, *, key: str = FACTS.key, model: str = MODEL, **options: Any) -> Any:
    """Return an answer."""
    return litellm.image_edit(image=image, prompt="make it night", model=model, api_key=key, **{**WAYS, **options})


def seen(answer: Any) -> str:
    """Return what the first image of an answer is, and how it came."""
    image = answer.data[0]
    if image.url:
        with urllib.request.urlopen(image.url) as file:
            return f"{picture(file.read())} by url"
    return f"{picture(base64.b64decode(image.b64_json))} in base64"


def raised(call: Callable[[], Any]) -> str:
    """Return what a call raises, as far as programs look at it."""
    try:
        return f"nothing was raised: {call()}"
    except Exception as error:
        return f"{type(error).__name__} {getattr(error, 'status_code', '')}".strip()


@row("image_generation", "a model of the site’s own")
def _() -> str:
    return seen(generated())


@row("image_generation", "openai/gpt-image-1")
def _() -> str:
    return seen(generated(model="openai/gpt-image-1"))


@row("image_generation", "n 2")
def _() -> str:
    return f"{len(generated(n=2).data)} images"


@row("image_generation", "size 1536x1024")
def _() -> str:
    return seen(generated(model="openai/gpt-image-1", size="1536x1024"))


@row("image_generation", "quality high, output_format webp")
def _() -> str:
    return seen(generated(model="openai/gpt-image-1", quality="high", output_format="webp"))


@row("aimage_generation", "asynchronously")
def _() -> str:
    asked = litellm.aimage_generation(prompt=PROMPT, model=MODEL, api_key=FACTS.key, **WAYS)
    return seen(asyncio.run(asked))


@row("image_generation", "a refused prompt")
def _() -> str:
    return raised(lambda: generated(f"{PROMPT} [sandbox:refuse]"))


@row("image_generation", "an image that fails")
def _() -> str:
    return raised(lambda: generated(f"{PROMPT} [sandbox:fail]"))


@row("image_generation", "a wrong key")
def _() -> str:
    return raised(lambda: generated(key="sk-of-another-site"))


@row("image_generation", "a key that may not")
def _() -> str:
    return raised(lambda: generated(key=FACTS.reader))


@row("image_generation", "no credits")
def _() -> str:
    return raised(lambda: generated(key=FACTS.poor))


@row("image_generation", "too many requests")
def _() -> str:
    generated(key=FACTS.slow)
    return raised(lambda: generated(key=FACTS.slow))


@row("image_generation", "a model that is not there")
def _() -> str:
    return raised(lambda: generated(model="openai/no-such-model"))


@row("image_generation", "a blank prompt")
def _() -> str:
    return raised(lambda: generated(" "))


@row("image_generation", "a timeout")
def _() -> str:
    return raised(lambda: generated(f"{PROMPT} [sandbox:never]", timeout=1))


@row("image_generation", "longer than the wait")
def _() -> str:
    return raised(lambda: generated(f"{PROMPT} [sandbox:never]"))


@row("image_edit", "a file")
def _() -> str:
    with PNG.open("rb") as file:
        return seen(edited(file))


@row("image_edit", "two files, openai/gpt-image-1")
def _() -> str:
    with PNG.open("rb") as one, PNG.open("rb") as other:
        return seen(edited([one, other], model="openai/gpt-image-1", size="1536x1024"))


@row("image_edit", "a wrong key")
def _() -> str:
    with PNG.open("rb") as file:
        return raised(lambda: edited(file, key="sk-of-another-site"))


@row("image_edit", "no credits")
def _() -> str:
    with PNG.open("rb") as file:
        return raised(lambda: edited(file, key=FACTS.poor))


main(version("litellm"))
