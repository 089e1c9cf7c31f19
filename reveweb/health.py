"""`/healthz`: this process answers. `/readyz`: so do the database, the broker and a worker."""

import asyncio
import logging
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from kit.threads import in_thread
from reveweb import drain
from reveweb.celery import app
from reveweb.version import VERSION

log = logging.getLogger(__name__)

CHECK_SECONDS = 3.0


async def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process serves requests, and name the release."""
    return _uncached(JsonResponse({"status": "ok", "version": VERSION}))


async def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when an image could be made now, else 503 naming what is missing."""
    drain.note_asked()
    if drain.is_on():
        return _uncached(JsonResponse({"status": "unavailable", "checks": {"draining": "failed"}}, status=503))
    checks = {"database": _database, "broker": _broker, "worker": _worker}
    results = dict(zip(checks, await asyncio.gather(*map(_passes, checks.values())), strict=True))
    ready = all(results.values())
    body = {
        "status": "ok" if ready else "unavailable",
        "checks": {k: "ok" if v else "failed" for k, v in results.items()},
    }
    return _uncached(JsonResponse(body, status=200 if ready else 503))


async def _passes(check: Callable[[], bool]) -> bool:
    try:
        return await asyncio.wait_for(in_thread(check), CHECK_SECONDS)
    except Exception as error:
        log.warning("%s: %r", check.__name__, error)
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _broker() -> bool:
    with app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
        return bool(broker.connected)


def _worker() -> bool:
    # Several short calls instead of a long one: a worker that comes up meanwhile has missed the earlier ones.
    return any(_ping(seconds) for seconds in (0.25, 0.25, 0.5, 0.5, 1.0))


def _ping(seconds: float) -> bool:
    return bool(app.control.broadcast("ping", reply=True, limit=1, timeout=seconds))


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
