"""What every test process needs and only one makes: a migrated database and the collected static files.

Both lie below `.pytest_cache/prepared/` under the hash of what they are made from, so that the next run finds them; on
PostgreSQL the database is a template that each process's own is copied from.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections, transaction
from django.db.models import AutoField, BigAutoField

from tests import ROOT
from tests.environment import VAR_DIR, WORKER

FOLDER = ROOT / ".pytest_cache" / "prepared"
KEPT_VERSIONS = 4  # of each thing: one goes to and fro between branches
# Migrations fill these and no test changes them for the next one.
KEPT_TABLES = {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}
# Migrations begin these with a row or so, which every test finds as they left it.
SEEDED_TABLES = ("generator_imagemodel", "generator_upstream", "generator_route", "generator_price")


# --- The database ----------------------------------------------------------------------------------------------


def use_database() -> None:
    """Give this process a database of its own, migrated and empty."""
    copy = _copy_sqlite if connection.vendor == "sqlite" else _copy_postgresql
    name = copy(_database_key())
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    _remember_seeds()


def drop_database() -> None:
    """Remove what `use_database` made."""
    connection.close()
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        for path in VAR_DIR.glob(f"{Path(name).name}*"):
            path.unlink()
        return
    _close_pool()
    with _maintenance() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _close_pool() -> None:
    from django.db.backends.postgresql.base import DatabaseWrapper  # only here: one test on SQLite begins sooner

    wrapper = connections[DEFAULT_DB_ALIAS]
    assert isinstance(wrapper, DatabaseWrapper)
    wrapper.close_pool()


def _database_key() -> str:
    """Hash what the first rows and tables come from: migrations, and what permissions and roles are made of."""
    configs = [config for config in apps.get_app_configs() if Path(config.path).is_relative_to(ROOT)]
    sources = [
        path
        for config in configs
        for pattern in ("migrations/*.py", "**/models.py", "models/*.py", "**/roles.py", "apps.py")
        for path in Path(config.path).glob(pattern)
    ]
    return _key([*sources, ROOT / "requirements.txt", Path(__file__)], str(settings.INSTALLED_APPS))


def _copy_sqlite(key: str) -> str:
    template = FOLDER / f"database-{key}.sqlite3"
    if not template.exists():
        with _alone("database"):
            if not template.exists():
                draft = VAR_DIR / "template.sqlite3"
                _migrate(str(draft))
                _publish(draft, template)
    own = VAR_DIR / "test.sqlite3"
    shutil.copyfile(template, own)
    return str(own)


def _copy_postgresql(key: str) -> str:
    """Copy the template of this checkout, which is made anew when the key in its comment is another."""
    place = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    base = f"test_{connection.settings_dict['NAME']}_{place}"
    template = f"{base}_template"
    own = f"{base}_{WORKER or 'only'}_{os.getpid()}"
    with _maintenance() as cursor:
        with _alone("postgresql"):
            known = cursor.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [template]
            ).fetchone()
            if known != (key,):
                cursor.execute(f'DROP DATABASE IF EXISTS "{template}" WITH (FORCE)')
                cursor.execute(f"CREATE DATABASE \"{template}\" TEMPLATE template0 ENCODING 'UTF8'")
                _migrate(template)
                _close_pool()
                cursor.execute(f"COMMENT ON DATABASE \"{template}\" IS '{key}'")
        cursor.execute(f'CREATE DATABASE "{own}" TEMPLATE "{template}"')
        # A test's data need not survive a power cut, and at each commit the disk takes longer than all the rest.
        cursor.execute(f'ALTER DATABASE "{own}" SET synchronous_commit = off')
    return own


@contextmanager
def _maintenance() -> Iterator[Any]:
    import psycopg  # here, for it takes a while and SQLite needs none

    known = connection.settings_dict
    with psycopg.connect(
        host=known["HOST"],
        port=known["PORT"] or 5432,
        user=known["USER"],
        password=known["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as maintenance:
        yield maintenance.cursor()


def _migrate(name: str) -> None:
    """Make the tables of every app in the database `name`, and leave no rows but the kept ones."""
    connection.close()
    before = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0, interactive=False)
        _remember_seeds()
        empty_tables()
        connection.close()  # SQLite puts everything into the one file then
    finally:
        connection.settings_dict["NAME"] = before


# --- Emptying it -----------------------------------------------------------------------------------------------

_sequences: dict[str, int] = {}
_seeds: list[tuple[str, tuple[Any, ...]]] = []  # statements with their values


def empty_tables() -> None:
    """Delete the rows that a test made, from whatever connection, and make those anew that migrations begin with."""
    try:
        _empty_tables()
    except OperationalError as error:  # what the test began may still be writing its last
        if "deadlock" not in str(error):
            raise
        _empty_tables()


def _empty_tables() -> None:
    with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for table in {*_written(cursor), *SEEDED_TABLES}:
                cursor.execute(f'DELETE FROM "{table}"')
        else:
            cursor.execute("; ".join(f'DELETE FROM "{table}"' for table in _tables()))
        for statement, values in _seeds:
            cursor.execute(statement, values)


def _remember_seeds() -> None:
    _seeds.clear()
    with connection.cursor() as cursor:
        for table in SEEDED_TABLES:
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY id')
            columns = [column[0] for column in cursor.description]
            names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join(["%s"] * len(columns))
            _seeds.extend((f'INSERT INTO "{table}" ({names}) VALUES ({marks})', row) for row in cursor.fetchall())


def _written(cursor: Any) -> Iterator[str]:
    """Name the tables that may have rows: SQLite counts what was ever inserted, but not where the key is a text."""
    cursor.execute("SELECT name, seq FROM sqlite_sequence")
    counted = dict(cursor.fetchall())
    for table, counts in _tables().items():
        if not counts or counted.get(table) != _sequences.get(table):
            yield table
    _sequences.update(counted)


@cache
def _tables() -> dict[str, bool]:
    """Every table that tests fill, and whether its rows are numbered by the database."""
    tables = {}
    for model in apps.get_models(include_auto_created=True):
        options = model._meta
        if options.managed and not options.proxy and options.db_table not in KEPT_TABLES:
            tables[options.db_table] = isinstance(options.pk, AutoField | BigAutoField)
    return tables


# --- Static files ----------------------------------------------------------------------------------------------


@cache
def collect_static() -> None:
    """See to it that `STATIC_ROOT` holds the files under their hashed names, as in production."""
    root = Path(settings.STATIC_ROOT)
    if root.exists():
        return  # being collected: the storage itself asks
    own = sorted(path for path in (ROOT / "static").rglob("*") if path.is_file())
    collected = FOLDER / f"static-{_key([*own, ROOT / 'requirements.txt'], str(settings.INSTALLED_APPS))}"
    if not collected.exists():
        with _alone("static"):
            if not collected.exists():
                root.mkdir()
                call_command("collectstatic", verbosity=0, interactive=False)
                _publish(root, collected)
                shutil.rmtree(root)
    root.symlink_to(collected, target_is_directory=True)


# --- Keeping ---------------------------------------------------------------------------------------------------


def _key(files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for path in sorted(files):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """Hold off every other process that prepares the same."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _publish(draft: Path, kept: Path) -> None:
    """Copy `draft` to where the others find it, whole or not at all, and forget the oldest of its kind."""
    half = kept.with_name(f"{kept.name}.{os.getpid()}")
    shutil.copytree(draft, half) if draft.is_dir() else shutil.copyfile(draft, half)
    half.rename(kept)
    kind = kept.name.partition("-")[0]
    for old in sorted(FOLDER.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime)[:-KEPT_VERSIONS]:
        shutil.rmtree(old) if old.is_dir() else old.unlink()
