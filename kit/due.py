"""A row that is a queue: it says when it is due, one worker at a time has it, and a claim that lapses frees it.

    due ──claim──▶ claimed ──write / put_off / give_up──▶ whatever its table makes of it
     ▲                │
     └────lapses──────┘  its worker died, or slept through its lease

Whoever claims a row gets a token with it, and every later write repeats the token (a fencing token: Kleppmann, "How to
do distributed locking", 2016) and what must `still` be true of the row. So a worker that comes back after its claim
lapsed, or after the row ended without it, changes nothing, however late.

A table that is such a queue has the columns `due_at`, `claim`, `attempts` and `last_error`.
"""

import contextlib
import logging
import secrets
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar

from django.db import close_old_connections
from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone

from kit.http.requests import without_nul
from kit.threads import let_go

log = logging.getLogger(__name__)

ERROR_MAX_LENGTH = 2000  # characters of an error that are kept with its row
ANYTHING = Q()


class LostClaim(Exception):
    """Another worker has the row, or it has ended."""


Row = TypeVar("Row", bound=Model)


def claim(waiting: QuerySet[Row], pk: Any, *, lease: timedelta, **values: Any) -> Row | None:
    """Take the row `pk` if it is among `waiting` and due, and set `values` on it; None when it is not, or is taken.

    Counts the attempt. The row is this caller's for `lease`, or until `renew`.
    """
    now, token = timezone.now(), secrets.token_hex(8)
    taken = waiting.filter(pk=pk, due_at__lte=now).update(
        claim=token, due_at=now + lease, attempts=F("attempts") + 1, **values
    )
    return waiting.filter(pk=pk, claim=token).first() if taken else None


def held(row: Row) -> QuerySet[Row]:
    """Return the rows that are `row` as this caller claimed it: one, or none once the claim is lost."""
    claimed: Any = row
    return type(row)._default_manager.filter(pk=row.pk, claim=claimed.claim)


def write(row: Row, *, still: Q = ANYTHING, **values: Any) -> None:
    """Set `values` on a claimed row. Raises LostClaim, and changes nothing then."""
    if not held(row).filter(still).update(**values):
        raise LostClaim(str(row))


def renew(row: Row, lease: timedelta) -> bool:
    """Hold on to a claimed row for another `lease`; False when it is lost."""
    return bool(held(row).update(due_at=timezone.now() + lease))


@contextlib.contextmanager
def renewing(row: Row, lease: timedelta) -> Iterator[None]:
    """Renew the claim beside the work, from a thread, for however long one step of it takes."""
    ended = threading.Event()

    def keep_on() -> None:
        while not ended.wait(lease.total_seconds() / 3):
            try:
                renew(row, lease)
            except Exception:
                log.exception("%s: its claim could not be renewed", row)
            finally:
                close_old_connections()

    thread = threading.Thread(target=keep_on, name=f"{row._meta.model_name}-{row.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        let_go()  # the thread may be waiting for a connection to renew with
        thread.join()


def put_off(row: Row, error: BaseException, *, pause: timedelta, still: Q = ANYTHING, **values: Any) -> None:
    """Let go of a claimed row, to be tried again after `pause`, and note why. Raises LostClaim."""
    write(row, claim="", due_at=timezone.now() + pause, last_error=words_of(error), still=still, **values)


def give_up(row: Row, error: BaseException | str, *, still: Q = ANYTHING, **values: Any) -> None:
    """Let go of a claimed row for good: `values` say how it ends. Raises LostClaim."""
    write(row, claim="", last_error=error if isinstance(error, str) else words_of(error), still=still, **values)


def words_of(error: BaseException) -> str:
    """Return an error as text that any database can keep."""
    words = without_nul(f"{type(error).__name__}: {error}")[:ERROR_MAX_LENGTH]
    return words.encode("utf-8", "replace").decode()


def growing_pause(doublings: int, *, most: timedelta) -> timedelta:
    """Return how long to wait before the next try: 5 s, doubled `doublings` times, and `most` at the most."""
    return min(most, timedelta(seconds=5 * 2 ** min(doublings, 20)))
