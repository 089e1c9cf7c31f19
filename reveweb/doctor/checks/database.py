"""The database: its version, its tables, its connections, and whether the books agree."""

import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from billing.models import CreditEntry
from billing.staff import audit, comparing
from reveweb.doctor.findings import Finding, fault, note, ok, warning
from reveweb.settings.env import env

LEAST_POSTGRESQL, OLD_POSTGRESQL = 14, 15  # what Django takes, and whose end is near
LEAST_SQLITE = (3, 37, 0)
FULL = 0.8  # of the server's connections
RESERVED = 3  # that only a superuser gets
SCHEDULERS, WORKERS = 1, 2  # one that draws, one for the rest
NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "fuse.s3fs", "ceph", "glusterfs", "lustre", "afs")
SHOWN = 3
LARGE = 200_000  # entries of the ledger; looking through more than these takes longer than anybody waits here


def database() -> Iterator[Finding]:
    """Ask for its version; SQLite has to lie on a disk of this machine."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError as error:
        words = f"It cannot be reached: {error}"
        yield fault(
            "database-unreachable", words, "Start it, or mend DATABASE_URL; a password, a host or a role may differ."
        )
        return
    if connection.vendor == "sqlite":
        yield from _sqlite()
        return
    version = int(connection.pg_version)  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it
    major = version // 10_000
    if major < LEAST_POSTGRESQL:
        words = f"PostgreSQL {major} is older than {LEAST_POSTGRESQL}, the oldest that this version works with."
        yield fault("database-version", words, "Upgrade the server (pg_upgrade, or dump and restore).")
    elif major < OLD_POSTGRESQL:
        words = f"PostgreSQL {major} gets no more mends."
        yield note("database-version", words, "Plan to upgrade the server.")
    yield ok("database", f"PostgreSQL {major}.{version % 10_000}")


def _sqlite() -> Iterator[Finding]:
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        words = f"SQLite {sqlite3.sqlite_version} is older than {'.'.join(map(str, LEAST_SQLITE))}."
        yield fault("database-version", words, "Run on a newer Python or system.")
    path = Path(str(settings.DATABASES["default"]["NAME"]))
    kind = file_system(path)
    if kind.startswith(NETWORK):
        words = f"SQLite's file {path} lies on a network file system ({kind}): its locks do not hold there."
        yield fault("database-network", words, "Move VAR_DIR to a disk of this machine, or use PostgreSQL.")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA quick_check(1)") if path.stat().st_size < 2**28 else None
        found = cursor.fetchone() if cursor.description else ("ok",)
    if found and found[0] != "ok":
        words = f"SQLite finds its file broken: {found[0]}"
        yield fault("database-broken", words, "Stop everything, keep a copy of the file, and restore the last backup.")
    yield ok("database", f"SQLite {sqlite3.sqlite_version} on {kind or 'this machine'}")


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the kind of file system that `path` lies on; "" where nobody says."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    places = [(Path(unquote(line[1].replace("\\040", " "))), line[2]) for line in lines if len(line) > 2]
    under = [(len(place.parts), kind) for place, kind in places if real.is_relative_to(place)]
    return max(under)[1] if under else ""


def migrations() -> Iterator[Finding]:
    """Compare the tables with the code."""
    executor = MigrationExecutor(connection)
    missing = [
        f"{each.app_label}.{each.name}" for each, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    known = executor.loader.disk_migrations
    ours = {app for app, _ in known}
    newer = sorted(
        f"{app}.{name}"
        for app, name in executor.loader.applied_migrations
        if app in ours and (app, name) not in known and not _is_replaced(known, app, name)
    )
    if missing:
        words = f"{len(missing)} migrations are not applied: {_few(missing)}. Pages that need them fail."
        yield fault("migrations-missing", words, "Run manage.py migrate, then restart every process.")
    if newer:
        words = f"The database is newer than this code: it has {_few(newer)}."
        yield warning("migrations-newer", words, "Finish the upgrade on this machine, or go on if one is under way.")


def _is_replaced(known: object, app: str, name: str) -> bool:
    migrations = known.values() if isinstance(known, dict) else ()
    return any((app, name) in (each.replaces or []) for each in migrations)


def _few(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def pool() -> Iterator[Finding]:
    """Compare the threads that are asked for with the connections there are for them."""
    asked = env.whole("WORKER_THREADS", 0, most=1000)
    if asked > settings.TASK_THREADS:
        words = (
            f"WORKER_THREADS asks for {asked} threads, and DATABASE_POOL_SIZE={settings.DATABASE_CONNECTIONS} leaves "
            f"connections for {settings.TASK_THREADS}: a worker runs no more than that."
        )
        yield warning("pool-small", words, f"Set DATABASE_POOL_SIZE to {_pool_for(asked)}, or WORKER_THREADS lower.")
    yield ok("pool", f"{settings.DATABASE_CONNECTIONS} connections, {settings.TASK_THREADS} tasks at once in a worker")


def _pool_for(threads: int) -> int:
    """Return the smallest DATABASE_POOL_SIZE that leaves connections for so many tasks, as settings/data.py counts."""
    size = 2
    while (size - max(1, size // 3)) - max(1, (size - max(1, size // 3)) // 2) < threads:
        size += 1
    return size


def connections() -> Iterator[Finding]:
    """Compare what all processes may open with what the server gives out."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        most = int(cursor.fetchone()[0]) - RESERVED
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        used = int(cursor.fetchone()[0])
    processes = settings.WEB_WORKERS + WORKERS + SCHEDULERS
    wanted = processes * settings.DATABASE_CONNECTIONS
    if wanted > most:
        words = (
            f"{processes} processes on this machine alone may open {wanted} connections "
            f"(DATABASE_POOL_SIZE={settings.DATABASE_CONNECTIONS}), and PostgreSQL gives out {most}."
        )
        yield warning(
            "connections-few", words, f"Set max_connections to {wanted + RESERVED + 20}, or DATABASE_POOL_SIZE lower."
        )
    if used >= FULL * most:
        words = f"{used} of PostgreSQL's {most} connections are in use: soon requests wait for one, and fail."
        yield fault("connections-full", words, "Look in pg_stat_activity for whose they are; raise max_connections.")
    yield ok("connections", f"{used} of {most} in use")


def ledger() -> Iterator[Finding]:
    """Prove that every balance follows from its entries, as `audit_ledger` does.

    Of a large ledger it says what the last comparison found, which is made each night.
    """
    if CreditEntry.objects.order_by("pk").values("pk")[LARGE : LARGE + 1].exists():
        yield _compared()
        return
    if drifts := list(islice(audit.drifts(), SHOWN + 1)):
        words = f"The books drift: {'; '.join(drifts[:SHOWN])}{' and more' if len(drifts) > SHOWN else ''}"
        yield fault("ledger-drift", words, "Run manage.py audit_ledger for all of them, and look at Admin → Entries.")


def _compared() -> Finding:
    last = comparing.last()
    if words := comparing.trouble():
        return fault("ledger-drift", f"The books drift: {words}.", "Look at Admin → Books, which repairs what it can.")
    if last is None or comparing.silence():
        words = comparing.silence() or "The ledger is too large to be looked through here, and was never compared"
        cure = "Compare now at Admin → Books. Each night does it: the logs of schedule and work --rest say why not."
        return warning("ledger-uncompared", f"{words}.", cure)
    return ok("ledger", f"no drift when it was last compared, on {last.started_at:%d %B %Y, %H:%M} UTC")
