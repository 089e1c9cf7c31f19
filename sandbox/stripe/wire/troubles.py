"""Answers that go wrong on request of the operator, to see what a caller's retries do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sandbox.stripe.state.store import Store
from sandbox.stripe.wire.errors import StripeError

_NOTE = "troubles"


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a call goes wrong: it is answered with the HTTP `status`, after `seconds`.

    `performed` when it does its work and only its answer is lost; `kept` when the error is kept under the call's
    idempotency key, and the same key gets it again.
    """

    status: int
    performed: bool = False
    kept: bool = False
    seconds: int = 0


class Broken(StripeError):
    """Stripe's side failed (500, 503) or is busy (429)."""

    kind = "api_error"

    def __init__(self, status: int) -> None:
        code = "rate_limit" if status == 429 else ""
        super().__init__("The operator of the sandbox wanted this call to fail.", code=code, status=status)


def plan(store: Store, trouble: Trouble, *, times: int) -> None:
    """Let the next `times` API calls go wrong; 0 ends what was planned."""
    store.set_note(_NOTE, json.dumps([asdict(trouble), times]))


def next_one(store: Store) -> Trouble | None:
    """Return what is planned for the call at hand, and count it."""
    text = store.note(_NOTE)
    if not text:
        return None
    planned, times = json.loads(text)
    if times < 1:
        return None
    store.set_note(_NOTE, json.dumps([planned, times - 1]))
    return Trouble(**planned)
