"""`/metrics` for whoever has the token, and a port of its own for whom the network lets there."""

import hmac
import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from kit.threads import Pool, in_thread
from reveweb.observe import metrics, processes

log = logging.getLogger(__name__)

AGAIN_SECONDS = 15.0  # until a worker looks whether the port is free: whoever had it may have ended
ASKED_SECONDS = 10.0  # for whoever has it to answer


async def view(request: HttpRequest) -> HttpResponse:
    """Answer what there is to be watched. Without METRICS_TOKEN there is nothing here."""
    if not settings.METRICS_TOKEN:
        raise Http404
    told = request.headers.get("Authorization", "").partition(" ")[2].strip()
    if not hmac.compare_digest(told.encode(), settings.METRICS_TOKEN.encode()):
        return HttpResponse("Send METRICS_TOKEN as a Bearer token.\n", status=401, content_type="text/plain")
    body = await in_thread(metrics.text, Pool.WATCH)
    return HttpResponse(body, content_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})


class _Handler(BaseHTTPRequestHandler):
    timeout = ASKED_SECONDS  # for whoever connects and says nothing: each has a thread

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        body = metrics.text()
        self.send_response(200)
        self.send_header("Content-Type", metrics.CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)


class MetricsPort(bootsteps.StartStopStep):
    """Answers on METRICS_PORT, in one worker of this machine: whichever finds the port free."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")  # both may be forks

    def start(self, parent: Any) -> None:
        """Begin, where there is such a port; what this process has itself is read in any case."""
        processes.watch()
        if settings.METRICS_PORT:
            threading.Thread(target=serve, name="metrics", daemon=True).start()


def serve(wait: Callable[[float], object] = time.sleep) -> None:
    """Answer for as long as this process lives, from when the port is free; a warning says that a stranger has it."""
    said = ""
    while True:
        try:
            server = _Server((settings.METRICS_HOST, settings.METRICS_PORT), _Handler)
        except OSError as error:
            if str(error) != said and not _is_answered():
                said = str(error)
                log.warning("Nothing answers /metrics at METRICS_PORT, and this process cannot: %s", error)
            wait(AGAIN_SECONDS)
        else:
            log.info("Metrics are at port %s of %s", settings.METRICS_PORT, settings.METRICS_HOST)
            server.serve_forever()


def _is_answered() -> bool:
    """Tell whether another worker of this machine has the port."""
    other = http.client.HTTPConnection(settings.METRICS_HOST, settings.METRICS_PORT, timeout=ASKED_SECONDS)
    try:
        other.request("GET", "/metrics")
        return b"reveweb_build_info" in other.getresponse().read()
    except (OSError, http.client.HTTPException):  # or what is no web server
        return False
    finally:
        other.close()
