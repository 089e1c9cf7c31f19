"""When a message that was not taken is sent again: growing steps, over a day at most."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 8 * 3600)
)
PATIENCE = timedelta(hours=24)  # from when on it was to be sent
LONGEST_ASKED = timedelta(hours=1)  # that a receiver may put us off by Retry-After
JITTER = 0.1  # by how much of itself a step may be shorter, so that what failed together does not come back together


@dataclass(frozen=True)
class Retries:
    """How long to wait after each failure in a row, and for how long in all."""

    steps: tuple[timedelta, ...] = STEPS
    patience: timedelta = PATIENCE

    def pause(self, failures: int, *, begun: datetime, now: datetime, asked: float | None = None) -> timedelta | None:
        """Return how long to wait after so many failures, or None where there is no other try.

        `asked` is how many seconds the receiver asks for: it may make a pause longer, up to `LONGEST_ASKED`.
        """
        if failures > len(self.steps):
            return None
        pause = self.steps[failures - 1] * random.uniform(1 - JITTER, 1)
        if asked is not None:
            pause = max(pause, min(LONGEST_ASKED, timedelta(seconds=asked)))
        return pause if now + pause <= begun + self.patience else None
