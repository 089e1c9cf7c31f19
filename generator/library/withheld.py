"""Files that only their owner and staff are given: those of images that staff took down.

Whoever serves an image's permanent address asks here. The names are a second old at most, or as old as the database is
away: images are served all the same, and most cost no query.
"""

import contextlib
import threading
import time

from django.db import DatabaseError

from accounts.models import User
from billing import ledger
from generator.library import showcase
from generator.models import Generation

CACHE_SECONDS = 1.0

_names: frozenset[str] = frozenset()
_read_at = float("-inf")
_reading = threading.Lock()


def at_hand() -> frozenset[str] | None:
    """Return the file tokens of all that was taken down; None where they have to be read anew."""
    return _names if _is_fresh() or _reading.locked() else None


def tokens() -> frozenset[str]:
    """Return the same, read anew where that is called for. One query at most."""
    global _names, _read_at
    with _reading:
        if not _is_fresh():
            at = time.monotonic()  # before the reading: what is taken down during it is seen a second later
            with contextlib.suppress(DatabaseError):
                down = Generation.objects.filter(taken_down_at__isnull=False)
                _names = frozenset(down.values_list("file_token", flat=True))
            _read_at = at
        return _names


def may_see(user: User | None, token: str) -> bool:
    """Tell whether `user` is given such a file all the same."""
    if user is None:
        return False
    return showcase.may_take_off(user) or ledger.wallet_of(user.pk).generations.filter(file_token=token).exists()


def forget() -> None:
    """Have the next question ask the database."""
    global _read_at
    _read_at = float("-inf")


def _is_fresh() -> bool:
    return time.monotonic() - _read_at <= CACHE_SECONDS
