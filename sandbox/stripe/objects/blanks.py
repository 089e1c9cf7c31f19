"""Fields that hold nothing yet."""

from __future__ import annotations

from sandbox.stripe.state.store import Obj


def blank(names: str, value: int | None = None) -> Obj:
    """Return the fields named in `names`, separated by spaces, all with the same value."""
    return dict.fromkeys(names.split(), value)
