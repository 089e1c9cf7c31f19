"""One SQLite file: objects as JSON, timers, idempotent answers, deliveries, and a few notes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Obj = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_customer ON object (kind, json_extract(body, '$.customer'));
CREATE TABLE IF NOT EXISTS timer (
    kind TEXT NOT NULL, object TEXT NOT NULL, at INTEGER NOT NULL, rank INTEGER NOT NULL, PRIMARY KEY (kind, object)
);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, type TEXT NOT NULL, endpoint TEXT NOT NULL,
    position INTEGER NOT NULL, body TEXT NOT NULL, forgery TEXT NOT NULL DEFAULT '', state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL DEFAULT 0, created_at REAL NOT NULL,
    unreachable INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS delivery_state ON delivery (state, endpoint, position);
CREATE INDEX IF NOT EXISTS delivery_event ON delivery (event);
"""
_TABLES = ("object", "timer", "note", "answer", "delivery")
_BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that happens to `object` when the simulated clock reaches `at` (Unix seconds)."""

    kind: str
    object: str
    at: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which objects of a kind: JSON paths with their values, bounds of `created`, and a place in the list."""

    kind: str
    where: dict[str, Any] = field(default_factory=dict)
    created: dict[str, int] = field(default_factory=dict)
    any_of: dict[str, list[str]] = field(default_factory=dict)
    before: int | None = None
    after: int | None = None

    def sql(self) -> tuple[str, list[Any]]:
        """Return the WHERE clause and its values. Paths and bounds come from the code, values are bound."""
        terms, values = ["kind = ?"], [self.kind]
        for path, value in self.where.items():
            terms.append(f"json_extract(body, '$.{path}') = ?")
            values.append(value)
        for path, wanted in self.any_of.items():
            terms.append(f"json_extract(body, '$.{path}') IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
        for bound, moment in self.created.items():
            terms.append(f"json_extract(body, '$.created') {_BOUNDS[bound]} {int(moment)}")
        if self.before is not None:
            terms.append(f"seq < {self.before}")
        if self.after is not None:
            terms.append(f"seq > {self.after}")
        return " AND ".join(terms), values


class Store:
    """Calls take well under a millisecond and run on the event loop's thread, the only one to use them."""

    def __init__(self, directory: Path | None) -> None:
        """Keep everything in a file of `directory`, or, for as long as the store is open, in memory."""
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        file = directory / "stripe.sqlite3" if directory is not None else ":memory:"
        self.db = sqlite3.connect(file, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written inside, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def erase(self) -> None:
        """Forget everything."""
        for table in _TABLES:
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608 (a constant)

    # Objects

    def insert(self, obj: Obj) -> None:
        """Keep a new object under its `id` and kind (`object`). Raises sqlite3.IntegrityError for a known id."""
        self.db.execute(
            "INSERT INTO object (id, kind, body) VALUES (?, ?, ?)", (obj["id"], obj["object"], json.dumps(obj))
        )

    def update(self, obj: Obj) -> None:
        """Keep the object's present state."""
        self.db.execute("UPDATE object SET body = ? WHERE id = ?", (json.dumps(obj), obj["id"]))

    def delete(self, identity: str) -> None:
        """Forget one object."""
        self.db.execute("DELETE FROM object WHERE id = ?", (identity,))

    def find(self, identity: str, kind: str = "") -> Obj | None:
        """Return the object with this id, if it is of this kind."""
        row = self.db.execute("SELECT kind, body FROM object WHERE id = ?", (identity,)).fetchone()
        return _loaded(row[1]) if row and kind in ("", row[0]) else None

    def place(self, identity: str) -> int | None:
        """Return where the object stands in the order of creation."""
        row = self.db.execute("SELECT seq FROM object WHERE id = ?", (identity,)).fetchone()
        return int(row[0]) if row else None

    def select(self, query: Query, *, limit: int = -1, newest_first: bool = True) -> list[Obj]:
        """Return matching objects by order of creation."""
        where, values = query.sql()
        order = "DESC" if newest_first else "ASC"
        statement = f"SELECT body FROM object WHERE {where} ORDER BY seq {order} LIMIT {limit}"  # noqa: S608 (see sql)
        rows = self.db.execute(statement, values)
        return [_loaded(row[0]) for row in rows]

    # Timers

    def set_timer(self, kind: str, identity: str, at: int, *, rank: int = 5) -> None:
        """Set or move the timer; of two due at the same second the lower rank goes first."""
        self.db.execute("INSERT OR REPLACE INTO timer VALUES (?, ?, ?, ?)", (kind, identity, at, rank))

    def clear_timer(self, kind: str, identity: str) -> None:
        """Forget the timer, if it is set."""
        self.db.execute("DELETE FROM timer WHERE kind = ? AND object = ?", (kind, identity))

    def next_timer(self, until: int) -> Timer | None:
        """Return the earliest timer that is due at `until`."""
        row = self.db.execute(
            "SELECT kind, object, at FROM timer WHERE at <= ? ORDER BY at, rank, rowid LIMIT 1", (until,)
        ).fetchone()
        return Timer(*row) if row else None

    # Notes

    def note(self, name: str) -> str:
        """Return a small value kept by name, or the empty string."""
        row = self.db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def set_note(self, name: str, value: str) -> None:
        """Keep a small value by name."""
        self.db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))


def _loaded(body: str) -> Obj:
    obj: Obj = json.loads(body)
    return obj
