"""One restore, step by step: nothing is changed before everything was read and checked."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.core.management import call_command
from django.db import DatabaseError

from billing.models import Wallet
from billing.staff import audit
from generator.files import images
from generator.models import Generation
from kit import storage
from reveweb.backup import making, putting, reading, settling, unfinished
from reveweb.backup.bucket import LISTINGS
from reveweb.backup.errors import RestoreFailed
from reveweb.backup.places import Place
from reveweb.backup.reading import Backup, Progress
from reveweb.backup.settling import Settled
from reveweb.run import embedded

MOST_NAMED = 10
# Where each folder of an archive goes: the storage, and the folder in it.
_STORED = {"images": ("default", ""), "private/uploads": ("private", "uploads")}


@dataclass
class Report:
    """What a restore came to. `drifts` are sentences; `missing` are images whose file is not in storage.

    `gone` are objects that the bucket had when the backup was made, and has not now. `uncompared` is why books and
    files were not, or not all, compared.
    """

    backup: Backup
    files: int
    settled: Settled
    drifts: list[str] = field(default_factory=list)
    wallets: int = 0
    images: int = 0
    missing: int = 0
    first_missing: list[str] = field(default_factory=list)
    gone: int = 0
    uncompared: str = ""

    @property
    def is_clean(self) -> bool:
        """Tell whether the books are as they should be, and no file is missing that was there."""
        return (
            not self.uncompared
            and not self.drifts
            and self.missing <= self.backup.manifest["images"]["missing"]
            and not self.gone
        )


def restore(place: Place, *, any_secret: bool = False, progress: Progress = lambda words: None) -> Report:
    """Put the backup at `place` back into an installation that is empty.

    1. It is unpacked beside where its files go, each compared with its digest, and it is found out whether it is for
       this version, this kind of database and this SECRET_KEY. Until here nothing is changed.
    2. The installation is marked: unless all that follows is done, nothing of it starts (`unfinished`).
    3. The files, and then the database in one step.
    4. What this version's migrations do to it; and what must not be done a second time is ended (`settling`).
    5. The mark goes. The books are audited, and the files compared with the rows: where that fails it was restored all
       the same.

    Raises RestoreFailed.
    """
    begun = False
    try:
        _refuse_unless_empty()
        with reading.unpacked(place, any_secret=any_secret, progress=progress) as backup:
            begun = True
            unfinished.mark(str(place))
            files = _put_files(backup, progress)
            progress("Putting the database in place …")
            putting.put(backup.copy)
            progress("Migrating …")
            call_command("migrate", interactive=False, verbosity=0)
            report = Report(backup, files, settling.settle())
            unfinished.unmark()
            progress("Auditing …")
            _compare_if_possible(report)
    except OSError as error:
        raise RestoreFailed(f"{_words(error)}: {_what_now(begun)}") from error
    except (sqlite3.Error, psycopg.Error, DatabaseError) as error:
        raise RestoreFailed(f"The database refused ({str(error).splitlines()[0]}): {_what_now(begun)}") from error
    return report


def check(place: Place, *, any_secret: bool = False, progress: Progress = lambda words: None) -> Backup:
    """Read all of the backup at `place`, and return what it is if it could be restored here. Raises RestoreFailed."""
    try:
        with reading.unpacked(place, any_secret=any_secret, progress=progress) as backup:
            return backup
    except OSError as error:
        raise RestoreFailed(f"{error.strerror or error}: {_what_now(False)}") from error
    except sqlite3.Error as error:
        raise RestoreFailed(f"Its copy of the database cannot be read ({error}): {_what_now(False)}") from error
    except psycopg.Error as error:
        raise RestoreFailed(f"The database refused ({str(error).splitlines()[0]}): {_what_now(False)}") from error


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def _what_now(begun: bool) -> str:
    return f"it is half done. {unfinished.CURE}" if begun else "nothing was changed."


def _refuse_unless_empty() -> None:
    """Raise RestoreFailed when anything here is anybody's, or in use; a restore that did not end is begun anew."""
    putting.leave()
    if embedded.is_running(settings.VAR_DIR):
        raise RestoreFailed(f"reveweb is running from {settings.VAR_DIR}: stop it first.")
    if count := putting.others():
        raise RestoreFailed(f"{count} other connections use the database: stop all processes of the site first.")
    if unfinished.trouble():
        return
    elsewhere = "Nothing is overwritten: name an empty one in DATABASE_URL or VAR_DIR, or move this one away."
    if there := putting.found():
        raise RestoreFailed(f"The database has {there}. {elsewhere}")
    default: Any = storages["default"]
    folders = [Path(default.location)] if isinstance(default, FileSystemStorage) else []
    for folder in (*folders, *(settings.VAR_DIR / name for name in making.ALSO)):
        if any(path.is_file() for path in folder.rglob("*")):
            raise RestoreFailed(f"There are files in {folder}. {elsewhere}")


# --- Files


def _put_files(backup: Backup, progress: Progress) -> int:
    """Put what was unpacked where it goes, and return how many files that were. Raises OSError."""
    count = 0
    for name in ("images", *making.ALSO):
        for path in backup.under(name):
            within = path.relative_to(backup.folder / name).as_posix()
            if name in _STORED:
                alias, folder = _STORED[name]
                _store(storages[alias], f"{folder}/{within}".lstrip("/"), path)
            else:
                _move(path, settings.VAR_DIR / name / within)
            count += 1
            progress(f"{count:,} files put in place")
    return count


def _store(target: Storage, name: str, path: Path) -> None:
    if isinstance(target, FileSystemStorage):
        _move(path, Path(target.path(name)))
        return
    with storage.asked(), path.open("rb") as file:  # an installation that keeps them in a bucket by now
        target.save(name, File(file))


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(target)
    except OSError:  # another disk
        half = target.with_name(f".{target.name}.restored")
        half.write_bytes(path.read_bytes())
        half.replace(target)


# --- What came of it


def _compare_if_possible(report: Report) -> None:
    try:
        _compare(report)
    except OSError as error:
        report.uncompared = _words(error)
    except (psycopg.Error, DatabaseError) as error:
        report.uncompared = f"the database refused: {str(error).splitlines()[0]}"


def _compare(report: Report) -> None:
    """Compare figures with entries, images with their files, and the bucket with what it had. Raises OSError."""
    report.drifts = list(audit.drifts())
    report.wallets = Wallet.objects.count()
    for listing in LISTINGS:
        kept = report.backup.folder / listing.name
        if kept.is_file() and listing.is_of_a_bucket:  # versions before had none of uploads
            report.gone += sum(1 for _ in listing.gone(kept))
    for token, extension in _kept():
        report.images += 1
        path = images.path_of(f"{token}.{extension}")
        if not _is_there(path):
            report.missing += 1
            report.first_missing = [*report.first_missing, path][:MOST_NAMED]


def _kept() -> Iterator[tuple[str, str]]:
    """Name the images whose files have to be there: of a folder, for a bucket is compared with its listing."""
    if not isinstance(storages["default"], FileSystemStorage):
        return
    completed = Generation.objects.filter(status=Generation.Status.COMPLETED, purged_at=None)
    yield from completed.values_list("file_token", "file_extension").iterator(chunk_size=2_000)


def _is_there(path: str) -> bool:
    with storage.asked():
        return storages["default"].exists(path)
