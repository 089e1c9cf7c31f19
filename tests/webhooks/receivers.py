"""Receivers of webhooks on a real socket: each address behaves as its path says, and all that comes is on record."""

import asyncio
import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SLOW_SECONDS = 0.3


@dataclass
class Call:
    """What came: the message's id, its headers and body, when, and what was answered (0: nothing)."""

    path: str
    id: str
    headers: dict[str, str]
    body: bytes
    at: float
    answered: int

    @property
    def json(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body)
        return read


@dataclass
class Receivers:
    """Answers `/<kind>/…`:

    ok: 200 · first3: 500 three times for each message, then 200 · always500 · busy: 429 with Retry-After once, then 200
    silent: no answer at all · reset: the connection breaks · slow: 200 after a while · redirect: 302 · gone: 410
    flaky: in turns 503, a reset and silence for each message, then 200
    """

    calls: list[Call] = field(default_factory=list)
    tries: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    port: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(request.split()[1], headers, body, reader, writer)
        finally:
            writer.close()

    async def _answer(
        self,
        path: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        id = headers.get("webhook-id", "")
        self.tries[path + id] += 1
        status, extra, text = self._wanted(path.split("/")[1], self.tries[path + id])
        call = Call(path, id, headers, body, time.time(), status)
        self.calls.append(call)
        if status == 0:
            if text == "reset":
                writer.transport.abort()
                return
            await reader.read()  # until the caller has had enough
            return
        if text == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        answer = f"HTTP/1.1 {status} X\r\n{extra}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"
        writer.write(answer.encode())
        await writer.drain()

    def _wanted(self, kind: str, tries: int) -> tuple[int, str, str]:
        match kind:
            case "first3":
                return (500, "", "not yet") if tries <= 3 else (200, "", "ok")
            case "always500":
                return 500, "", "<b>no</b>\x1b[31m"
            case "busy":
                return (429, "Retry-After: 1\r\n", "busy") if tries == 1 else (200, "", "ok")
            case "silent":
                return 0, "", "silent"
            case "reset":
                return 0, "", "reset"
            case "slow":
                return 200, "", "slow"
            case "redirect":
                return 302, "Location: /ok/elsewhere\r\n", ""
            case "gone":
                return 410, "", "gone"
            case "flaky":
                return (
                    [(503, "", "away"), (0, "", "reset"), (0, "", "silent")][tries - 1] if tries <= 3 else (204, "", "")
                )
        return 200, "", "ok"


@contextlib.contextmanager
def receiving(host: str = "127.0.0.1") -> Iterator[Receivers]:
    """Run receivers on an event loop of their own."""
    receivers, started, loop = Receivers(), threading.Event(), asyncio.new_event_loop()

    async def run() -> None:
        server = await asyncio.start_server(receivers.serve, host, 0, backlog=1024)
        receivers.port = server.sockets[0].getsockname()[1]
        started.set()
        async with server:
            await server.serve_forever()

    def work() -> None:
        task = loop.create_task(run())
        loop.run_forever()
        for each in (tasks := asyncio.all_tasks(loop)):
            each.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(asyncio.sleep(0))
        assert task.done()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    started.wait(60)
    try:
        yield receivers
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
