"""The end of a worker process: it has begun, is hastened by whoever asks again, and comes in time, whatever hangs.

Threads of pools are waited for as the interpreter ends, however long a call of theirs takes: a store that is silent, a
payment that is asked about. What they have in hand are claimed rows, which the next worker resumes.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

HASTENED_SECONDS = 3.0  # from the second time that somebody asks
LOOK_SECONDS = 0.1

_begun = threading.Event()
_hastened = threading.Event()
_gone_by = {"at": float("inf")}
_when_hastened: list[Callable[[], None]] = []


def has_begun() -> bool:
    """Tell whether this process is told to end: what takes a while, piece by piece, begins no other piece."""
    return _begun.is_set()


def on_haste(act: Callable[[], None]) -> None:
    """Have `act` called when somebody asks for the end once more. It must return at once."""
    _when_hastened.append(act)


def begin(seconds: float) -> None:
    """Have this process be gone within `seconds`, with status 0; within a few when it is called again."""
    if not _begun.is_set():
        _begun.set()
        within(seconds)
        threading.Thread(target=_see_to_it, name="ending", daemon=True).start()
        return
    within(HASTENED_SECONDS)
    if not _hastened.is_set():
        _hastened.set()
        for act in _when_hastened:
            act()


def within(seconds: float) -> None:
    """Have this process be gone within `seconds` now that its end has begun, unless that is so already."""
    _gone_by["at"] = min(_gone_by["at"], time.monotonic() + seconds)


def _see_to_it() -> None:
    while time.monotonic() < _gone_by["at"]:
        time.sleep(LOOK_SECONDS)
    names = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.warning("This process ends, with what is not done left to the next one; it had: %s", ", ".join(names))
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(0)
