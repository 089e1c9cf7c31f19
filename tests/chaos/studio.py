"""Somebody in the studio: presses, listens to the event stream, looks at the gallery, throws images away."""

import asyncio
import contextlib
import random
import re
import time
from uuid import uuid4

import httpx

from tests.chaos.load import Call, Records, send

HANDS = 2


class Person:
    """A browser that is logged in."""

    def __init__(self, url: str, cookies: httpx.Cookies, records: Records, seed: int) -> None:
        self.records, self.dice = records, random.Random(f"studio:{seed}")
        self.client = httpx.AsyncClient(base_url=url, cookies=cookies, timeout=30, trust_env=False)
        self.events = 0

    async def run(self, end: float, most: int) -> None:
        """Go on until `end` of the monotonic clock."""
        async with self.client:
            listening = asyncio.create_task(self._listen())
            await asyncio.gather(*[self._work(end, most) for _ in range(HANDS)])
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _work(self, end: float, most: int) -> None:
        while time.monotonic() < end:
            act = self.dice.choices([self.press, self.gallery, self.discard], [4, 2, 1])[0]
            if self.records.prompts < most or act != self.press:
                await act()
            await asyncio.sleep(self.dice.uniform(0.2, 0.8))

    async def press(self) -> None:
        """Press Generate, sometimes twice."""
        prompt, nonce = self.records.new_prompt("studio"), str(uuid4())
        fields = {"prompt": prompt, "nonce": nonce, "aspect_ratio": "1:1", "count": "1"}
        times = self.dice.choice([1, 1, 2])
        await asyncio.gather(*[self._post("press", "/create/generate/", fields, prompt) for _ in range(times)])

    async def gallery(self) -> None:
        await send(self.client, self.records, Call("gallery", time.time()), "GET", "/gallery/")

    async def discard(self) -> None:
        """Throw away an image that may be finished or not."""
        found = await send(self.client, self.records, Call("wall", time.time()), "GET", "/create/wall/")
        ids = re.findall(r'data-generation="(img_\w+)"', found.page)
        if ids:
            await self._post("discard", "/gallery/delete/", {"ids": self.dice.choice(ids)})

    async def _post(self, what: str, path: str, fields: dict[str, str], prompt: str = "") -> Call:
        token = self.client.cookies.get("csrftoken") or ""
        headers = {"X-CSRFToken": token, "Accept": "application/json"}
        call = Call(what, time.time(), prompt=prompt)
        return await send(self.client, self.records, call, "POST", path, data=fields, headers=headers)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError, OSError):
                async with self.client.stream("GET", "/events/") as stream:
                    async for _ in stream.aiter_bytes():
                        self.events += 1
            await asyncio.sleep(1)
