"""Images on their way to programs: an account's backlog holds up nobody else's."""

import asyncio
import io
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from PIL import Image

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.api.openai import answers
from generator.api.openai.fields import Asked
from generator.files import downloads, images
from generator.models import Generation

Way = Callable[[Generation], Awaitable[Any]]

WAITING = 200  # images of one account
ASKED = Asked(prompt="x", output_format="webp", output_compression=90, response_format="b64_json")


def spelled(generation: Generation) -> Awaitable[Any]:
    return answers.spelled_of(generation, ASKED)


def previewed(generation: Generation) -> Awaitable[Any]:
    return answers.preview_of(generation, ASKED)


def delivered(generation: Generation) -> Awaitable[Any]:
    return downloads.delivered(generation, "webp")


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The conversions that are done, each of which takes a moment."""
    done: list[str] = []
    counting = threading.Lock()
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")

    def convert(data: bytes, format: str, *rest: Any, **how: Any) -> bytes:
        time.sleep(0.005)
        with counting:
            done.append(format)
        return data

    monkeypatch.setattr(images, "read", lambda name: buffer.getvalue())
    monkeypatch.setattr(images, "convert", convert)
    downloads._turns.cache_clear()
    return done


@pytest.mark.parametrize("way", [spelled, previewed, delivered])
def test_whoever_comes_late_is_not_behind_anothers_backlog(
    generation: Generation, wallet: Wallet, bob: User, converted: list[str], way: Way
) -> None:
    generation.file_extension = "png"
    theirs = Generation.objects.get(pk=generation.pk)
    theirs.file_extension, theirs.wallet = "png", ledger.wallet_of(bob.pk)

    async def ask() -> int:
        backlog = [asyncio.ensure_future(way(generation)) for _ in range(WAITING)]
        async with asyncio.timeout(60):
            while len(converted) < 3:
                await asyncio.sleep(0.001)
        before = len(converted)
        await way(theirs)
        meanwhile = len(converted) - before - 1
        await asyncio.gather(*backlog)
        return meanwhile

    assert asyncio.run(ask()) < WAITING / 4  # all of them otherwise
    assert len(converted) == WAITING + 1  # nobody is refused


def test_whoever_hangs_up_while_waiting_takes_no_place_along(generation: Generation, converted: list[str]) -> None:
    generation.file_extension = "png"

    async def ask() -> None:
        backlog = [asyncio.ensure_future(spelled(generation)) for _ in range(20)]
        await asyncio.sleep(0.01)
        for one in backlog:
            one.cancel()
        await asyncio.wait(backlog)
        async with asyncio.timeout(60):
            assert await spelled(generation)

    asyncio.run(ask())
