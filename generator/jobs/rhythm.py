"""When to look at a drawing: as few times as possible, and soon after it is ready.

The first look comes when the quickest twentieth of the latest drawings was ready, the next ones in steps of some
hundredths of a drawing's age. What the upstream takes is learnt from the looks themselves; until it is known, a few
drawings are looked at closely and the others wait for what they tell: then the engine brings their looks forward.
"""

from collections import deque
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from generator.models import Generation

REMEMBERED = 64  # drawings
ENOUGH = 3  # of them to go by
SCOUTS = 8
LEAST, MOST = 0.25, 15.0  # seconds between two looks
CLOSE, WIDE = 0.065, 0.35  # of a drawing's age


class Rhythm:
    """What one process knows of how long drawings take. `usual` is when a first look is worth it, in seconds."""

    def __init__(self) -> None:
        self._ready: deque[float] = deque(maxlen=REMEMBERED)  # the ages at which drawings were not ready yet
        self._scouts: set[int] = set()
        self._pending: dict[int, float] = {}

    @property
    def is_learnt(self) -> bool:
        """Whether enough drawings were seen to go by."""
        return len(self._ready) >= ENOUGH

    @property
    def usual(self) -> float:
        """Seconds after which hardly any drawing was ready."""
        if not self.is_learnt:
            return max(0.15, float(settings.UPSTREAM_TYPICAL_SECONDS))
        return max(0.15, sorted(self._ready)[len(self._ready) // 20])

    def after(self, generation: Generation) -> float:
        """Return the seconds from this look, which found nothing, to the next."""
        age, usual = age_of(generation), self.usual
        if len(self._pending) > 20_000:  # another process saw some of them end
            self._pending.clear()
        self._pending[generation.pk] = age
        if len(self._scouts) < SCOUTS:
            self._scouts.add(generation.pk)
        if age + LEAST < usual:
            return usual - age
        is_close = self.is_learnt or generation.pk in self._scouts
        return step_at(age, CLOSE if is_close else WIDE)

    def found(self, generation: Generation) -> None:
        """Learn from a drawing that was ready at this look."""
        age, usual = age_of(generation), self.usual
        if pending := self._pending.get(generation.pk):
            self._ready.append(pending)
        elif age < 1.1 * usual + 1:  # a look that came later says nothing
            self._ready.append(0.9 * usual)  # it may have been ready for a while
        self.forget(generation)

    def forget(self, generation: Generation) -> None:
        """Keep nothing of a drawing that ended."""
        self._scouts.discard(generation.pk)
        self._pending.pop(generation.pk, None)


def step_at(age: float, share: float = CLOSE) -> float:
    """Return a pause that is `share` of a drawing's age in seconds, within bounds."""
    return min(MOST, max(LEAST, age * share))


def age_of(generation: Generation, at: datetime | None = None) -> float:
    """Return the seconds since `generation` was sent."""
    sent = generation.submitted_at or generation.created_at
    return max(0.0, ((at or timezone.now()) - sent).total_seconds())
