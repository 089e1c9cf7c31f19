"""One examination for all who look at the page, made by one process at a time and kept with its time.

It runs on a thread of the web process that was asked: the doctor has to work where no worker does. What it has found so
far is put where all processes see it, in Django's cache, which is this process's own memory while Redis is away.
"""

import logging
import threading
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.core.cache import cache
from django.utils import timezone

from reveweb.doctor import running
from reveweb.doctor.findings import Examined, Finding, Level
from reveweb.doctor.table import chosen

log = logging.getLogger(__name__)

LEASE_SECONDS = 30  # longer than any check may take: a process that dies holds up the next run no longer
KEPT_SECONDS = 7 * 86_400
_LOCK, _SO_FAR, _LAST = "doctor-lock", "doctor-so-far", "doctor-last"


@dataclass(frozen=True)
class Examination:
    """What is known: `looked_at` of `total` checks; `at` is when it ended, or when the present one began."""

    examined: list[Examined]
    looked_at: int
    total: int
    at: datetime
    is_running: bool


def begin() -> bool:
    """Begin to look, unless somebody is at it; whether this one began."""
    mine = uuid4().hex
    if not cache.add(_LOCK, mine, LEASE_SECONDS):
        return False
    cache.set(_SO_FAR, _told([], len(chosen([]))), LEASE_SECONDS)
    threading.Thread(target=_run, args=(mine,), name="doctor", daemon=True).start()
    return True


def latest() -> Examination | None:
    """Return what the present run has found so far, or else the last one; None where there was none lately."""
    if so_far := cache.get(_SO_FAR):
        return _read(so_far, is_running=True)
    last = cache.get(_LAST)
    return _read(last, is_running=False) if last else None


def _run(mine: str) -> None:
    wanted = chosen([])
    found: list[Examined] = []

    def told(examined: Examined) -> None:
        found.append(examined)
        if cache.get(_LOCK) == mine:
            cache.touch(_LOCK, LEASE_SECONDS)
            cache.set(_SO_FAR, _told(found, len(wanted)), LEASE_SECONDS)

    try:
        cache.set(_LAST, _told(running.examine(wanted, told), len(wanted)), KEPT_SECONDS)
    except Exception:
        log.exception("The doctor could not look")
    finally:
        if cache.get(_LOCK) == mine:
            cache.delete_many([_SO_FAR, _LOCK])


def _told(examined: list[Examined], total: int) -> dict[str, Any]:
    return {"at": timezone.now().isoformat(), "total": total, "examined": [asdict(each) for each in examined]}


def _read(told: dict[str, Any], *, is_running: bool) -> Examination:
    examined = [
        Examined(**{**each, "findings": tuple(_finding(finding) for finding in each["findings"])})
        for each in told["examined"]
    ]
    at = datetime.fromisoformat(told["at"])
    return Examination(examined, len(examined), told["total"], at, is_running)


def _finding(told: dict[str, Any]) -> Finding:
    return Finding(**{**told, "level": Level(told["level"])})
