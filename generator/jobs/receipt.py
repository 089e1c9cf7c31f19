"""What one image cost, step by step: the ledger's entries beside the generation's own times. All reading."""

from dataclasses import dataclass
from datetime import datetime

from billing.ledger import statement
from billing.models import CreditEntry
from generator.models import Generation

_CREDIT_WORDS: dict[str, str] = {
    CreditEntry.Kind.HOLD: "set aside",
    CreditEntry.Kind.SETTLE: "spent",
    CreditEntry.Kind.RELEASE: "returned",
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
    """Return a final generation's receipt, in one query."""
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
    steps = []
    if generation.submitted_at:
        steps.append(Step("Sent to be drawn", generation.submitted_at))
    if generation.finished_at and generation.status == Generation.Status.COMPLETED:
        steps.append(Step("Image completed", generation.finished_at))
    elif generation.finished_at:
        words = "Cancelled" if generation.is_cancelled else "Failed"
        steps.append(Step(words, generation.finished_at, why=generation.error_message))
    return steps
