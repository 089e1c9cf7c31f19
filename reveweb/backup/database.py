"""A copy of the database as it is at one moment, while others read and write it."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.apps import apps
from django.db import connection

from generator.models import Generation
from reveweb.backup import programs
from reveweb.backup.errors import BackupFailed, Unable

PATIENCE_SECONDS = 60  # for whoever holds a table, as a migration does
_ROWS_AT_ONCE = 10_000
# The images that the copy's rows name and that were not deleted for good.
_IMAGES = f"FROM {Generation._meta.db_table} WHERE status = '{Generation.Status.COMPLETED}' AND purged_at IS NULL"
_FILES = f"SELECT file_token, file_extension {_IMAGES}"
_HOW_MANY = f"SELECT count(*) {_IMAGES}"
# Not all of `tables()` are there while an upgrade has brought the code and not yet migrated, when a backup counts most.
_THERE = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = ANY(current_schemas(false))",
}


@dataclass
class Copy:
    """A copy in a file, and what is in it."""

    path: Path
    kind: str
    made_by: str
    images: int = 0
    rows: dict[str, int] = field(default_factory=dict)  # by table, of those that are there


@contextmanager
def copied(folder: Path) -> Iterator[tuple[Copy, Iterator[tuple[str, str]]]]:
    """Copy the database into `folder`; give the copy, and the token and extension of each image that it names.

    Raises BackupFailed.
    """
    with (_postgresql if connection.vendor == "postgresql" else _sqlite)(folder) as made:
        yield made


@contextmanager
def _sqlite(folder: Path) -> Iterator[tuple[Copy, Iterator[tuple[str, str]]]]:
    """Copy by SQLite's own means, which takes along what still lies in the log beside the file.

    All in one step, as one that pauses begins anew with each write. Who writes does not wait for it.
    """
    copy = Copy(folder / "database.sqlite3", "sqlite", f"SQLite {sqlite3.sqlite_version}")
    source_path = Path(str(connection.settings_dict["NAME"]))
    if not source_path.is_file():
        raise BackupFailed(f"There is no database at {source_path}: is VAR_DIR, or DATABASE_URL, the site's own?")
    with (
        closing(sqlite3.connect(source_path, timeout=PATIENCE_SECONDS)) as source,
        closing(sqlite3.connect(copy.path)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, with none beside it
    with closing(sqlite3.connect(copy.path)) as database:
        if (said := database.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise BackupFailed(f"The database is damaged, and so is a copy of it: {said.splitlines()[0]}")
        there = _ours(database.execute(_THERE[copy.kind]))
        copy.rows = {table: database.execute(_counted(table)).fetchone()[0] for table in there}
        [copy.images] = database.execute(_HOW_MANY).fetchone()
        yield copy, iter(database.execute(_FILES))


@contextmanager
def _postgresql(folder: Path) -> Iterator[tuple[Copy, Iterator[tuple[str, str]]]]:
    """Have `pg_dump` copy what one transaction of ours sees, and read the same rows by that transaction."""
    copy = Copy(folder / "database.dump", "postgresql", "")
    with psycopg.connect(**connection.get_connection_params()) as database:
        database.set_read_only(True)
        database.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        major = database.info.server_version // 10_000
        program, copy.made_by = programs.found("pg_dump", least=major, why="the server")
        [snapshot] = database.execute("SELECT pg_export_snapshot()").fetchone() or [""]
        # The very server that has the snapshot, where DATABASE_URL names several.
        server = {"PGHOST": database.info.host, "PGPORT": str(database.info.port), "PGHOSTADDR": ""}
        _dump(program, str(snapshot), copy.path, server)
        for table in _ours(database.execute(_THERE[copy.kind].encode())):
            [copy.rows[table]] = database.execute(_counted(table).encode()).fetchone() or [0]
        [copy.images] = database.execute(_HOW_MANY.encode()).fetchone() or [0]
        names = folder / "names"
        with names.open("w+") as kept:  # not to keep the transaction open while files are read
            with database.cursor(name="files") as cursor:
                cursor.itersize = _ROWS_AT_ONCE
                kept.writelines(f"{token} {extension}\n" for token, extension in cursor.execute(_FILES.encode()))
            database.rollback()
            kept.seek(0)
            database.close()
            yield copy, ((token, extension) for token, extension in map(str.split, kept))


def _dump(program: str, snapshot: str, target: Path, server: dict[str, str]) -> None:
    wait = f"--lock-wait-timeout={PATIENCE_SECONDS}s"
    try:
        programs.run([program, "--format=custom", f"--snapshot={snapshot}", f"--file={target}", wait], server=server)
    except Unable as error:
        raise BackupFailed(f"pg_dump could not copy the database: {error}") from None


def tables() -> list[str]:
    """Return the tables of this version of the site."""
    found: list[Any] = [model._meta for model in apps.get_models(include_auto_created=True)]
    return sorted({options.db_table for options in found if options.managed and not options.proxy})


def _ours(there: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the tables of this version that are there, by the names of all that are."""
    return sorted(set(tables()) & {name for (name,) in there})


def _counted(table: str) -> str:
    return f'SELECT count(*) FROM "{table}"'  # noqa: S608 (a table of ours)
