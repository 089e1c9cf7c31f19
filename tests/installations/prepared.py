"""Puts a prepared installation where the tests' database is, and says what its rows are."""

import contextlib
import json
import lzma
import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
from django.apps import apps
from django.apps.registry import Apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations import RenameField, RenameModel, SeparateDatabaseAndState
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.models import Model

from kit.threads import Pool
from tests.environment import WORKER

FOLDER = Path(__file__).parent
BEFORE_RELATIONS = ("first", "payments")  # the folders of those that said in strings what rows say since
ALL = (*BEFORE_RELATIONS, "one-upstream")
EXTENSIONS = {"pg_trgm", "btree_gin"}  # search works without them, so a server need not have them

Row = dict[str, Any]
Table = dict[Any, Row]  # by primary key


@dataclass
class Names:
    """What migrations call models and fields that had other names before. All in lower case, models as `app.model`."""

    models: dict[str, str] = field(default_factory=dict)
    fields: dict[tuple[str, str], str] = field(default_factory=dict)  # by the model's last name

    def follow(self, app: str, operation: Operation) -> None:
        """Take note of a rename."""
        if isinstance(operation, SeparateDatabaseAndState):
            for one in operation.state_operations:
                self.follow(app, one)
        elif isinstance(operation, RenameModel):
            self._rename(f"{app}.{operation.old_name.lower()}", f"{app}.{operation.new_name.lower()}")
        elif isinstance(operation, RenameField):
            model = f"{app}.{operation.model_name.lower()}"
            first = next(
                (old for (of, old), now in self.fields.items() if (of, now) == (model, operation.old_name)), None
            )
            self.fields[model, first or operation.old_name] = operation.new_name

    def _rename(self, old: str, new: str) -> None:
        first = next((first for first, now in self.models.items() if now == old), old)
        self.models[first] = new
        self.fields = {(new if of == old else of, name): now for (of, name), now in self.fields.items()}

    def model_of(self, old: str) -> type[Model]:
        """Return today's model of what was called `old` when the installation was made."""
        return apps.get_model(self.models.get(old, old))

    def field_of(self, old: str, name: str) -> str:
        """Return today's name of a field of what was the model `old`."""
        return self.fields.get((self.models.get(old, old), name), name)

    def permission_of(self, old: str) -> str:
        """Return today's name of a permission, as in `billing.view_order`."""
        app, codename = old.split(".")
        act, _, model = codename.partition("_")
        new = self.models.get(f"{app}.{model}")
        return f"{app}.{act}_{new.split('.')[1]}" if new else old


@dataclass
class Installation:
    """A prepared installation: what was known of it, its rows before they were migrated, and what became of names."""

    name: str
    facts: dict[str, Any]
    before: dict[str, Table]
    names: Names

    def rows_of(self, model: type[Model]) -> Table:
        """Return the rows that a table of today had, whatever it was called."""
        label = model._meta.label_lower
        return self.before[next((old for old, new in self.names.models.items() if new == label), label)]


@contextlib.contextmanager
def migrated(which: str, folder: Path) -> Iterator[Installation]:
    """Let the default connection lead to a prepared installation, migrated."""
    with unpacked(which, folder):
        before, names = state()
        old = rows(before)
        call_command("migrate", verbosity=0)
        yield Installation(which, facts(which), old, names)


@contextlib.contextmanager
def unpacked(which: str, folder: Path) -> Iterator[None]:
    """Let the default connection lead to a database of its own that holds a prepared installation, not migrated.

    On SQLite it lies in `folder`.
    """
    name = connection.settings_dict["NAME"]
    own = str(folder / "installation.sqlite3") if connection.vendor == "sqlite" else f"{name}_installation{WORKER}"
    lead_to(own)
    try:
        _fill(which, own)
        yield
    finally:
        lead_to(name)
        _drop(own)


