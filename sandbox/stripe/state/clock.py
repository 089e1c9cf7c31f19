"""The simulated clock: real time plus an offset that only grows. Object timestamps come from it; signatures don't."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.stripe.state.store import Store

_OFFSET = "clock_offset"
DAY = 86_400


class Clock:
    """Kept in the store, so that a restart and a rolled-back advance keep the time right."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._moment: int | None = None

    @property
    def offset(self) -> int:
        """Seconds ahead of real time."""
        return int(self._store.note(_OFFSET) or 0)

    def now(self) -> int:
        """Return the simulated moment, in Unix seconds."""
        return self._moment if self._moment is not None else int(time.time()) + self.offset

    def advance(self, seconds: int) -> None:
        """Turn the clock forward."""
        self._store.set_note(_OFFSET, str(self.offset + seconds))

    @contextmanager
    def stopped_at(self, moment: int) -> Iterator[None]:
        """Let `now` be this moment inside: things that fell due while nobody looked happen when they were due."""
        self._moment = moment
        try:
            yield
        finally:
            self._moment = None
