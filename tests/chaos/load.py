"""What people do meanwhile: several accounts with calls of every kind, one of them greedy, and somebody in the studio.

What was promised to whom is written down as `Call`s and judged afterwards, when it is known what was broken when.
"""

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

GENERATE = "/v1/reve-image/generate"
STATUS = "/v1/reve-image/status/"
HANDS = 3  # of each customer
BURST = 40  # images that the greedy one queues at once


@dataclass
class Call:
    """One request: when, what was asked, and what came of it; status 0 means that no answer came."""

    what: str
    start: float
    end: float = 0.0
    status: int = 0
    body: dict[str, Any] | None = None
    words: str = ""
    prompt: str = ""
    key: str = ""
    page: str = field(default="", repr=False)

    @property
    def image_id(self) -> str:
        return str((self.body or {}).get("id", ""))

    @property
    def accepted(self) -> list[str]:
        """The ids of the images that were promised."""
        body = self.body or {}
        if self.what == "generate" and self.status in (200, 202):
            return [self.image_id]
        return list(body.get("ids", [])) if self.what == "press" and self.status in (200, 201) else []


@dataclass
class Records:
    """All that was asked for, and what was seen of it."""

    calls: list[Call] = field(default_factory=list)
    prompts: int = 0

    def new_prompt(self, who: str) -> str:
        self.prompts += 1
        return f"{who} {self.prompts}"


class Customer:
    """An account that calls the API, once in a while with several calls at the same time."""

    def __init__(self, name: str, url: str, secret: str, records: Records, seed: int) -> None:
        self.name, self.records = name, records
        self.dice = random.Random(f"{name}:{seed}")
        self.ids: list[str] = []
        self.urls: list[str] = []
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=20)
        headers = {"Authorization": f"Bearer {secret}"}
        self.client = httpx.AsyncClient(base_url=url, headers=headers, timeout=30, limits=limits, trust_env=False)

    async def run(self, end: float, most: int) -> None:
        """Ask for things, `HANDS` at a time, until `end` of the monotonic clock or until there are `most` images."""
        async with self.client:
            await asyncio.gather(*[self._work(end, most) for _ in range(HANDS)])

    async def _work(self, end: float, most: int) -> None:
        while time.monotonic() < end:
            act = self.dice.choices([self.sync, self.asynchronous, self.twice, self.look, self.fetch], [2, 3, 3, 4, 2])
            if self.records.prompts < most or act[0] in (self.look, self.fetch):
                await act[0]()
            await asyncio.sleep(self.dice.uniform(0.05, 0.4))

    async def be_greedy(self, end: float, most: int) -> None:
        """Queue bursts of images."""
        async with self.client:
            sent = 0
            while time.monotonic() < end and sent < most:
                sent += BURST
                await asyncio.gather(*[self.asynchronous() for _ in range(BURST)])
                await asyncio.sleep(self.dice.uniform(2, 5))

    async def sync(self) -> Call:
        return await self.generate(wait=True)

    async def asynchronous(self) -> Call:
        return await self.generate(wait=False)

    async def twice(self) -> None:
        """Send the same request with the same key twice: at once, or again when the first has its answer or none."""
        prompt, wait = self.records.new_prompt(self.name), self.dice.random() < 0.3
        key = f"key-{prompt.replace(' ', '-')}"
        if self.dice.random() < 0.5:
            await asyncio.gather(*[self.generate(wait=wait, prompt=prompt, key=key) for _ in range(2)])
        else:
            for _ in range(2):
                await self.generate(wait=wait, prompt=prompt, key=key)

    async def generate(self, *, wait: bool, prompt: str = "", key: str = "") -> Call:
        prompt = prompt or self.records.new_prompt(self.name)
        headers = {"Idempotency-Key": key} if key else {}
        call = Call("generate", time.time(), prompt=prompt, key=key)
        await send(
            self.client,
            self.records,
            call,
            "POST",
            GENERATE,
            json={"prompt": prompt, "async": not wait},
            headers=headers,
        )
        if call.status in (200, 202) and call.image_id:
            self.ids.append(call.image_id)
            if url := (call.body or {}).get("url"):
                self.urls.append(url)
        return call

    async def look(self) -> None:
        if self.ids:
            id = self.dice.choice(self.ids[-20:])
            call = Call("status", time.time(), prompt=id)
            await send(self.client, self.records, call, "GET", STATUS + id)
            if url := (call.body or {}).get("url"):
                self.urls.append(url)

    async def fetch(self) -> None:
        if self.urls:
            call = Call("image", time.time())
            await send(self.client, self.records, call, "GET", self.dice.choice(self.urls[-20:]))


async def send(client: httpx.AsyncClient, records: Records, call: Call, method: str, path: str, **options: Any) -> Call:
    """Make a call, and write down what came of it."""
    records.calls.append(call)
    try:
        answer = await client.request(method, path, **options)
    except (httpx.HTTPError, OSError) as error:
        call.words = repr(error)
    else:
        call.status = answer.status_code
        call.words = answer.headers.get("Content-Type", "")
        if call.words.startswith("application/json"):
            call.words = answer.text[:300]
            with contextlib.suppress(json.JSONDecodeError):
                call.body = answer.json()
        elif call.words.startswith("text/"):
            call.page = answer.text
    call.end = time.time()
    return call
