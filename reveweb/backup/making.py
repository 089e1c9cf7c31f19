"""One backup, step by step."""

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.db import DatabaseError
from django.utils import timezone

from billing import identity
from generator.files import images
from kit.storage import StorageAway
from kit.threads import let_go
from reveweb.backup import archive, database, drafts, fingerprint
from reveweb.backup.archive import Archive
from reveweb.backup.bucket import LISTINGS, Listing
from reveweb.backup.errors import BackupFailed, Unable
from reveweb.backup.places import Place
from reveweb.version import VERSION

FORMAT = 1  # of what `backup.json` and `manifest.json` say, and where things lie
HEAD, MANIFEST = "backup.json", "manifest.json"
MOST_NAMED = 100
# What else is kept of VAR_DIR: the operator's own pictures, images that storage has not taken yet, and what people
# brought, where that is no bucket's.
ALSO = ("own", "unstored", "private/uploads")

Progress = Callable[[str], None]


@dataclass
class Images:
    """What was kept of the images. `missing` are files that a row names and that are not in storage."""

    kind: str  # "folder" with the files themselves, "bucket" with listings, of uploads too, or "left out"
    files: int = 0
    bytes: int = 0
    missing: int = 0
    first_missing: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What is in a backup."""

    database: database.Copy
    database_bytes: int
    images: Images


def make(place: Place, *, with_images: bool = True, progress: Progress = lambda words: None) -> Report:
    """Write a backup to `place`. `progress` hears now and then how far it is.

    1. The database, as it is at one moment.
    2. What else is kept of VAR_DIR: at once, for an image that storage takes meanwhile leaves it, while its row in the
       copy still looks for it there.
    3. The files that its rows name: every one of them was there by then, and what came later is nobody's.
    4. What it is made of, and of each file its digest.

    What backups and restores left in VAR_DIR that were killed goes first. Raises BackupFailed.
    """
    try:
        drafts.sweep_own()
        with archive.writing(place) as tar:
            at = timezone.now()
            name = identity.installation()
            let_go()
            progress("Copying the database …")
            with database.copied(tar.folder) as (copy, files):
                size = copy.path.stat().st_size
                tar.add_text(HEAD, json.dumps(_head(copy, size, at.isoformat(), name), indent=1) + "\n")
                tar.add(copy.path.name, copy.path)
                for tree in ALSO:
                    _keep_tree(tar, tree)
                kept = _keep_images(tar, copy, files, progress) if with_images else Images("left out")
                report = Report(copy, size, kept)
            tar.add_text(MANIFEST, json.dumps(_manifest(report, at.isoformat(), name), indent=1) + "\n")
            progress("Writing it to disk …")
    except Unable as error:
        raise BackupFailed(str(error)) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise BackupFailed(f"{error.strerror or error}{where}: there is no backup.") from error
    except (sqlite3.Error, psycopg.Error, DatabaseError) as error:
        raise BackupFailed(f"The database could not be read: {str(error).splitlines()[0]}") from error
    return report


def _keep_images(tar: Archive, copy: database.Copy, files: Iterator[tuple[str, str]], progress: Progress) -> Images:
    if isinstance(storages["default"], FileSystemStorage):
        return _keep_folder(tar, copy, files, progress)
    return _keep_listings(tar, progress)


def _keep_folder(tar: Archive, copy: database.Copy, files: Iterator[tuple[str, str]], progress: Progress) -> Images:
    kept = Images("folder")
    for number, (token, extension) in enumerate(files, start=1):
        image = images.path_of(f"{token}.{extension}")
        for path in (image, *(images.thumbnail_name(token, side) for side in images.THUMBNAIL_SIDES)):
            try:
                kept.bytes += tar.add(f"images/{path}", Path(default_storage.path(path)))
            except FileNotFoundError:
                if path == image:  # it was deleted meanwhile; thumbnails can be made again
                    kept.missing += 1
                    kept.first_missing = [*kept.first_missing, path][:MOST_NAMED]
            else:
                kept.files += path == image
        progress(f"{number:,} of {copy.images:,} images")
    return kept


def _keep_listings(tar: Archive, progress: Progress) -> Images:
    """Keep what the bucket has: its own versions or copies of it are the backup of its objects."""
    kept = Images("bucket")
    try:
        for listing in LISTINGS:
            if listing.is_of_a_bucket:
                _keep_listing(tar, listing, kept, progress)
    except StorageAway as error:
        raise BackupFailed(f"The images' bucket cannot be listed: {error}.") from error
    return kept


def _keep_listing(tar: Archive, listing: Listing, kept: Images, progress: Progress) -> None:
    path = tar.folder / listing.name
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["key", "bytes", "etag", "modified"])
        for each in listing.objects():
            rows.writerow([each.key, each.size, each.e_tag.strip('"'), each.last_modified.isoformat()])
            kept.files, kept.bytes = kept.files + 1, kept.bytes + each.size
            progress(f"{kept.files:,} files listed")
    tar.add(path.name, path)


def _keep_tree(tar: Archive, name: str) -> None:
    """Keep a folder of VAR_DIR, if there is one."""
    folder: Path = settings.VAR_DIR / name
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with suppress(FileNotFoundError):
                tar.add(f"{name}/{path.relative_to(folder)}", path)


def _head(copy: database.Copy, size: int, at: str, installation: str) -> dict[str, Any]:
    """Say first what whoever puts it back must know before everything else is read."""
    return {
        "format": FORMAT,
        "reveweb": VERSION,
        "at": at,
        "installation": installation,
        "secret_key": fingerprint.of(settings.SECRET_KEY),
        "database": {"kind": copy.kind, "file": copy.path.name, "bytes": size, "made_by": copy.made_by},
    }


def _manifest(report: Report, at: str, installation: str) -> dict[str, Any]:
    copy = report.database
    head = _head(copy, report.database_bytes, at, installation)
    return {
        **head,
        "database": {**head["database"], "rows": copy.rows},
        "images": asdict(report.images),
        "digests": archive.SUMS,
        "not_here": ["SECRET_KEY and the rest of the environment", "exports, which people can ask for again"],
    }
