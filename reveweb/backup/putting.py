"""A copy of the database put where the site's own is to be, all at once or not at all."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import User
from billing.models import CreditEntry, Payment
from generator.models import Generation
from reveweb.backup import database, programs, replaying, unfinished
from reveweb.backup.errors import RestoreFailed, Unable

# What nobody would have made for a trial, by what it is called.
_TELLING: dict[str, Any] = {
    "people": User,
    "images": Generation,
    "entries of credits": CreditEntry,
    "payments": Payment,
}
_MIGRATIONS = MigrationRecorder.Migration._meta.db_table


def leave() -> None:
    """Close this process's connections, a pool's too: the database is about to be another."""
    connections.close_all()
    if close_pool := getattr(connection, "close_pool", None):
        close_pool()


def found() -> str:
    """Say what the database has of anybody's; "" where it is empty, or only migrated."""
    if connection.vendor == "sqlite" and not _sqlite_path().is_file():
        return ""
    there = set(connection.introspection.table_names())
    counts = {what: model._base_manager.count() for what, model in _TELLING.items() if model._meta.db_table in there}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def others() -> int:
    """Return how many other connections the database has, as far as it knows."""
    if connection.vendor != "postgresql":
        return 0
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )
    with unfinished.connected() as postgres:
        [count] = postgres.execute(query).fetchone() or [0]
    return int(count)


def check(copy: Path, kind: str, made_by: str) -> None:
    """Raise RestoreFailed unless this version of the site, this machine and the server can put the copy in place.

    Raises psycopg.Error where the server is away.
    """
    try:
        if kind == "postgresql":
            _check_postgresql(copy, made_by)
        else:
            _check_sqlite(copy)
        unknown = _unknown(_applied(copy, kind))
    except Unable as error:
        raise RestoreFailed(str(error)) from None
    if unknown:
        app, name = unknown[-1]
        raise RestoreFailed(
            f"A newer version of reveweb made it: this one has no migration {app}.{name}. Install that version, or a "
            "newer one, and restore again."
        )


def put(copy: Path) -> None:
    """Put the copy in the place of a database that is empty, or only migrated. Raises RestoreFailed, OSError."""
    leave()
    if connection.vendor == "postgresql":
        _put_postgresql(copy)
    else:
        _put_sqlite(copy)
    leave()


def _put_sqlite(copy: Path) -> None:
    path = _sqlite_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.restored")
    shutil.move(copy, beside)  # onto the same disk, where that is another
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    for log in ("-wal", "-shm"):
        path.with_name(path.name + log).unlink(missing_ok=True)
    beside.replace(path)


def _put_postgresql(copy: Path) -> None:
    ours = ", ".join(f'"{table}"' for table in (*database.tables(), _MIGRATIONS))
    try:
        replaying.replay(copy, first=f"DROP TABLE IF EXISTS {ours} CASCADE;")
    except Unable as error:
        raise RestoreFailed(f"pg_restore could not put the database back: {error}. {unfinished.CURE}") from None


def _check_postgresql(copy: Path, made_by: str) -> None:
    least = programs.major_of(made_by) or 1
    for name in ("pg_restore", "psql"):
        programs.found(name, least=least, why="the copy")
    try:
        replaying.rehearse(copy)
    except Unable as error:
        raise Unable(
            f"pg_restore and the server do not go together ({error}): install the client programs of PostgreSQL {least}"
        ) from None


def _check_sqlite(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as there:
        try:
            [said] = there.execute("PRAGMA quick_check").fetchone()
        except sqlite3.DatabaseError as error:
            said = str(error)
    if said != "ok":
        raise RestoreFailed(f"The copy of the database is damaged: {said.splitlines()[0]}")


def _applied(copy: Path, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the migrations that the copy went through."""
    if kind == "sqlite":
        with closing(sqlite3.connect(copy)) as there:
            yield from there.execute(f"SELECT app, name FROM {_MIGRATIONS}")  # noqa: S608 (Django's)
        return
    script = programs.printed(["pg_restore", "--data-only", f"--table={_MIGRATIONS}", "--file=-", str(copy)])
    for match in re.finditer(r"^\d+\t(\w+)\t(\w+)\t", script, re.M):
        yield match[1], match[2]


def _unknown(applied: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the migrations of our own apps, or of apps of later versions, that this version does not have."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = {*loader.disk_migrations, *loader.replacements}
    theirs = {app.label for app in apps.get_app_configs() if Path(app.path).parent != settings.BASE_DIR}
    return sorted(one for one in applied if one not in known and one[0] not in theirs)


def _sqlite_path() -> Path:
    return Path(str(connection.settings_dict["NAME"]))
