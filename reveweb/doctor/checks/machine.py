"""This machine: its disks, its clock, what a process may open, and the files that pages need."""

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.db import connection

from reveweb.doctor import asking
from reveweb.doctor.checks import broker
from reveweb.doctor.findings import Finding, fault, ok, warning

GIB, MIB = 1024**3, 1024**2
LOW_BYTES, GONE_BYTES = 2 * GIB, 200 * MIB  # free
LOW, LARGE_BYTES = 0.05, 10 * GIB  # of a large disk: below both it is soon full
FEW = 0.02  # of all inodes
IGNORED = ["CVS", ".*", "*~"]  # by `collectstatic`
LEAST_FILES = 4096  # that a process may have open
CLOCK_SECONDS = 5.0  # that the clocks of others may differ by
CLOCK_LOST_SECONDS = 60.0  # beyond which signatures, links and codes fail
SHOWN = 3


def disks() -> Iterator[Finding]:
    """Look how much room is left where this site writes."""
    places = {settings.VAR_DIR: "VAR_DIR", Path(tempfile.gettempdir()): "temporary files"}
    if connection.vendor == "sqlite":
        places.setdefault(Path(str(settings.DATABASES["default"]["NAME"])).parent, "the database")
    seen: dict[int, str] = {}
    for place, what in places.items():
        if place.exists() and place.stat().st_dev not in seen:
            seen[place.stat().st_dev] = f"{what}: {_free(place) / GIB:.1f} GiB free"
            yield from _room(place, what)
    yield ok("disk", ", ".join(seen.values()))


def _free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def _room(place: Path, what: str) -> Iterator[Finding]:
    found = os.statvfs(place)
    free, share = found.f_bavail * found.f_frsize, found.f_bavail / max(1, found.f_blocks)
    cure = "Make room, or move VAR_DIR to a larger disk. Logs, old backups and var/unstored are the usual ones."
    if free < GONE_BYTES:
        words = (
            f"{place} ({what}) has {free / MIB:.0f} MiB left ({share:.0%}): images and the database cannot be written."
        )
        yield fault("disk-full", words, cure)
    elif free < LOW_BYTES or (share < LOW and free < LARGE_BYTES):
        yield warning("disk-low", f"{place} ({what}) has {free / GIB:.1f} GiB left ({share:.0%}).", cure)
    if found.f_files and found.f_favail / found.f_files < FEW:
        words = f"{place} ({what}) has {found.f_favail:,} inodes left of {found.f_files:,}: no file can be made soon."
        yield fault("disk-inodes", words, "Remove folders with very many small files, or make a file system with more.")


def folder() -> Iterator[Finding]:
    """Look whether VAR_DIR can be written, and who else may read it."""
    try:
        with tempfile.NamedTemporaryFile(dir=settings.VAR_DIR, prefix="doctor-"):
            pass
    except OSError as error:
        words = f"{settings.VAR_DIR} cannot be written: {error.strerror}."
        yield fault("folder-unwritable", words, "Give it to the user that runs reveweb (chown), or mount it writable.")
    if settings.VAR_DIR.exists() and settings.VAR_DIR.stat().st_mode & 0o007:
        words = f"Others on this machine may look into {settings.VAR_DIR}, with its secrets, mails and images."
        yield fault("folder-open", words, f"chmod 700 {settings.VAR_DIR}")


def open_files() -> Iterator[Finding]:
    """Compare how many files a process may open with what many connections need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < LEAST_FILES:
        words = f"A process may open {hard} files, and each connection is one: beyond that nobody is answered."
        yield warning("open-files-few", words, "LimitNOFILE=20000 in the unit, or `ulimit -n` before the start.")
    yield ok("open-files", "no limit" if hard == resource.RLIM_INFINITY else f"{hard:,} in a process")


def static_files() -> Iterator[Finding]:
    """Compare the collected static files with those of this version, byte by byte."""
    if settings.DEBUG:
        return
    root = Path(settings.STATIC_ROOT)
    if not (root / "staticfiles.json").exists():
        words = f"The static files were never collected: {root} has no manifest, and every page fails."
        yield fault("static-missing", words, "Run manage.py collectstatic --noinput, then restart the web processes.")
        return
    stale = []
    seen = set[str]()
    for finder in get_finders():
        for name, storage in finder.list(IGNORED):
            if name not in seen and not _same(Path(storage.path(name)), root / name):
                stale.append(name)
            seen.add(name)
    if stale:
        rest = f" and {len(stale) - SHOWN} more" if len(stale) > SHOWN else ""
        words = f"The collected static files are another version's: {', '.join(sorted(stale)[:SHOWN])}{rest} differ."
        yield fault("static-stale", words, "Run manage.py collectstatic --noinput, then restart the web processes.")
    yield ok("static", f"{len(seen)} files")


def _same(source: Path, collected: Path) -> bool:
    try:
        return source.stat().st_size == collected.stat().st_size and source.read_bytes() == collected.read_bytes()
    except OSError:
        return False


def clock() -> Iterator[Finding]:
    """Compare this machine's clock with those of the database, of Redis and of servers out there."""
    differences: dict[str, float] = {}
    for name, ask in (("the database", _database_time), ("Redis", _redis_time), ("the internet", _internet_time)):
        began = time.time()
        try:
            told = ask()
        except Exception:  # noqa: S112 (that it does not answer is told by others)
            continue
        if told is not None:
            differences[name] = told - (began + time.time()) / 2
    worst = max(map(abs, differences.values()), default=0.0)
    if worst > CLOCK_SECONDS:
        off = [
            f"{abs(difference):.0f} seconds {'behind' if difference > 0 else 'ahead of'} {name}"
            for name, difference in differences.items()
            if abs(difference) > CLOCK_SECONDS
        ]
        words = f"This machine's clock is {', '.join(off)}: signatures, links and codes fail."
        level = fault if worst > CLOCK_LOST_SECONDS else warning
        yield level("clock-off", words, "Run an NTP client on every machine: timedatectl set-ntp true.")
    yield ok("clock", ", ".join(f"{name} {difference:+.1f} s" for name, difference in differences.items()))


def _database_time() -> float | None:
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


def _redis_time() -> float:
    with broker.client() as server:
        seconds, micros = cast("tuple[int, int]", server.time())
    return seconds + micros / 1_000_000


def _internet_time() -> float | None:
    """Return what the Date of an answer of Stripe's, or else of the upstream's, says; half a second on average more."""
    url = settings.STRIPE_API_BASE if settings.PAYMENTS else settings.REVE_API_URL
    date = asking.get(f"{url}/", seconds=3.0).headers.get("date", "")
    return parsedate_to_datetime(date).timestamp() + 0.5 if date else None
