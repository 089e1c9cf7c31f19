"""The four dialects and a sandbox that speaks all of them, over real sockets."""

import asyncio
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import pytest
from PIL import Image

from generator.errors import BadImage
from generator.files.images import verify
from generator.models import Operation
from generator.upstreams import errors
from generator.upstreams.dialect import Dialect, Job, Order, Picture
from generator.upstreams.fal_queue import FalQueue
from generator.upstreams.openai_images import OpenAIImages
from generator.upstreams.replicate_predictions import ReplicatePredictions
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access
from tests import ROOT
from tests.environment import stop

T = TypeVar("T")
POLL_SECONDS = 0.02
MOST_SECONDS = 100.0


@dataclass(frozen=True)
class Peer:
    """One protocol: who speaks it here, where the sandbox answers it, and a model there."""

    name: str
    dialect: type[Dialect]
    path: str = ""
    model: str = ""

    def at(self, root: str, **access: object) -> Dialect:
        """Return the dialect, spoken to the sandbox at `root`."""
        return self.dialect(Access(root + self.path, "test-key", **access))  # type: ignore[arg-type]


PEERS = (
    Peer("reve_art", ReveArt),
    Peer("openai_images", OpenAIImages, "/openai/v1", "gpt-image-1"),
    Peer("fal_queue", FalQueue, "/fal", "fal-ai/flux/dev"),
    Peer("replicate_predictions", ReplicatePredictions, "/replicate", "sandbox/artist"),
)


@pytest.fixture(params=PEERS, ids=[peer.name for peer in PEERS])
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each protocol in turn."""
    found: Peer = request.param
    return found


def serve(folder: str, **settings: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a sandbox with settings of its own; return it and its address."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    environment = {"SANDBOX_DIR": folder, "SANDBOX_PORT": "0", "SANDBOX_PICTURES": "plain", **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox"], cwd=ROOT, env={**inherited, **environment}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as printed:
        line = printed.readline().decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return process, found[0]


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a sandbox that needs no time."""
    process, address = serve(str(tmp_path_factory.mktemp("dialects")), SANDBOX_SECONDS="0")
    yield address
    stop(process)


@pytest.fixture(scope="session")
def slow_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a sandbox whose jobs take half a minute."""
    process, address = serve(str(tmp_path_factory.mktemp("slow")), SANDBOX_SECONDS="30")
    yield address
    stop(process)


def speak(dialect: Dialect, work: Callable[[Dialect], Awaitable[T]]) -> T:
    """Do something with a dialect and close it."""

    async def whole() -> T:
        try:
            return await work(dialect)
        finally:
            await dialect.aclose()

    return asyncio.run(whole())


async def picture_of(dialect: Dialect, order: Order) -> tuple[Job, bytes]:
    """Have one image drawn, as a worker does: submit, look until it is done, fetch. Raises what the dialect does."""
    job = await dialect.submit(order)
    until = time.monotonic() + MOST_SECONDS
    while job.state == "pending":
        assert time.monotonic() < until
        await asyncio.sleep(POLL_SECONDS)
        job = await dialect.poll(job.id)
    return job, job.data or (await dialect.download(job.url) if job.url else b"")


def judged(dialect: Dialect, order: Order) -> str:
    """Return in a word how an order ends."""
    try:
        job, data = speak(dialect, lambda spoken: picture_of(spoken, order))
        if job.state == "failed":
            return "refused" if job.is_refused else "failed"
        if not data:
            return "no picture"
        verify(data)
    except errors.PromptRefused:
        return "refused"
    except errors.OperatorTrouble as trouble:
        return str(trouble.kind)
    except BadImage:
        return "bad picture"
    except errors.UpstreamError as error:
        return type(error).__name__
    return "drawn"


def order_for(peer: Peer, prompt: str, **fields: object) -> Order:
    """Return an order of a peer's model; an edit's shape is that of `sheet`, unless it says otherwise."""
    ratio = "3:2" if fields.get("operation") is Operation.EDIT else "1:1"
    return replace(Order(prompt, model=peer.model, aspect_ratio=ratio), **fields)  # type: ignore[arg-type]


def colour_at(picture: Image.Image, at: tuple[int, int]) -> tuple[int, ...]:
    """Return a pixel's red, green and blue."""
    found = picture.getpixel(at)
    assert isinstance(found, tuple)
    return found


def opened(data: bytes) -> Image.Image:
    """Return a picture's pixels."""
    return Image.open(io.BytesIO(data)).convert("RGB")


@lru_cache
def sheet(colour: tuple[int, int, int], size: tuple[int, int] = (96, 64), kind: str = "PNG") -> Picture:
    """Return a picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return Picture(out.getvalue(), f"image/{kind.lower()}")


@lru_cache
def left_half(size: tuple[int, int] = (96, 64)) -> Picture:
    """Return a mask that lets the left half change."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    mask.save(out, "PNG")
    return Picture(out.getvalue(), "image/png")
