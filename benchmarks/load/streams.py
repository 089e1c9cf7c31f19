"""Pages that listen to the event stream, one process for all: reads a `Listening` as JSON from standard input.

Prints `begin` once every stream is open, and when standard input ends what they heard: when each image was told to be
finished, on which stream.
"""

import asyncio
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from functools import partial

from benchmarks.load.client import raise_limit
from benchmarks.load.http import request

EVENT = b"data: {"


@dataclass
class Listening:
    """Which log-ins listen; one that is named twice listens twice."""

    port: int
    sessions: list[str]
    target: str = "/events/"
    ramp: float = 5.0


@dataclass
class Heard:
    """What came: image, time (seconds since 1970) and stream; and how many streams were opened and how many ended."""

    told: list[tuple[str, float, int]] = field(default_factory=list)
    opened: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    ended: int = 0


class Stream(asyncio.Protocol):
    """One open page."""

    def __init__(self, number: int, message: bytes, heard: Heard) -> None:
        self._number, self._message, self._heard = number, message, heard
        self._data = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        *lines, self._data = (self._data + data).split(b"\n")
        for line in lines:
            if not self._is_open and line.startswith(b"HTTP/1.1 "):
                self._open(line.split(b" ")[1].decode())
            elif line.startswith(EVENT):
                self._note(line[6:], now)

    def _open(self, status: str) -> None:
        self._is_open = status == "200"
        if self._is_open:
            self._heard.opened += 1
        else:
            self._heard.refused[status] = self._heard.refused.get(status, 0) + 1

    def _note(self, event: bytes, now: float) -> None:
        try:
            told = json.loads(event)
        except ValueError:
            return  # cut in two by a chunk's border
        if told.get("status") in ("completed", "failed"):
            self._heard.told.append((told["id"], now, self._number))

    def connection_lost(self, error: Exception | None) -> None:
        self._heard.ended += 1


async def listen(listening: Listening, ended: asyncio.Event) -> Heard:
    """Open the streams, and listen until `ended`."""
    loop, heard = asyncio.get_running_loop(), Heard()
    for number, session in enumerate(listening.sessions):
        message = request("GET", listening.target, {"Cookie": f"sessionid={session}", "Accept": "text/event-stream"})
        await loop.create_connection(partial(Stream, number, message, heard), "127.0.0.1", listening.port)
        await asyncio.sleep(listening.ramp / len(listening.sessions))
    while heard.opened + heard.ended < len(listening.sessions):
        await asyncio.sleep(0.05)
    print("begin", flush=True)
    await ended.wait()
    return heard


async def _main() -> None:
    listening, ended = Listening(**json.loads(sys.stdin.readline())), asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, daemon=True).start()
    print(json.dumps(asdict(await listen(listening, ended))), flush=True)


if __name__ == "__main__":
    raise_limit()
    asyncio.run(_main())