def remember(which: str, store: Path) -> None:
    """Let a running stand-in for Stripe know what it knew of an installation, at the moment that its facts name.

    `store` is its file. Its clock ran ahead of that moment by what it had been turned forward, and does so again.
    """
    known = store.with_suffix(".prepared")
    known.write_bytes(_unpack(which, "stripe.sqlite3.xz"))
    since = time.time() - datetime.fromisoformat(facts(which)["at"]).timestamp()
    with contextlib.closing(sqlite3.connect(store, isolation_level=None, timeout=30)) as live:
        live.execute("ATTACH ? AS prepared", [str(known)])
        tables = live.execute(
            "SELECT name FROM prepared.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        names = [name for (name,) in tables]
        live.execute("BEGIN IMMEDIATE")
        for name in names:
            live.execute(f'DELETE FROM main."{name}"')
            live.execute(f'INSERT INTO main."{name}" SELECT * FROM prepared."{name}"')
        live.execute("UPDATE note SET value = CAST(value AS INTEGER) - ? WHERE name = 'clock_offset'", [int(since)])
        live.execute("COMMIT")


def facts(which: str) -> dict[str, Any]:
    """Return what the code that made an installation knew of it."""
    known: dict[str, Any] = json.loads((FOLDER / which / "installation.json").read_text())
    return known


def state() -> tuple[Apps, Names]:
    """Return the models as they are in the database now, and the names they are going to have."""
    executor = MigrationExecutor(connection)
    applied = [node for node in executor.loader.applied_migrations if node in executor.loader.graph.nodes]
    names = Names()
    for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes()):
        for operation in migration.operations:
            names.follow(migration.app_label, operation)
    return executor.loader.project_state(applied).apps, names


def rows(registry: Apps) -> dict[str, Table]:
    """Return every row of every model, values by the names of fields."""
    return {
        model._meta.label_lower: {
            row.pk: {one.name: getattr(row, one.attname) for one in model._meta.concrete_fields}
            for row in model._base_manager.all()
        }
        for model in registry.get_models(include_auto_created=True)
    }


def lead_to(name: str) -> None:
    """Have whoever asks for this test's database from now on be led to another one."""
    connection.close()
    if connection.vendor == "sqlite":
        _close_in_threads()
    if close_pool := getattr(connection, "close_pool", None):
        close_pool()
    connection.settings_dict["NAME"] = name


def _close_in_threads() -> None:
    """Have the threads beside event loops open anew what they keep open: it would lead to where it led before."""
    for pool in (Pool.DATABASE, Pool.WATCH):
        count = pool.executor._max_workers
        all_here = Barrier(count)  # so that each thread does it, none of them twice

        def close(all_here: Barrier = all_here) -> None:
            all_here.wait(30)
            connection.close()

        for closing in [pool.executor.submit(close) for _ in range(count)]:
            closing.result()


def _fill(which: str, name: str) -> None:
    if connection.vendor == "sqlite":
        Path(name).write_bytes(_unpack(which, "installation.sqlite3.xz"))
        return
    _drop(name)
    with _server("postgres") as server:
        server.execute(f'CREATE DATABASE "{name}"'.encode())
    with _server(name) as server:
        available = {name for (name,) in server.execute("SELECT name FROM pg_available_extensions")}
        script = _unpack(which, "installation.sql.xz").decode()
        if not available >= EXTENSIONS:
            script = re.sub(r"^CREATE (EXTENSION|INDEX generation_words) .*\n", "", script, flags=re.MULTILINE)
        server.execute(script.encode())


def _drop(name: str) -> None:
    if connection.vendor == "sqlite":
        return  # pytest clears the folder
    with _server("postgres") as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def _server(database: str) -> "psycopg.Connection[tuple[Any, ...]]":
    where = connection.settings_dict
    return psycopg.connect(
        dbname=database,
        host=where["HOST"] or None,
        port=where["PORT"] or None,
        user=where["USER"] or None,
        password=where["PASSWORD"] or None,
        autocommit=True,
    )


def _unpack(which: str, name: str) -> bytes:
    return lzma.decompress((FOLDER / which / name).read_bytes())
