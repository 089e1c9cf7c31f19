"""A restore that was begun and did not end: while its mark is there nothing of the site starts.

The mark is a file in VAR_DIR and, on PostgreSQL, which other machines use too, a table beside the site's. Between the
first file that is put in place and the last row that is mended an installation is neither the old one nor the new:
what started on it would send mails a second time.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

TABLE = "reveweb_restoring"
CURE = "Run the same manage.py restore once more; it begins from the start."
_CONNECT_SECONDS = 2


def mark(of: str) -> None:
    """Note that `of` is being restored."""
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"of": of, "since": timezone.now().isoformat(timespec="seconds")}) + "\n")
    if connection.vendor == "postgresql":
        with connected() as database:
            database.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (since timestamptz DEFAULT now())".encode())


def unmark() -> None:
    """Note that it ended well."""
    if connection.vendor == "postgresql":
        with connected() as database:
            database.execute(f"DROP TABLE IF EXISTS {TABLE}".encode())
    _path().unlink(missing_ok=True)


def trouble() -> str | None:
    """Say that a restore did not end, and what to do; None when none is unfinished, or the database is away."""
    if (path := _path()).is_file():
        said: dict[str, Any] = {}
        with suppress(ValueError, OSError):
            said = json.loads(path.read_text())
        return f"The restore of {said.get('of', 'a backup')}, begun {said.get('since', '')}, did not end. {CURE}"
    if connection.vendor == "postgresql":
        with suppress(psycopg.Error), connected() as database:
            if database.execute("SELECT to_regclass(%s)", [TABLE]).fetchone() != (None,):
                return f"A restore into this database, from another machine, did not end. {CURE}"
    return None


def refuse_to_start() -> None:
    """Raise CommandError while a restore is unfinished."""
    if words := trouble():
        raise CommandError(words)


@contextmanager
def connected() -> Iterator[psycopg.Connection[Any]]:
    """Give a connection of its own, outside any pool, that commits at the end. Raises psycopg.Error."""
    known = {"connect_timeout": _CONNECT_SECONDS, **connection.get_connection_params()}
    with psycopg.connect(**known) as database:
        yield database


def _path() -> Path:
    return Path(settings.VAR_DIR) / "restoring.json"
