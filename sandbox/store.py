"""The jobs, in one small SQLite file, so that they survive a restart of the process."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.failures import Mode

KEEP_JOBS = 10_000
"""Older jobs are forgotten at start, so that the file stays small."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY,
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    aspect_ratio TEXT NOT NULL,
    mode TEXT NOT NULL,
    image TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    ready_at REAL NOT NULL,
    size TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL DEFAULT '',
    seed TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS job_created_at ON job (created_at);
"""
VARIATIONS = 4  # few, because each is drawn once and then kept

_LATER = ("size", "source", "seed")  # columns that the files of before are without
_SELECT = (
    "SELECT rowid, id, prompt, negative_prompt, aspect_ratio, mode, image, created_at, ready_at, size, source, seed "
    "FROM job "
)


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted generation. Times are Unix seconds; `image` is the unguessable name under /cdn/.

    `size` is "" for the ratio's usual one, as `1536x1024` otherwise; `source` is what `Sources` keeps for an edit or a
    remix. `variation` counts round from job to job, so that one prompt asked for again gives another picture; with a
    seed it follows from that alone.
    """

    id: str
    prompt: str
    negative_prompt: str
    aspect_ratio: str
    mode: Mode | None
    image: str
    created_at: float
    ready_at: float
    variation: int = 0
    size: str = ""
    source: str = ""


class Store:
    """Calls take well under a millisecond, so they run on the event loop's thread, the only one to use them."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(directory / "reve.sqlite3", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        there = {row[1] for row in self._db.execute("PRAGMA table_info(job)")}
        for column in _LATER:
            if column not in there:
                self._db.execute(f"ALTER TABLE job ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
        self._db.execute(
            "DELETE FROM job WHERE rowid NOT IN (SELECT rowid FROM job ORDER BY created_at DESC LIMIT ?)",
            (KEEP_JOBS,),
        )

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self._db.close()

    def add(
        self,
        *,
        prompt: str,
        negative_prompt: str,
        aspect_ratio: str,
        mode: Mode | None,
        now: float,
        seconds: float,
        size: str = "",
        source: str = "",
        seed: str = "",
    ) -> Job:
        """Accept one generation that takes `seconds` from `now`."""
        job = Job(
            id=f"img_{secrets.token_hex(10)}",
            prompt=prompt,
            negative_prompt=negative_prompt,
            aspect_ratio=aspect_ratio,
            mode=mode,
            image=secrets.token_urlsafe(24),
            created_at=now,
            ready_at=now + seconds,
            size=size,
            source=source,
        )
        row = self._db.execute(
            "INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job.id,
                prompt,
                negative_prompt,
                aspect_ratio,
                mode or "",
                job.image,
                job.created_at,
                job.ready_at,
                size,
                source,
                seed,
            ),
        )
        return replace(job, variation=_variation(row.lastrowid or 1, seed))

    def by_id(self, job_id: str) -> Job | None:
        """Return the job with this id."""
        return self._one(_SELECT + "WHERE id = ?", job_id)

    def by_image(self, image: str) -> Job | None:
        """Return the job whose image has this name."""
        return self._one(_SELECT + "WHERE image = ?", image)

    def newest(self, limit: int) -> list[Job]:
        """Return up to `limit` jobs, the newest first."""
        rows = self._db.execute(_SELECT + "ORDER BY created_at DESC, rowid DESC LIMIT ?", (limit,))
        return [_job(row) for row in rows]

    def count(self) -> int:
        """Return how many jobs are kept."""
        return int(self._db.execute("SELECT count(*) FROM job").fetchone()[0])

    def _one(self, query: str, value: str) -> Job | None:
        row = self._db.execute(query, (value,)).fetchone()
        return _job(row) if row else None


def _variation(rowid: int, seed: str) -> int:
    return VARIATIONS + int(seed) if seed else (rowid - 1) % VARIATIONS


def _job(row: tuple[int, str, str, str, str, str, str, float, float, str, str, str]) -> Job:
    rowid, job_id, prompt, negative_prompt, aspect_ratio, mode, image, created_at, ready_at, size, source, seed = row
    known = Mode(mode) if mode in set(Mode) else None
    return Job(
        job_id,
        prompt,
        negative_prompt,
        aspect_ratio,
        known,
        image,
        created_at,
        ready_at,
        _variation(rowid, seed),
        size,
        source,
    )
