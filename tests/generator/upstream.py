"""An upstream inside the test's process, for what a server on a socket would be too slow or too obedient to show."""

import asyncio
import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal

from PIL import Image

from generator.jobs.engine import Engine, Running
from generator.upstreams.dialect import Job, Order
from generator.upstreams.registry import Dialects
from generator.upstreams.reve_art import ReveArt


@lru_cache(maxsize=1)
def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (30, 60, 90)).save(buffer, "PNG")
    return buffer.getvalue()


class Upstream(ReveArt):
    """Draws at once. A test says how long a submit or a look takes, by prompt or id, and what happens in it."""

    def __init__(self) -> None:
        self.sent: list[str] = []  # prompts
        self.looks: Counter[str] = Counter()  # by id
        self.fetched = 0
        self.asked_at_once = self.most_at_once = 0
        self.is_instant = False
        self.submit_seconds: Callable[[str], float] = lambda prompt: 0
        self.look_seconds = 0.0
        self.on_submit: Callable[[str], None] = lambda prompt: None
        self.on_download: Callable[[], None] = lambda: None

    async def submit(self, order: Order) -> Job:
        prompt = order.prompt
        self.sent.append(prompt)
        number = len(self.sent)
        with self._asked():
            await asyncio.sleep(self.submit_seconds(prompt))
        self.on_submit(prompt)
        return self.answer(f"up_{number}", "completed" if self.is_instant else "pending")

    async def poll(self, upstream_id: str) -> Job:
        self.looks[upstream_id] += 1
        with self._asked():
            await asyncio.sleep(self.look_seconds)
        return self.answer(upstream_id, "completed")

    async def download(self, url: str) -> bytes:
        self.fetched += 1
        self.on_download()
        return png()

    async def aclose(self) -> None:
        pass

    def answer(self, id: str, state: Literal["pending", "completed"]) -> Job:
        return Job(id=id, state=state, url="https://example.com/x.png" if state == "completed" else "")

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        self.asked_at_once += 1
        self.most_at_once = max(self.most_at_once, self.asked_at_once)
        try:
            yield
        finally:
            self.asked_at_once -= 1


def engine_with(*upstreams: Upstream) -> Engine:
    """Return an engine that asks `upstreams`: those of the database, in the order of their keys."""
    return Engine(Dialects(lambda row: upstreams[min(row.pk, len(upstreams)) - 1]))


@contextlib.contextmanager
def drawing_with(upstream: Upstream) -> Iterator[Running]:
    """Run an engine that asks `upstream`, for as long as the block takes."""
    running = Running(lambda: engine_with(upstream))
    try:
        yield running
    finally:
        running.close()
        running._thread.join(60)  # one that was left would take the next test's images
        assert not running._thread.is_alive()
