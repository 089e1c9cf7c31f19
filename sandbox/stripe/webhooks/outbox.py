"""Deliveries that wait, are held, went out, or were given up. Written in the transaction of what they report."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sandbox.stripe.state.store import Obj, Query, Store

FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
MOST_REFUSALS = 12
"""After this many answers other than 2xx a delivery is given up (some six minutes)."""
PATIENCE = 3 * 86_400
"""Seconds for which an unreachable endpoint is tried, as Stripe's three days."""

_HOLDING = "holding"


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    HELD = "held"
    DELIVERED = "delivered"
    FAILED = "failed"


Delivery = dict[str, Any]
"""One event's way to one endpoint: a row of the table. Times are real Unix seconds; `status` is the last HTTP status, 0
for none."""


def shown(delivery: Delivery) -> Delivery:
    """Return what the operator panel tells about it."""
    return {name: value for name, value in delivery.items() if name not in {"body", "position"}}


class Outbox:
    """The deliveries in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db = store.db

    @property
    def holding(self) -> bool:
        """Whether new deliveries wait for the operator."""
        return self._store.note(_HOLDING) == "1"

    def hold(self) -> None:
        """Keep everything that hasn't gone out, and what comes, until it is released."""
        self._store.set_note(_HOLDING, "1")
        self._db.execute("UPDATE delivery SET state = 'held' WHERE state = 'pending'")

    def release(self, order: Sequence[str] | str) -> int:
        """Let what is held go, in `created`, `reversed` or `shuffled` order or by a list of event ids; return how many.

        Events missing from a list follow in the order they were created.
        """
        self._store.set_note(_HOLDING, "")
        held = self._select("state = 'held' ORDER BY position")
        for position, delivery in enumerate(_arranged(held, order), start=self._last_position() + 1):
            row = (position, delivery["id"])
            self._db.execute("UPDATE delivery SET state = 'pending', position = ?, next_at = 0 WHERE id = ?", row)
        return len(held)

    def add(self, event: Obj, *, forgery: str = "", body: str | None = None) -> int:
        """Queue the event for every endpoint that wants its type, say so in it, and return for how many."""
        wanted = [endpoint for endpoint in self.endpoints() if wants(endpoint, event["type"])]
        event["pending_webhooks"] = len(wanted)
        if not wanted:
            return 0
        text = json.dumps(event, indent=2, ensure_ascii=False) if body is None else body
        state = State.HELD if self.holding else State.PENDING
        for endpoint in wanted:
            row = (
                event["id"],
                event["type"],
                endpoint["id"],
                self._last_position() + 1,
                text,
                forgery,
                state,
                time.time(),
            )
            self._db.execute(
                "INSERT INTO delivery (event, type, endpoint, position, body, forgery, state, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return len(wanted)

    def endpoints(self) -> list[Obj]:
        """Return the endpoints that are enabled."""
        return self._store.select(Query("webhook_endpoint", {"status": "enabled"}), newest_first=False)

    def next_due(self, endpoint: str, now: float) -> Delivery | None:
        """Return what to send now: the first in order, unless the endpoint is away and not to be tried yet."""
        pending = "state = 'pending' AND endpoint = ? AND"
        if self._select(f"{pending} unreachable = 1 AND next_at > ? LIMIT 1", endpoint, now):
            return None
        due = self._select(f"{pending} next_at <= ? ORDER BY position, id LIMIT 1", endpoint, now)
        return due[0] if due else None

    def sent(self, delivery: Delivery, *, status: int) -> None:
        """Note the endpoint's answer: delivered by any 2xx, else to be retried or given up."""
        given_up = delivery["forgery"] or delivery["attempts"] + 1 >= MOST_REFUSALS
        state = State.FAILED if given_up else State.PENDING
        self._note(delivery, State.DELIVERED if 200 <= status < 300 else state, status=status)

    def unsent(self, delivery: Delivery, *, error: str) -> None:
        """Note that the endpoint couldn't be reached; those behind it wait, so that the order is kept."""
        given_up = delivery["forgery"] or time.time() - delivery["created_at"] > PATIENCE
        self._note(delivery, State.FAILED if given_up else State.PENDING, unreachable=1, error=error)

    def give_up(self, endpoint: str) -> None:
        """Drop what waits for an endpoint that is disabled or gone."""
        self._db.execute(
            "UPDATE delivery SET state = 'failed', error = 'the endpoint is disabled'"
            " WHERE endpoint = ? AND state IN ('pending', 'held')",
            (endpoint,),
        )

    def of_event(self, event: str) -> list[Delivery]:
        """Return the event's deliveries, the oldest first."""
        return self._select("event = ? ORDER BY id", event)

    def count(self, state: State) -> int:
        """Return how many deliveries are in this state."""
        return int(self._db.execute("SELECT count(*) FROM delivery WHERE state = ?", (state,)).fetchone()[0])

    def pending_of(self, event: str) -> int:
        """Return how many of the event's deliveries are still to succeed."""
        row = self._db.execute(
            "SELECT count(*) FROM delivery WHERE event = ? AND state IN ('pending', 'held')", (event,)
        ).fetchone()
        return int(row[0])

    def _note(
        self, delivery: Delivery, state: State, *, status: int = 0, unreachable: int = 0, error: str = ""
    ) -> None:
        wait = min(FIRST_RETRY * 2 ** min(delivery["attempts"], 30), LONGEST_RETRY)
        self._db.execute(
            "UPDATE delivery SET state = CASE WHEN state = 'held' AND ? = 'pending' THEN state ELSE ? END,"
            " attempts = attempts + 1, status = ?, unreachable = ?, error = ?, next_at = ? WHERE id = ?",
            (state, state, status, unreachable, error, time.time() + wait, delivery["id"]),
        )

    def _last_position(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(position), 0) FROM delivery").fetchone()[0])

    def _select(self, where: str, *values: Any) -> list[Delivery]:
        rows = self._db.execute(f"SELECT * FROM delivery WHERE {where}", values)  # noqa: S608 (constants of this module)
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows]


def wants(endpoint: Obj, event_type: str) -> bool:
    """Whether the endpoint listens to this type of event."""
    return bool({"*", event_type} & set(endpoint["enabled_events"]))


def _arranged(held: list[Delivery], order: Sequence[str] | str) -> list[Delivery]:
    if order == "reversed":
        return held[::-1]
    if order == "shuffled":
        return random.sample(held, len(held))
    if isinstance(order, str):
        return held
    place = {event: number for number, event in enumerate(order)}
    return sorted(held, key=lambda delivery: place.get(delivery["event"], len(place)))
