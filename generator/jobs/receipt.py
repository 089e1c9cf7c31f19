"""What one image cost, step by step: the ledger's entries beside the generation's attempts. All reading."""

from dataclasses import dataclass
from datetime import datetime

from billing.ledger import statement
from billing.models import CreditEntry
from generator.models import Attempt, Generation

_CREDIT_WORDS: dict[str, str] = {
    CreditEntry.Kind.HOLD: "set aside",
    CreditEntry.Kind.SETTLE: "spent",
    CreditEntry.Kind.RELEASE: "returned",
}


# What became of an attempt, for people, whom it does not concern at which upstream that was.
_ENDS: dict[str, str] = {
    Attempt.State.FAILED: "Came to nothing there",
    Attempt.State.UNCLEAR: "No clear answer came",
}


@dataclass(frozen=True)
class Step:
    """Something that happened. `credits` is how it changed the balance, None where it could not."""

    words: str
    at: datetime
    credits: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Receipt:
    """The steps in their order, what the image cost in the end, and the history's entry it began with."""

    steps: list[Step]
    cost: int
    first_entry: int | None

    @property
    def history_before(self) -> int | None:
        """Where the credit history has to begin so that this image's line is its first."""
        return None if self.first_entry is None else self.first_entry + 1


def receipt_of(generation: Generation) -> Receipt:
    """Return a final generation's receipt, in two queries."""
    entries = statement.entries_about(generation.wallet, generation.credit_reference)
    held = -entries[0].amount if entries else 0
    steps = [_step(entry, held, by_staff=entry.of_id not in (None, entries[0].pk)) for entry in entries]
    steps += _own_steps(generation)
    return Receipt(
        steps=sorted(steps, key=lambda step: step.at),
        cost=-sum(entry.amount for entry in entries),
        first_entry=entries[0].pk if entries else None,
    )


def _step(entry: CreditEntry, held: int, *, by_staff: bool) -> Step:
    verb = _CREDIT_WORDS.get(entry.kind)
    words = f"{'Credit' if held == 1 else 'Credits'} {verb}" if verb else entry.get_kind_display()
    return Step(words, entry.created_at, entry.amount, why=entry.cause if by_staff else "")


def _own_steps(generation: Generation) -> list[Step]:
    steps = _attempts(generation)
    if not steps and generation.submitted_at:  # before there were attempts
        steps.append(Step("Sent to be drawn", generation.submitted_at))
    if generation.finished_at and generation.status == Generation.Status.COMPLETED:
        steps.append(Step("Image completed", generation.finished_at))
    elif generation.finished_at:
        words = "Cancelled" if generation.is_cancelled else "Failed"
        steps.append(Step(words, generation.finished_at, why=generation.error_message))
    return steps


def _attempts(generation: Generation) -> list[Step]:
    """Return each time that it was sent and taken, or may have been, and how often it was not, in a line of its own."""
    steps: list[Step] = []
    not_taken: list[Attempt] = []
    attempts = list(generation.attempts.order_by("number"))
    for attempt in attempts:
        if attempt.state == Attempt.State.NOT_TAKEN:
            not_taken.append(attempt)
            continue
        steps.append(Step("Sent again, elsewhere" if steps else "Sent to be drawn", attempt.started_at))
        if attempt is not attempts[-1] and attempt.ended_at and attempt.state in _ENDS:  # the last one's is the image's
            steps.append(Step(_ENDS[attempt.state], attempt.ended_at))
    if not_taken and (at := not_taken[-1].ended_at):
        times = "once" if len(not_taken) == 1 else f"{len(not_taken)} times"
        steps.append(Step(f"Not taken, {times}", at))
    return steps
