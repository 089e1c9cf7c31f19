"""A server on a real socket that answers as a test tells it to."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from generator.jobs import engine
from kit.threads import in_loop

KEY = "rv-live-Zk39dkQp20sdkLLpq8"  # ours, at the upstream


@pytest.fixture(autouse=True, scope="session")
def _one_ssl_context() -> Iterator[None]:
    """Read the certificates once: every client that a test makes would read them again, for 30 ms."""
    context = httpx.create_ssl_context(trust_env=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", lambda **options: context)
        yield


@dataclass
class Reply:
    """What the server answers. With `silent` it never does; with `chunked` it names no length.

    With `drip` there are so many seconds between the body's bytes.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    chunked: bool = False
    drip: float = 0.0


class CannedServer(ThreadingHTTPServer):
    """Answers each path with the reply that was set for it, and remembers what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: dict[str, Reply] = {}
        self.default = Reply(404)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.callers: set[tuple[str, int]] = set()  # each connection's other end
        self.closing = threading.Event()
        self.port = int(self.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CannedServer

    def handle_one(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.callers.add(self.client_address)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers, self.rfile.read(length)))
        reply = self.server.replies.get(self.path, self.server.default)
        if reply.silent:
            self.server.closing.wait(250)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunked:
            self.close_connection = True
            self.send_header("Connection", "close")
        elif "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if not reply.drip:
            self.wfile.write(reply.body)
            return
        with contextlib.suppress(OSError):  # whoever asked has had enough
            for byte in reply.body:
                self.wfile.write(bytes([byte]))
                if self.server.closing.wait(reply.drip):
                    break

    do_GET = do_POST = do_PUT = handle_one  # noqa: N815 (the base class looks for these names)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[CannedServer]:
    """A running CannedServer."""
    server = CannedServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join(60)
    server.server_close()


# --- As the upstream of a worker -------------------------------------------------------------------------------


@pytest.fixture
def upstream(server: CannedServer, settings: Any, images: None) -> Iterator[CannedServer]:
    """An upstream with our key that takes the job `up_1`; what it says of it is the test's to set."""
    settings.SANDBOX = False
    settings.REVE_API_URL, settings.UPSTREAM_API_KEY = server.url, KEY
    settings.UPSTREAM_TYPICAL_SECONDS = 0.0
    says(server, "/v1/reve-image/generate", {"id": "up_1", "status": "pending"}, 202)
    forget_client()
    yield server
    forget_client()


def forget_client() -> None:
    if engine._in_passing.cache_info().currsize:
        in_loop(engine._in_passing().dialects.aclose())
    engine._in_passing.cache_clear()


def says(server: CannedServer, path: str, body: Any, status: int = 200, **options: Any) -> None:
    server.replies[path] = Reply(status, json.dumps(body).encode(), **options)
