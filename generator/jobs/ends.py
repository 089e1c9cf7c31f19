"""Every end that asking for an image can have, and whether it is billed: what the documentation's table is made of.

What is billed is an image that was drawn and kept, once, at the price that it was asked for at. A test brings about
each of these ends (`tests/api/test_billed.py`) and compares what is said here with the ledger.
"""

from dataclasses import dataclass

from generator.models import CANCELLED, PROMPT_REFUSED

UPSTREAM_FAILED, TIMED_OUT = "upstream_failed", "timed_out"
FAILURES = (PROMPT_REFUSED, UPSTREAM_FAILED, TIMED_OUT, CANCELLED)  # all codes that an image can end with


@dataclass(frozen=True)
class End:
    """What became of a request. `when` and `answer` are Markdown, for people.

    `billed` tells whether each image that was drawn is paid for; `code` is what it failed with, where it did.
    """

    name: str
    when: str
    answer: str
    billed: bool = False
    code: str = ""

    @property
    def words(self) -> str:
        """Whether it is billed, and how much."""
        if not self.billed:
            return "No" if not self.code else "No, the credits are back"
        return "Yes, the price of each image that was drawn" if self.name == "some_drawn" else "Yes, its price"

    def credits(self, *, price: int, drawn: int) -> int:
        """What it costs in credits, where an image costs `price` and so many were drawn."""
        return price * drawn if self.billed else 0


ENDS = (
    End("drawn", "The image is drawn", "`200`, `completed`", billed=True),
    End("wait_ended", "Your wait ends first, and the image is drawn later", "`202`, then `completed`", billed=True),
    End("hung_up", "You hang up, or your program dies, and the image is drawn", "None, then `completed`", billed=True),
    End("deleted", "You delete an image that was drawn", "`200`, `deleted`", billed=True),
    End("some_drawn", "`n` images, of which some fail", "`200`, `completed`, each with its own status", billed=True),
    End("none_drawn", "`n` images, of which all fail", "`502` or `422`, `failed`", code=UPSTREAM_FAILED),
    End("failed", "The image cannot be made", f"`502`, `{UPSTREAM_FAILED}`", code=UPSTREAM_FAILED),
    End("prompt_refused", "The model refuses the prompt", f"`422`, `{PROMPT_REFUSED}`", code=PROMPT_REFUSED),
    End("deadline", "It is not finished by its deadline", f"`502`, then `{TIMED_OUT}`", code=TIMED_OUT),
    End("unstored", "It is drawn, and cannot be stored in time", f"`{TIMED_OUT}`", code=TIMED_OUT),
    End("lost", "It is not known whether a model took it", f"`502`, `{UPSTREAM_FAILED}`", code=UPSTREAM_FAILED),
    End("cancelled", "You cancel it while it is queued", "`200`, `cancelled: true`", code=CANCELLED),
    End(
        "dropped",
        "You cancel it while it is made, and its model certainly drops it",
        "`200`, `cancelled: true`",
        code=CANCELLED,
    ),
    End(
        "went_on",
        "You cancel it while it is made, and it is drawn all the same",
        "`200`, `cancelled: false`, then `completed`",
        billed=True,
    ),
    End(
        "came_to_nothing",
        "You cancel it while it is made, it goes on, and comes to nothing",
        "`200`, `cancelled: false`, then `cancelled`",
        code=CANCELLED,
    ),
    End("too_late", "You cancel what is finished already", "`200`, `cancelled: false`, `completed`", billed=True),
    End("replayed", "You send the same `Idempotency-Key` and body again", "The first answer, `Idempotent-Replayed`"),
    End("conflict", "You send the same `Idempotency-Key` with another body", "`409`, `idempotency_conflict`"),
    End("dry_run", "You send `dry_run`", "`200`, the price"),
    End("not_covered", "Your credits do not cover all `n` images", "`402`, and none is made"),
    End("refused", "The request is refused, whatever for", "Any `4xx` or `503` without an `id`"),
    End("looked_up", "You look up, list, watch or upload", "`200`"),
    End("sample", "A test key asks", "As for a real image, with `test: true`"),
)


def named(name: str) -> End:
    """Return the end of this name."""
    return next(end for end in ENDS if end.name == name)
