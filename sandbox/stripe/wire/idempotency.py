"""`Idempotency-Key`: the same request again gets the same answer, a different one is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Store
from sandbox.stripe.wire.errors import KeyReused

REMEMBERED = DAY
"""Stripe forgets a key after 24 hours at the earliest; the stand-in after exactly that, by the simulated clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call was answered with."""

    status: int
    body: str


def digest(path: str, raw: dict[str, Any]) -> str:
    """Return what makes two requests the same: path and parameters."""
    return hashlib.sha256(json.dumps([path, raw], sort_keys=True).encode()).hexdigest()


def recall(store: Store, key: str, fingerprint: str, *, now: int) -> Answer | None:
    """Return the first answer to this key. Raises KeyReused when that was another request."""
    row = store.db.execute(
        "SELECT digest, status, body FROM answer WHERE key = ? AND at > ?", (key, now - REMEMBERED)
    ).fetchone()
    if row is None:
        return None
    if row[0] != fingerprint:
        raise KeyReused(key)
    return Answer(int(row[1]), str(row[2]))


def remember(store: Store, key: str, fingerprint: str, answer: Answer, *, now: int) -> None:
    """Keep the answer for a request that comes again."""
    store.db.execute(
        "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)", (key, fingerprint, answer.status, answer.body, now)
    )
    store.db.execute("DELETE FROM answer WHERE at <= ?", (now - REMEMBERED,))
