"""Servers that misbehave, on real sockets: a proxy in front, a mail server, a name server, and one that says no."""

import http.client
import json
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn

from tests.environment import free_port, wait_for_port


@contextmanager
def site() -> Iterator[int]:
    """Serve this very site in this process, with the settings of the test, and give its port."""
    from reveweb.asgi import application

    port = free_port()
    config = uvicorn.Config(application, port=port, lifespan="off", proxy_headers=False, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for_port(port)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(60)


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[int]:
    assert isinstance(server.server_address, tuple)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


# --- A proxy -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Habits:
    """What a proxy does with a request: as one should be, unless said otherwise."""

    proto: str = "https"  # that it says; "" for none
    appends: bool = True  # to X-Forwarded-For; else it hands on what the caller wrote
    passes_host: bool = True
    buffers: bool = False
    cuts_after: float | None = None  # seconds without an answer
    through: int = 1  # how many addresses it appends


@contextmanager
def proxy(target: int, habits: Habits) -> Iterator[int]:
    """Stand in front of a loopback port, and give one's own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            headers["Host"] = self.headers["Host"] if habits.passes_host else f"127.0.0.1:{target}"
            if habits.proto:
                headers["X-Forwarded-Proto"] = habits.proto
            if habits.appends:
                came = [headers["X-Forwarded-For"]] if "X-Forwarded-For" in headers else []
                headers["X-Forwarded-For"] = ", ".join([*came, *["127.0.0.1"] * habits.through])
            inner = http.client.HTTPConnection("127.0.0.1", target, timeout=habits.cuts_after or 20)
            try:
                inner.request("GET", self.path, headers=headers)
                self._hand_on(inner.getresponse())
            except TimeoutError:
                self.send_response(504)
                self.send_header("Content-Length", "0")
                self.end_headers()
            finally:
                inner.close()

        def _hand_on(self, answer: http.client.HTTPResponse) -> None:
            whole = answer.read() if habits.buffers else None
            self.send_response(answer.status)
            for name in ("Content-Type", "Location"):
                if value := answer.getheader(name):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            if whole is not None:
                self.wfile.write(whole)
            while whole is None and (piece := answer.read1(65_536)):
                self.wfile.write(piece)
            self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            pass

    with _serving(_Quiet(("127.0.0.1", 0), Handler)) as port:
        yield port


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of whoever hung up."""


@contextmanager
def saying(status: int, body: Any = None) -> Iterator[int]:
    """Answer each request with the same: JSON, or HTML where `body` is text."""
    text = body if isinstance(body, str) else json.dumps(body or {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 (the base class looks for these names)

        def log_message(self, *arguments: Any) -> None:
            pass

    with _serving(_Quiet(("127.0.0.1", 0), Handler)) as port:
        yield port


# --- A mail server -----------------------------------------------------------------------------------------------


@dataclass
class Post:
    """A mail server that answers each command with these lines, and whatever else with 250."""

    refuses: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    port: int = 0


@contextmanager
def post(refuses: dict[str, str] | None = None) -> Iterator[Post]:
    """Run one; `refuses` has an answer by the beginning of a command, as `{"MAIL": "550 no"}`."""
    served = Post(refuses or {})

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 mail.test ESMTP")
            for raw in self.rfile:
                line = raw.decode().strip()
                served.heard.append(line)
                word = line.split(" ")[0].upper()
                if word in served.refuses:
                    self._say(served.refuses[word])
                elif word == "EHLO":
                    self._say("250-mail.test\r\n250 AUTH PLAIN LOGIN")
                elif word == "AUTH":
                    self._say("235 welcome")
                elif word == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with _serving(Server(("127.0.0.1", 0), Handler)) as served.port:
        yield served


# --- A name server -----------------------------------------------------------------------------------------------


@contextmanager
def names(records: dict[str, list[str]]) -> Iterator[int]:
    """Answer questions for TXT records over UDP; a name that is not among `records` does not exist."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, sock = self.request
            name, end = _name_in(query)
            found = records.get(name)
            code = 0 if found is not None else 3
            head = query[:2] + struct.pack("!5H", 0x8180 | code, 1, len(found or []), 0, 0)
            answers = b"".join(_record(text) for text in found or [])
            sock.sendto(head + query[12 : end + 4] + answers, self.client_address)

    with _serving(socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


def _name_in(query: bytes) -> tuple[str, int]:
    at, labels = 12, []
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


def _record(text: str) -> bytes:
    parts = [text.encode()[start : start + 255] for start in range(0, len(text), 255)]
    data = b"".join(bytes([len(part)]) + part for part in parts)
    return struct.pack("!3HIH", 0xC00C, 16, 1, 60, len(data)) + data


@contextmanager
def hanging() -> Iterator[int]:
    """Take connections, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])
