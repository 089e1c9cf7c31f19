"""What becomes of an image that a test key asks for, where its prompt says so: `[test:refuse]` and the like.

Only test keys know these words. To anybody else they are a prompt like others.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from generator.jobs.lifecycle import UNAVAILABLE
from generator.models import PROMPT_REFUSED, Generation

SLOW_SECONDS = 10.0
_WORD = re.compile(r"\[test:([a-z_]{1,40})\]")


@dataclass(frozen=True)
class Outcome:
    """What a word does: `words` for people, and the error `code` of an image that fails of it."""

    words: str
    code: str = ""
    message: str = ""


SLOW, PENDING, PARTIAL = "slow", "pending", "partial"
OUTCOMES = {
    "refuse": Outcome(
        "The model refuses the prompt.", PROMPT_REFUSED, "A test: the image service refused this prompt."
    ),
    "fail": Outcome("The image fails.", "upstream_failed", UNAVAILABLE),
    "timeout": Outcome("The image fails as if its time were up, at once.", "timed_out", "A test: no image in time."),
    SLOW: Outcome(
        f"It is drawn for {SLOW_SECONDS:.0f} seconds, when it is too late to cancel it. Goes together with the others."
    ),
    PENDING: Outcome("It stays queued until you cancel it or its deadline has passed."),
    PARTIAL: Outcome("Of several images that you ask for at once, every second one fails.", "upstream_failed"),
}


def named_in(prompt: str) -> list[str]:
    """Return what a prompt names between the brackets, known or not, in its order."""
    return _WORD.findall(prompt)


def queued_until(prompt: str, *, now: datetime, deadline: datetime) -> datetime:
    """Return when a sample is to be drawn: now, unless it is to stay where it is."""
    return deadline if PENDING in named_in(prompt) else now


def still_drawing(generation: Generation) -> float:
    """Return for how many seconds a sample is to be drawn yet; 0.0: no longer."""
    if SLOW not in named_in(generation.prompt) or generation.submitted_at is None:
        return 0.0
    until = generation.submitted_at + timedelta(seconds=SLOW_SECONDS)
    return max(0.0, (until - timezone.now()).total_seconds())


def failure_of(generation: Generation) -> Outcome | None:
    """Return what a sample fails of; None where it becomes an image."""
    for name in named_in(generation.prompt):
        if name == PARTIAL and generation.position % 2 == 0:
            return OUTCOMES["fail"]
        if name in OUTCOMES and name != PARTIAL and OUTCOMES[name].code:
            return OUTCOMES[name]
    return None
