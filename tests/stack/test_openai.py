"""OpenAI's Images API on a whole installation: many at once beside others, and callers who hang up."""

import asyncio
import time
from uuid import uuid4

import httpx
import pytest

from tests.installation import Stack, wait_until

pytestmark = pytest.mark.stack

GENERATIONS = "/v1/images/generations"
AT_ONCE = 50


async def _neighbour(url: str, until: asyncio.Event) -> list[float]:
    """Ask `/healthz` again and again, and return how long each answer took, in seconds."""
    took = []
    async with httpx.AsyncClient(base_url=url, timeout=100) as client:
        while not until.is_set():
            began = time.monotonic()
            assert (await client.get("/healthz")).status_code == 200
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
    return took


async def _all_at_once(url: str, headers: httpx.Headers) -> tuple[list[httpx.Response], list[float]]:
    done = asyncio.Event()
    neighbour = asyncio.create_task(_neighbour(url, done))
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=100, limits=limits) as client:
        ways: list[dict[str, object]] = [
            {"model": "gpt-image-1"},
            {"model": "gpt-image-1", "output_format": "jpeg", "output_compression": 50},
            {"stream": True, "partial_images": 1},
            {"n": 2},
        ]
        asked = [
            client.post(GENERATIONS, json={"prompt": f"a lighthouse {at}", **ways[at % len(ways)]})
            for at in range(AT_ONCE)
        ]
        answers = await asyncio.gather(*asked)
    done.set()
    return answers, await neighbour


def test_fifty_at_once_and_a_neighbour(stack: Stack) -> None:
    email = f"openai-{uuid4().hex[:8]}@example.com"
    with stack.developer(email, credits=200) as somebody:
        before = stack.balance(email)
        began = time.monotonic()
        answers, took = asyncio.run(_all_at_once(stack.url, somebody.headers))
        whole = time.monotonic() - began
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    charged = sum(int(answer.headers["X-Credits-Charged"]) for answer in answers)
    several = len([at for at in range(AT_ONCE) if at % 4 == 3])
    assert charged == AT_ONCE + several
    assert stack.balance(email) == before - charged
    streams = [answer.text for answer in answers[2::4]]
    assert all(text.count("event: image_generation.completed\n") == 1 for text in streams)
    took.sort()
    # On a busy machine a part of what all the images take, for which each would wait that was held up.
    limit = max(1.0, whole / 10)
    assert took[len(took) // 2] < limit, f"half of {len(took)} look-ups took longer than {limit}: {took[-5:]}"


def test_whoever_hangs_up_stops_the_waiting_and_not_the_image(stack: Stack) -> None:
    email = f"openai-{uuid4().hex[:8]}@example.com"
    with stack.developer(email, credits=20) as somebody:
        headers = {"x-stainless-retry-count": "0"}
        body = {"prompt": f"a lighthouse {uuid4()}", "stream": True}
        with somebody.stream("POST", GENERATIONS, json=body, headers=headers) as answer:
            assert next(answer.iter_bytes()).startswith(b": drawing")
        # The same call, as its client tries again by itself: it gets that very image.
        again = somebody.post(GENERATIONS, json=body, headers={"x-stainless-retry-count": "1"})
        assert "event: image_generation.completed\n" in again.text
        assert again.headers["X-Credits-Charged"] == "0"
        assert wait_until(lambda: stack.balance(email) == 22, 60)
