"""A copy of the database as it is at one moment, while others read and write it."""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.apps import apps
from django.db import connection
from psycopg import pq
from psycopg.conninfo import make_conninfo

from generator.models import Generation
from reveweb.backup.errors import BackupFailed

PATIENCE_SECONDS = 60  # for whoever holds a table, as a migration does
_ROWS_AT_ONCE = 10_000
# The images that the copy's rows name and that were not deleted for good.
_IMAGES = f"FROM {Generation._meta.db_table} WHERE status = '{Generation.Status.COMPLETED}' AND purged_at IS NULL"
_FILES = f"SELECT file_token, file_extension {_IMAGES}"
_HOW_MANY = f"SELECT count(*) {_IMAGES}"


@dataclass
class Copy:
    """A copy in a file, and what is in it."""

    path: Path
    kind: str
    made_by: str
    images: int = 0
    rows: dict[str, int] = field(default_factory=dict)  # by table


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
        copy.rows = {table: database.execute(_counted(table)).fetchone()[0] for table in _tables()}
        [copy.images] = database.execute(_HOW_MANY).fetchone()
        yield copy, iter(database.execute(_FILES))


@contextmanager
def _postgresql(folder: Path) -> Iterator[tuple[Copy, Iterator[tuple[str, str]]]]:
    """Have `pg_dump` copy what one transaction of ours sees, and read the same rows by that transaction."""
    copy = Copy(folder / "database.dump", "postgresql", "")
    with psycopg.connect(**connection.get_connection_params()) as database:
        database.set_read_only(True)
        database.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        program, copy.made_by = _pg_dump(database.info.server_version)
        [snapshot] = database.execute("SELECT pg_export_snapshot()").fetchone() or [""]
        # The very server that has the snapshot, where DATABASE_URL names several.
        server = {"PGHOST": database.info.host, "PGPORT": str(database.info.port), "PGHOSTADDR": ""}
        _dump(program, str(snapshot), copy.path, server)
        for table in _tables():
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
    environment, named = _as_libpq()
    if "," in environment.get("PGHOST", "") + environment.get("PGHOSTADDR", ""):
        environment |= server
    command = [program, "--format=custom", "--no-password", f"--snapshot={snapshot}", f"--file={target}"]
    command += [f"--lock-wait-timeout={PATIENCE_SECONDS}s", *([f"--dbname={named}"] if named else [])]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)  # noqa: S603 (ours)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise BackupFailed(f"pg_dump could not copy the database: {said[0].removeprefix('pg_dump: ')}")


def _pg_dump(server: int) -> tuple[str, str]:
    """Return the program and its version. Raises BackupFailed unless it can copy from `server`, such as 150004."""
    major = server // 10_000
    cure = f"Install the client programs of PostgreSQL {major} or newer (on Debian: postgresql-client-{major})"
    program = shutil.which("pg_dump")
    if program is None:
        raise BackupFailed(f"A backup of PostgreSQL is made by pg_dump, which is not on PATH. {cure}.")
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()  # noqa: S603 (ours)
    found = re.search(r"\b(\d+)", said)
    if found is None or int(found[1]) < major:
        raise BackupFailed(f"{said or program} is too old for the server, which is of version {major}. {cure}.")
    return program, said


def _as_libpq() -> tuple[dict[str, str], str]:
    """Return how the site connects, for pg_dump: as its environment, and the few things that has no name for.

    Everybody on a machine can read command lines, so no secret is among the latter. Raises BackupFailed.
    """
    options = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    given = {name: str(value) for name, value in connection.get_connection_params().items() if name in options}
    environment = {option.envvar.decode(): given[name] for name in given if (option := options[name]).envvar}
    others = {name: value for name, value in given.items() if not options[name].envvar}
    if secret := [name for name in others if options[name].dispchar == b"*"]:
        raise BackupFailed(f"DATABASE_URL has {secret[0]}, which pg_dump takes on its command line alone.")
    return environment, make_conninfo(**others) if others else ""


def _tables() -> list[str]:
    found: list[Any] = [model._meta for model in apps.get_models(include_auto_created=True)]
    return sorted({options.db_table for options in found if options.managed and not options.proxy})


def _counted(table: str) -> str:
    return f'SELECT count(*) FROM "{table}"'  # noqa: S608 (a table of ours)
