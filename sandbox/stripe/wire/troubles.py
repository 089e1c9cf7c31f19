"""Answers that go wrong on request of the operator, to see what a caller's retries do."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sandbox.stripe.state.store import Store
from sandbox.stripe.wire.errors import StripeError

_NOTE = "troubles"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An HTTP status to answer with; `performed` when the call does its work and only its answer is lost."""

    status: int
    performed: bool


class Broken(StripeError):
    """Stripe's side failed (500, 503) or is busy (429)."""

    kind = "api_error"

    def __init__(self, status: int) -> None:
        code = "rate_limit" if status == 429 else ""
        super().__init__("The operator of the sandbox wanted this call to fail.", code=code, status=status)


def plan(store: Store, trouble: Trouble, *, times: int) -> None:
    """Let the next `times` API calls fail; 0 ends what was planned."""
    store.set_note(_NOTE, json.dumps([trouble.status, trouble.performed, times]))


def next_one(store: Store) -> Trouble | None:
    """Return what is planned for the call at hand, and count it."""
    text = store.note(_NOTE)
    if not text:
        return None
    status, performed, times = json.loads(text)
    if times < 1:
        return None
    store.set_note(_NOTE, json.dumps([status, performed, times - 1]))
    return Trouble(status, performed)
