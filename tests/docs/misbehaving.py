"""A server that answers like this API, its proxies and a bad network, as a script says."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

IMAGE_ID = "img_7Kx2mQ9vTfR4sWbN1cYpLhJd"
URL = "https://images.example.com/images/Vb3nK8sQ1xZt6LwY0fHdR5mCpJ2aGu9E.png"
LONGEST_SILENCE = 20.0  # seconds, after which a connection that nobody gave up is closed


@dataclass(frozen=True)
class Answer:
    """What is answered once. One that `is_cut` ends before its body does, `silence` is none at all."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    retry_after: str = ""
    is_cut: bool = False
    is_silence: bool = False


def image(status: str, http: int = 200, **fields: Any) -> Answer:
    return Answer(http, json.dumps({"id": IMAGE_ID, "status": status, **fields}).encode())


def error(http: int, code: str, retry_after: str = "", **fields: str) -> Answer:
    body = {"error": {"code": code, "message": f"This is {code}.", **fields}}
    return Answer(http, json.dumps(body).encode(), retry_after=retry_after)


def page(http: int) -> Answer:
    return Answer(http, f"<html><h1>{http} from the proxy</h1></html>".encode(), "text/html")


PENDING = image("pending", 202, stage="queued")
COMPLETED = image("completed", url=URL, metadata={"prompt": 'with "id": "img_of_another"', "width": 1, "height": 1})
FAILED = image("failed", 502, error={"code": "upstream_failed", "message": "This is upstream_failed."})
CUT = Answer(200, COMPLETED.body[:70], is_cut=True)
SILENCE = Answer(is_silence=True)


@dataclass
class Script:
    """What the two endpoints answer one after another, the last for ever, and what they were asked."""

    generate: Sequence[Answer]
    status: Sequence[Answer] = (COMPLETED,)
    keys: list[str] = field(default_factory=list)  # `Idempotency-Key` of each request for an image
    looks: list[str] = field(default_factory=list)  # the id of each look-up

    def next(self, method: str, path: str, key: str) -> Answer:
        asked, script = (self.keys, self.generate) if method == "POST" else (self.looks, self.status)
        asked.append(key if method == "POST" else path.rpartition("/")[2])
        return script[min(len(asked), len(script)) - 1]


class Handler(BaseHTTPRequestHandler):
    """Answers by the script that the first part of the path names."""

    protocol_version = "HTTP/1.1"
    scripts: dict[str, Script]
    over: threading.Event

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        self.close_connection = True
        name, _, path = self.path.removeprefix("/").partition("/")
        answer = self.scripts[name].next(self.command, path, self.headers.get("Idempotency-Key", ""))
        if answer.is_silence:
            self._be_silent()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body) + 100 * answer.is_cut))
        self.send_header("Connection", "close")
        if answer.retry_after:
            self.send_header("Retry-After", answer.retry_after)
        self.end_headers()
        self.wfile.write(answer.body)

    def _be_silent(self) -> None:
        ends = time.monotonic() + LONGEST_SILENCE
        self.connection.settimeout(0.1)
        while time.monotonic() < ends and not self.over.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[str, dict[str, Script]]]:
    """Serve on a port of loopback; gives the address, and the scripts by the first part of their paths."""
    scripts: dict[str, Script] = {}
    over = threading.Event()
    handler = type("Scripted", (Handler,), {"scripts": scripts, "over": over})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", scripts
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
