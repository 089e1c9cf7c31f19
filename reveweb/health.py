"""`/healthz`: this process answers. `/readyz`: an image could be made now, or what is missing; and how old that is.

A table of checks, each looked at on a thread of its own, one at a time, and never more often than each second however
many ask. Whoever asks waits for a moment, and then gets what is known: a check that hangs holds up nobody, not even
the others. To add one, give it a line in `CHECKS`.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

import redis
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from billing.outbox import mail
from generator.files import images, shared_mark
from generator.models import Generation, UpstreamTrouble
from generator.upstreams import health as upstreams
from generator.webhooks import courier
from kit import pulse
from kit.broker import Line
from reveweb.celery import app
from reveweb.version import VERSION

log = logging.getLogger(__name__)

WAIT_SECONDS = 0.5  # how long whoever asks waits for looks that are under way
HANGS_SECONDS = 3.0  # since when a look is under way that counts as failed; until then the last one counts
FRESH_SECONDS, FRESH_FAILURE_SECONDS = 1.0, 0.25  # how long a finding is repeated
FRESH_FOR_A_PERSON_SECONDS = 5.0  # … that is for somebody who takes minutes
SCHEDULER_SECONDS = 15.0  # since it was last heard
WORKER_SECONDS = 10.0
STALLED_SECONDS = 30.0  # that something is due while nothing gets done
MAIL_LATE = timedelta(minutes=15)

# Set by a web process that stops: it still answers, and has the balancer send people elsewhere.
DRAINING = threading.Event()


class Concerns(Enum):
    """Whom it concerns when a check fails."""

    PROCESS = auto()  # this process can serve nobody: a balancer takes it out of rotation
    SITE = auto()  # no image could be made now, whichever process is asked
    PERSON = auto()  # images are made or wait for their turn, and somebody has to see to something


@dataclass(frozen=True)
class Check:
    """`look` returns what is wrong, in words for the operator, or None; what it raises is wrong too."""

    look: Callable[[], str | None]
    concerns: Concerns


@dataclass(frozen=True)
class Finding:
    """What is known of a check: what is wrong, or None; and how many seconds ago that was found, None for never."""

    concerns: Concerns
    words: str | None
    age: float | None


async def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process serves requests, and name the release."""
    return _uncached(JsonResponse({"status": "ok", "version": VERSION}))


