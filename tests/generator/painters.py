"""Upstreams on sockets of their own, which draw, refuse, hang up, and are switched off and on while jobs go on."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from generator.jobs.engine import Engine, Running
from generator.models import Upstream
from generator.upstreams.registry import Dialects, dialect_of
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access
from tests.generator.upstream import png

GENERATE = "/v1/reve-image/generate"


class Painter:
    """Draws in `seconds`. `refuses` is a status that it answers submissions with, and what it says beside."""

    def __init__(self, name: str, *, seconds: float = 0.0) -> None:
        self.name, self.seconds = name, seconds
        self.taken: list[str] = []  # prompts
        self.keys: list[str] = []  # how it was authorised
        self.jobs: dict[str, tuple[str, float]] = {}
        self.asked = 0
        self.refuses: tuple[int, dict[str, str]] | None = None
        self.hangs_up = False  # after it took a job
        self.fails_jobs = ""  # with these words
        self.forgets = False
        self.off_after: int | None = None  # so many jobs
        self.lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.on()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self) -> None:
        """Listen, always at the same address."""
        painter = self

        class Handler(_Handler):
            owner = painter

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def off(self) -> None:
        """Refuse connections from now on, and answer what was asked before."""
        server, self._server = self._server, None
        if server is not None:
            # What has connected already may have sent its job: it must hear what became of that.
            server.socket.setblocking(False)
            with contextlib.suppress(OSError):
                while True:
                    server.process_request(*server.get_request())
            server.socket.close()
            threading.Thread(target=server.shutdown, daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # whoever asked has hung up


class _Handler(BaseHTTPRequestHandler):
    owner: Painter

    def do_POST(self) -> None:
        owner = self.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with owner.lock:
            owner.asked += 1
            if owner.refuses:
                self._say(*owner.refuses)
                return
            owner.taken.append(body["prompt"])
            owner.keys.append(self.headers["Authorization"])
            job = f"{len(owner.taken)}"  # as every other one calls its jobs
            owner.jobs[job] = body["prompt"], time.monotonic() + owner.seconds
            if owner.off_after is not None and len(owner.taken) >= owner.off_after:
                owner.off()
        if not owner.hangs_up:
            self._say(202, self._job(job))

    def do_GET(self) -> None:
        job = self.path.rpartition("/")[2]
        if self.owner.forgets or job not in self.owner.jobs:
            self._say(404, {"error": "no such job"})
        else:
            self._say(200, self._job(job))

    def _job(self, job: str) -> dict[str, str]:
        if time.monotonic() < self.owner.jobs[job][1]:
            return {"id": job, "status": "pending"}
        if self.owner.fails_jobs:
            return {"id": job, "status": "failed", "message": self.owner.fails_jobs}
        return {"id": job, "status": "completed", "url": "/image.png"}

    def _say(self, status: int, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        if retry_after := body.get("retry_after"):
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


class _Fetching(ReveArt):
    """The real dialect, but pictures are here: what a painter that is switched off has drawn stays drawn."""

    async def download(self, url: str) -> bytes:
        return png()


def make(upstream: Upstream) -> ReveArt:
    real = dialect_of(upstream)
    return _Fetching(Access(real.http.access.base_url, real.http.access.key, real.http.access.seconds))


def engine() -> Engine:
    """Return an engine that asks the upstreams of the database over their sockets."""
    return Engine(Dialects(make))


@contextlib.contextmanager
def drawing() -> Iterator[Running]:
    running = Running(engine)
    try:
        yield running
    finally:
        running.close()
        running._thread.join(60)
        assert not running._thread.is_alive()
