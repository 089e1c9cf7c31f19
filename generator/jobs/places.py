"""Which place an image that waits has in the queue, as accounts take turns: 1 is sent next.

All that waits is read at once, in the order in which `turns` would send it now, and remembered for a second: however
many ask meanwhile, they cost nothing. What has no room at its upstreams just now keeps its place.
"""

import threading
import time
from dataclasses import dataclass

from django.db import connection

from generator.models import Generation
from kit.threads import in_thread

MOST = 10_000  # places that are told
CACHE_SECONDS = 1.0
REST = 20  # a long queue takes longer to read: it is remembered for so many times that

# In the order of `turns`: each account's first one, then each one's second, …
_ORDER = f"""
    SELECT id FROM (
        SELECT id, is_awaited, ROW_NUMBER() OVER (PARTITION BY wallet_id ORDER BY is_awaited DESC, id) AS turn
        FROM {Generation._meta.db_table} WHERE status = 'queued' AND NOT is_test
    ) AS waiting
    ORDER BY turn, is_awaited DESC, id LIMIT {MOST}
"""  # noqa: S608 (names of tables)


@dataclass(frozen=True)
class _Queue:
    until: float
    places: dict[int, int]

    def place_of(self, generation: Generation) -> int | None:
        place = self.places.get(generation.pk)
        if place is None and len(self.places) < MOST:
            return len(self.places) + 1  # it came in this moment
        return place


_seen: _Queue | None = None
_reading = threading.Lock()


def place_of(generation: Generation) -> int | None:
    """Return the place of an image, as it was a second ago at most; None where it does not wait, or is far behind."""
    if generation.status != Generation.Status.QUEUED:
        return None
    return 1 if generation.is_test else _current().place_of(generation)  # samples wait for nobody


async def place_soon(generation: Generation) -> int | None:
    """Do as `place_of`, on an event loop."""
    if generation.status == Generation.Status.QUEUED and not generation.is_test and _at_hand() is None:
        return await in_thread(lambda: place_of(generation))
    return place_of(generation)


def forget() -> None:
    """Have the next question ask the database."""
    global _seen
    _seen = None


def _at_hand() -> _Queue | None:
    """Return what was seen if it is fresh, or somebody else is just reading anew."""
    return _seen if _seen is not None and (time.monotonic() < _seen.until or _reading.locked()) else None


def _current() -> _Queue:
    global _seen
    if known := _at_hand():
        return known
    with _reading:
        if _seen is None or time.monotonic() >= _seen.until:
            began = time.monotonic()
            with connection.cursor() as cursor:
                cursor.execute(_ORDER)
                places = {pk: place for place, (pk,) in enumerate(cursor.fetchall(), start=1)}
            took = time.monotonic() - began
            _seen = _Queue(time.monotonic() + max(CACHE_SECONDS, REST * took), places)
        return _seen
