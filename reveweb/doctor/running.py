"""Makes the checks, several at once, each on a thread of its own: one that hangs costs its time limit and no more."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import redis
from django.db import DatabaseError, connections

from reveweb.doctor import hidden
from reveweb.doctor.findings import Check, Examined, Finding, Level, fault, warning

log = logging.getLogger(__name__)

AT_ONCE = 8  # each may hold a connection to the database
HANGS = "Look whether what it asks is up, and whether anything between here and there swallows packets."


def examine(
    checks: Iterable[tuple[str, Check]], told: Callable[[Examined], None] = lambda examined: None
) -> list[Examined]:
    """Make the checks, each given with its concern; return what each found, in their order.

    `told` is called with each as soon as it is known. A check that takes longer than its limit is left behind on its
    thread: nothing waits for it any more.
    """
    wanted = list(checks)
    ended = dict(_ends(wanted, told))
    return [ended[at] for at in range(len(wanted))]


def _ends(wanted: list[tuple[str, Check]], told: Callable[[Examined], None]) -> Iterator[tuple[int, Examined]]:
    waiting = list(enumerate(wanted))[::-1]
    running: dict[int, float] = {}  # since when, by the monotonic clock
    done: queue.SimpleQueue[tuple[int, Examined]] = queue.SimpleQueue()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            at, (concern, check) = waiting.pop()
            running[at] = time.monotonic()
            threading.Thread(target=_look, args=(at, concern, check, done), name="doctor", daemon=True).start()
        for at, examined in _next(wanted, running, done):
            if running.pop(at, None) is not None:  # else it was given up, and ends after all
                told(examined)
                yield at, examined


def _next(
    wanted: list[tuple[str, Check]], running: dict[int, float], done: "queue.SimpleQueue[tuple[int, Examined]]"
) -> Iterator[tuple[int, Examined]]:
    """Wait until a check ends, or is given up."""
    until = min(began + wanted[at][1].seconds for at, began in running.items())
    try:
        yield done.get(timeout=max(0.0, until - time.monotonic()) + 0.001)
    except queue.Empty:
        now = time.monotonic()
        for at, began in list(running.items()):
            concern, check = wanted[at]
            if now - began >= check.seconds:
                words = f"No answer within {check.seconds:g} seconds."
                yield at, _examined(concern, check, [fault(f"{check.name}-hangs", words, HANGS)], now - began)


def _look(at: int, concern: str, check: Check, done: "queue.SimpleQueue[tuple[int, Examined]]") -> None:
    began = time.monotonic()
    try:
        found = list(check.look())
    except (DatabaseError, redis.RedisError) as error:
        log.debug("%s: %r", check.name, error)
        cause = f"It is not known, for the database or Redis did not answer: {type(error).__name__}: {error}"
        found = [warning(f"{check.name}-unknown", cause, "Mend what `database`, `migrations` or `redis` finds here.")]
    except Exception as error:
        log.debug("%s: %r", check.name, error)
        cause = f"It could not be looked at: {type(error).__name__}: {error}".rstrip(": ")
        found = [fault(f"{check.name}-failed", cause, "What else is found here may say why.")]
    with contextlib.suppress(Exception):
        connections.close_all()
    done.put((at, _examined(concern, check, found, time.monotonic() - began)))


def _examined(concern: str, check: Check, found: list[Finding], seconds: float) -> Examined:
    if any(finding.level >= Level.WARNING for finding in found):
        found = [finding for finding in found if finding.level or finding.name != check.name]  # all is not well with it
    shown = [hidden.without_secrets(finding) for finding in found]
    worst_first = sorted(shown, key=lambda finding: -finding.level)
    return Examined(concern, check.name, check.asks, tuple(worst_first), seconds)
