"""`serve`: become the web server, with what this site needs of it. The supervisor runs the same command."""

import json
import math
import os
import resource
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from reveweb import drain
from reveweb.backup import unfinished
from reveweb.observe import logs

MOST_CONNECTIONS = 16_384  # in each worker: calls that are held and open pages, which only wait
HEADERS = 32_768  # bytes of a request's headers: what is kept of those that do not end
OTHER_FILES = 256  # what a process has open beside connections


class Command(BaseCommand):
    help = "Serve the site, as HOST, PORT and WEB_WORKERS say. SIGTERM ends it without failing a request."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--workers", type=int, default=settings.WEB_WORKERS)

    def handle(self, *args: Any, **options: Any) -> None:
        unfinished.refuse_to_start()
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, *_server(**options)])  # noqa: S606 (meant)


def _server(*, host: str, port: int, workers: int, **_: Any) -> list[str]:
    return [
        # Not HTTP/2, which no browser speaks without TLS: there a connection that says nothing is never closed.
        *("-m", "granian", "--interface", "asgi", "--no-ws", "--http", "1"),
        *("--http1-header-read-timeout", str(settings.REQUEST_SECONDS * 1000), "--http1-buffer-size", str(HEADERS)),
        *("--host", host, "--port", str(port), "--workers", str(workers)),
        *("--backlog", "4096", "--backpressure", str(_room())),
        *("--respawn-failed-workers", "--workers-kill-timeout", str(math.ceil(drain.seconds()))),
        *_logging(os.environ.get("GRANIAN_LOG_LEVEL", "warning")),
        "reveweb.asgi:application",
    ]


def _logging(level: str) -> list[str]:
    """Return how the server itself logs: as everything else does, which a file has to tell it where that is in JSON."""
    if settings.LOG_FORMAT != "json":
        return ["--log-level", level]
    config = settings.VAR_DIR / "granian-log.json"
    config.write_text(json.dumps(logs.granian(level)))
    return ["--log-level", level, "--log-config", str(config)]


def _room() -> int:
    """Raise the limit of open files as far as one may, and return how many connections that leaves room for.

    The usual limit is 1,024, beyond which a server takes no connection and says nothing.
    """
    wanted = MOST_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(128, most - OTHER_FILES)