async def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when an image could be made now, else 503 naming what is missing; within a second whatever hangs.

    With `?only=process` the status is about this process alone, which is what a balancer wants to know: where a worker
    is missing, every process is as good as the next.
    """
    found = _draining() if DRAINING.is_set() else await _found_soon()
    failed = {finding.concerns for finding in found.values() if finding.words is not None}
    can_draw, can_serve = not failed - {Concerns.PERSON}, Concerns.PROCESS not in failed
    body = {
        "status": "unavailable" if not can_draw else "degraded" if failed else "ok",
        "rotation": "in" if can_serve else "out",
        "checks": {
            name: "ok" if finding.words is None else "failed"
            for name, finding in found.items()
            if finding.concerns is not Concerns.PERSON
        },
        "attention": [
            name for name, finding in found.items() if finding.concerns is Concerns.PERSON and finding.words is not None
        ],
        "age_seconds": {
            name: None if finding.age is None else round(finding.age, 1) for name, finding in found.items()
        },
    }
    is_well = can_serve if request.GET.get("only") == "process" else can_draw
    response = _uncached(JsonResponse(body, status=200 if is_well else 503))
    vars(response)["_has_been_logged"] = True  # who asks every second while something starts needs no error each
    return response


def found() -> dict[str, Finding]:
    """Return what is known of each check, for a page: it waits as `readyz` does."""
    wait(_begin_looks(), WAIT_SECONDS)
    return _findings()


# --- The checks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """What the workers should have looked at. `late` is for how many seconds the oldest of it has been due."""

    late: float
    is_stalled: bool


def due(heard: dict[str, float]) -> Due:
    """Return what is due; it is stalled when nothing got done meanwhile, and no worker waits for an upstream."""
    now = timezone.now()
    unfinished = Generation.objects.real().unfinished().filter(due_at__lte=now)
    oldest = unfinished.order_by("due_at").values_list("due_at", flat=True).first()
    late = (now - oldest) / timedelta(seconds=1) if oldest else 0.0
    is_idle = heard.get("progress", float("inf")) > STALLED_SECONDS
    return Due(late, late > STALLED_SECONDS and is_idle and not UpstreamTrouble.objects.exists())


def _database() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return None if cursor.fetchone() == (1,) else "it answers something else"


_line = Line(app)


def _broker() -> str | None:
    _line.waiting(app.amqp.queues["rest"])
    return None


def _worker() -> str | None:
    return _silent("worker", WORKER_SECONDS, "no worker that draws")


def _scheduler() -> str | None:
    return _silent("scheduler", SCHEDULER_SECONDS, "no scheduler")


def _money() -> str | None:
    return _silent("money", WORKER_SECONDS, "no worker that takes payments")


def _rest() -> str | None:
    return _silent("rest", WORKER_SECONDS, "no worker for mails and the rest (`work --rest`)")


def _redis() -> str | None:
    pulse.heard()
    return None


def _silent(name: str, limit: float, who: str) -> str | None:
    try:
        ago = pulse.heard().get(name)
    except redis.RedisError:
        return None  # nobody can tell: `redis` says why
    if ago is None:
        return f"{who} was ever heard"
    return f"{who} was heard for {ago:.0f} seconds" if ago > limit else None


def _stalled() -> str | None:
    try:
        heard = pulse.heard()
    except redis.RedisError:
        return None
    standing = due(heard)
    return f"an image has been due for {standing.late:.0f} seconds" if standing.is_stalled else None


def _upstream() -> str | None:
    if trouble := UpstreamTrouble.objects.first():
        return f"{trouble.upstream} refuses this site: {trouble.get_kind_display()}"
    names = ", ".join(upstream.slug for upstream in upstreams.down())
    return f"{names} failed {upstreams.FAILURES} times, and did not answer since" if names else None


def _storage() -> str | None:
    return images.storage_trouble()


def _unshared() -> str | None:
    return shared_mark.CURE if shared_mark.unshared() else None


def _mail() -> str | None:
    waiting = mail.late(MAIL_LATE)
    return f"{waiting} mails wait for longer than they should" if waiting else None


def _webhooks() -> str | None:
    return _silent(courier.PULSE, WORKER_SECONDS, "nobody who sends webhooks (`work --rest`)")


CHECKS: dict[str, Check] = {
    "database": Check(_database, Concerns.PROCESS),
    "broker": Check(_broker, Concerns.SITE),
    "redis": Check(_redis, Concerns.SITE),
    "worker": Check(_worker, Concerns.SITE),
    "scheduler": Check(_scheduler, Concerns.SITE),
    "stalled": Check(_stalled, Concerns.SITE),
    "upstream": Check(_upstream, Concerns.PERSON),
    "storage": Check(_storage, Concerns.PERSON),
    "unshared": Check(_unshared, Concerns.PERSON),
    "payments": Check(_money, Concerns.PERSON),
    "rest": Check(_rest, Concerns.PERSON),
    "mail": Check(_mail, Concerns.PERSON),
    "webhooks": Check(_webhooks, Concerns.PERSON),
}


# --- Looking -----------------------------------------------------------------------------------------------------


@dataclass
class _Look:
    """What this process knows of one check, and the look that is under way."""

    words: str | None = None
    at: float | None = None  # by the monotonic clock
    began: float = 0.0
    running: "Future[None]" = field(default_factory=lambda: _done())


_lock = threading.Lock()
_looks: dict[str, _Look] = {}


def forget() -> None:
    """Know nothing."""
    with _lock:
        _looks.clear()


def _done() -> "Future[None]":
    future: Future[None] = Future()
    future.set_result(None)
    return future


async def _found_soon() -> dict[str, Finding]:
    if running := _begin_looks():
        await asyncio.wait([asyncio.wrap_future(look) for look in running], timeout=WAIT_SECONDS)
    return _findings()


def _begin_looks() -> "list[Future[None]]":
    """Begin to look at what was not looked at lately, and return what is under way."""
    with _lock:
        now = time.monotonic()
        for name, check in CHECKS.items():
            look = _looks.setdefault(name, _Look())
            fresh = FRESH_SECONDS if look.words is None else FRESH_FAILURE_SECONDS
            if check.concerns is Concerns.PERSON:
                fresh = FRESH_FOR_A_PERSON_SECONDS
            if look.running.done() and (look.at is None or now - look.at > fresh):
                look.began, look.running = now, Future()
                threading.Thread(target=_examine, args=(name, check, look), name="health", daemon=True).start()
        return [look.running for look in _looks.values() if not look.running.done()]


def _examine(name: str, check: Check, look: _Look) -> None:
    try:
        words = check.look()
    except Exception as error:
        log.warning("%s: %r", name, error)
        words = f"it does not answer: {error}"
    with contextlib.suppress(Exception):
        connections.close_all()
    look.words, look.at = words, time.monotonic()
    look.running.set_result(None)


def _findings() -> dict[str, Finding]:
    with _lock:
        looks = [(name, _looks.get(name, _Look())) for name in CHECKS]
    return {name: _finding(CHECKS[name], look) for name, look in looks}


def _finding(check: Check, look: _Look) -> Finding:
    now = time.monotonic()
    age = None if look.at is None else now - look.at
    if not look.running.done() and (age is None or now - look.began > HANGS_SECONDS):
        return Finding(check.concerns, f"no answer for {now - look.began:.0f} seconds", age)
    return Finding(check.concerns, look.words, age)


def _draining() -> dict[str, Finding]:
    return {"draining": Finding(Concerns.PROCESS, "this process is about to end", 0.0)}


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
