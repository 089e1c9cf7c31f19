"""The least of HTTP/1.1 that a bench needs at both ends, so cheap that it takes no part in what is measured."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

REASONS = {200: "OK", 202: "Accepted", 404: "Not Found"}
Answer = Callable[[bytes], None]
Handler = Callable[[str, str, bytes, Answer], None]


class Message(NamedTuple):
    """One request or answer: its first line, and its body without chunks."""

    line: str
    body: bytes


def take(data: bytearray) -> Message | None:
    """Cut the first whole message from `data`; None as long as some of it is missing."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, start = bytes(data[:end]).lower(), end + 4
    if b"\r\ntransfer-encoding: chunked" in head:
        body, stop = _unchunked(data, start)
    else:
        at = head.find(b"\r\ncontent-length:")
        stop = start + (int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
        body = bytes(data[start:stop])
    if stop > len(data):
        return None
    line = bytes(data[: data.find(b"\r\n")]).decode("latin-1")
    del data[:stop]
    return Message(line, body)


def _unchunked(data: bytearray, at: int) -> tuple[bytes, int]:
    """Return a chunked body and where it ends; beyond the end of `data` when some of it is missing."""
    missing = len(data) + 1
    body = bytearray()
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(bytes(data[at:line]), 16)
        at = line + 2 + size + 2
        if at > len(data):
            break
        if size == 0:
            return bytes(body), at
        body += data[line + 2 : at - 2]
    return b"", missing


def answer(status: int, body: bytes, kind: str = "application/json") -> bytes:
    """Return a whole answer."""
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def json_answer(body: Any, status: int = 200) -> bytes:
    """Return a whole answer of JSON."""
    return answer(status, json.dumps(body).encode())


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return a whole request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """The server's end of one connection: hands each request to `handler`, which may answer later."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        while message := take(self._data):
            method, target, _ = message.line.split(" ")
            self._handler(method, target, message.body, self._send)

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
