"""`/healthz`: this process answers. `/readyz`: an image could be made now, or what is missing.

Strangers may ask as often as they like: all who ask within a second share one look, made on threads of its own.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import redis
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from generator.models import Generation, UpstreamTrouble
from kit import pulse
from reveweb.celery import app
from reveweb.version import VERSION

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_SECONDS = 3.0
FRESH_SECONDS, FRESH_FAILURE_SECONDS = 1.0, 0.25  # how long an answer is repeated
SCHEDULER_SECONDS = 15.0  # since it was last heard
WORKER_SECONDS = 10.0
STALLED_SECONDS = 30.0  # that something is due while nothing gets done

# Set by a web process that stops: it still answers, and has the balancer send people elsewhere.
DRAINING = threading.Event()


async def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process serves requests, and name the release."""
    return _uncached(JsonResponse({"status": "ok", "version": VERSION}))


async def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when an image could be made now, else 503 naming what is missing."""
    results = {"draining": False} if DRAINING.is_set() else await asyncio.shield(asyncio.wrap_future(_look()))
    ready = all(results.values())
    body = {
        "status": "ok" if ready else "unavailable",
        "checks": {k: "ok" if v else "failed" for k, v in results.items()},
    }
    response = _uncached(JsonResponse(body, status=200 if ready else 503))
    vars(response)["_has_been_logged"] = True  # who asks every second while something starts needs no error each
    return response


@dataclass(frozen=True)
class Due:
    """What the workers should have looked at. `late` is for how many seconds the oldest of it has been due."""

    late: float
    is_stalled: bool


def due(heard: dict[str, float]) -> Due:
    """Return what is due; it is stalled when nothing got done meanwhile, and not because the upstream is in trouble."""
    now = timezone.now()
    unfinished = Generation.objects.filter(status__in=Generation.UNFINISHED, due_at__lte=now)
    oldest = unfinished.order_by("due_at").values_list("due_at", flat=True).first()
    late = (now - oldest) / timedelta(seconds=1) if oldest else 0.0
    is_idle = heard.get("progress", float("inf")) > STALLED_SECONDS
    return Due(late, late > STALLED_SECONDS and is_idle and not UpstreamTrouble.objects.exists())


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _broker() -> bool:
    quick = {"socket_timeout": 2} if app.conf.broker_write_url.startswith("redis") else {}
    with app.connection_for_write(connect_timeout=2, transport_options=quick) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
        return bool(broker.connected)


def _worker() -> bool:
    return pulse.heard().get("worker", float("inf")) <= WORKER_SECONDS


def _scheduler() -> bool:
    return pulse.heard().get("scheduler", float("inf")) <= SCHEDULER_SECONDS


def _stalled() -> bool:
    try:
        heard = pulse.heard()
    except redis.RedisError:
        return True  # nobody can tell; `broker` says why
    return not due(heard).is_stalled


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "broker": _broker,
    "worker": _worker,
    "scheduler": _scheduler,
    "stalled": _stalled,
}

Results = dict[str, bool]
_lock = threading.Lock()
_latest: list[tuple[float, "Future[Results]"]] = []
_running: dict[str, "Future[bool]"] = {}


def _look() -> "Future[Results]":
    """Return the look that is being made now or was made a moment ago, else begin one."""
    with _lock:
        if _latest:
            began, latest = _latest[0]
            if not latest.done():
                return latest
            fresh = FRESH_SECONDS if all(latest.result().values()) else FRESH_FAILURE_SECONDS
            if time.monotonic() - began < fresh:
                return latest
        latest = _beside(_examine)
        _latest[:] = [(time.monotonic(), latest)]
        return latest


def _examine() -> Results:
    """Make every check, all at once. One that still hangs from an earlier look has failed and is not begun again."""
    for name, check in CHECKS.items():
        if name not in _running or _running[name].done():
            _running[name] = _beside(check)
    wait(_running.values(), CHECK_SECONDS)
    return {name: _passed(name) for name in CHECKS}


def _passed(name: str) -> bool:
    try:
        return _running[name].result(0)
    except Exception as error:
        log.warning("%s: %r", name, error)
        return False


def _beside(work: Callable[[], T]) -> "Future[T]":
    """Do `work` on a thread of its own, which keeps no process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            connections.close_all()
            future.set_exception(error)
        else:
            connections.close_all()
            future.set_result(result)

    threading.Thread(target=run, name="health", daemon=True).start()
    return future


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
