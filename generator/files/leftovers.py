"""Storage compared with the rows, both ways: files that nothing will ever delete, and images whose file is gone.

A worker that dies between storing and completing leaves files of a generation that then fails. What is found is
deleted only when it is old, so that nothing under way is touched. It goes folder by folder, so that a million images
take no more memory than a thousand.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.utils import timezone

from generator.files import images, upload_leftovers
from generator.models import Generation
from kit import storage
from kit.threads import let_go

log = logging.getLogger(__name__)

Status = Generation.Status

OLD = timedelta(days=1)  # a file of a generation that failed or was purged
# A file that no row names: after a database came back from a backup these are people's images of the days since.
VERY_OLD = timedelta(days=7)
SETTLED = timedelta(hours=1)  # rows that ended later are left for the next time
MOST_NAMED = 100  # rows that a report names
MOST_DELETED = 10_000  # unnamed files in one go; the next night goes on
KEPT_SECONDS = 3 * 86_400
_CACHED = "storage-report"
_AT_ONCE = 500
_FILE = re.compile(r"([0-9A-Za-z]{32})(?:_(?:480|960))?\.(?:png|jpg|webp)")
_FOLDER = re.compile(r"[0-9A-Za-z]{2}")


@dataclass
class Report:
    """What a comparison found. `leftovers` are old enough to be deleted, `unnamed` are all that no row names."""

    files: int = 0
    images: int = 0
    leftovers: int = 0
    unnamed: int = 0
    deleted: int = 0
    missing: int = 0
    missing_ids: list[int] = field(default_factory=list)  # the first of them, as primary keys
    thumbnails: int = 0  # images without all of their thumbnails
    missing_uploads: int = 0
    looks_like_anothers: bool = False
    at: str = ""

    @property
    def is_clean(self) -> bool:
        return not (self.leftovers or self.missing or self.missing_uploads or self.thumbnails)


@dataclass(frozen=True)
class _Row:
    pk: int
    file_token: str
    file_extension: str
    status: str
    is_purged: bool


def compare(*, repair: bool) -> Report:
    """Compare all of storage with all rows. With `repair`, delete leftovers and have missing thumbnails made.

    Raises StorageAway: a comparison with a part of it would be none.
    """
    report, unnamed = Report(), list[str]()
    for folder in sorted(_folders()):
        _compare_folder(folder, report, unnamed, repair=repair)
    # Another installation's storage, or an empty database: nothing there is ours to delete.
    report.looks_like_anothers = report.unnamed > max(100, report.files // 2)
    report.leftovers += len(unnamed)
    if repair and not report.looks_like_anothers:
        for path in unnamed:
            report.deleted += _delete(path)
    theirs = upload_leftovers.compare(old=OLD, very_old=VERY_OLD, repair=repair and not report.looks_like_anothers)
    report.files += theirs.files
    report.leftovers += theirs.leftovers
    report.deleted += theirs.deleted
    report.missing_uploads = theirs.missing
    report.at = timezone.now().isoformat(timespec="seconds")
    return report


def compare_nightly() -> None:
    """Compare, repair, log what was found and keep it for the admin's first page."""
    report = compare(repair=True)
    cache.set(_CACHED, asdict(report), KEPT_SECONDS)
    if report.missing:
        log.error("%s images have no file in storage, the first are %s", report.missing, report.missing_ids[:10])
    if report.missing_uploads:
        log.error("%s uploads have no file in storage", report.missing_uploads)
    if report.looks_like_anothers:
        log.error("%s of %s files in storage belong to no row: is it the right storage?", report.unnamed, report.files)
    log.info("Storage was compared with the rows: %s", asdict(report) | {"missing_ids": ...})


def last_report() -> Report | None:
    """Return what was found last night."""
    kept = cache.get(_CACHED)
    return Report(**kept) if kept else None


def _compare_folder(folder: str, report: Report, unnamed: list[str], *, repair: bool) -> None:
    now = timezone.now()
    files = _files_in(folder)
    report.files += sum(map(len, files.values()))
    for token, row in _rows_of(files):
        for name in files[token]:
            if row is not None and _belongs(name, row):
                continue
            report.unnamed += row is None
            path = images.path_of(name)
            if not _is_older(path, now - (VERY_OLD if row is None else OLD)):
                continue
            if row is not None:
                report.leftovers += 1
                report.deleted += repair and _delete(path)
            elif len(unnamed) < MOST_DELETED:
                unnamed.append(path)
    for pk, token, extension, needs_thumbnails in _images_in(folder, ended_before=now - SETTLED):
        report.images += 1
        there = files.get(token, set())
        if f"{token}.{extension}" not in there:
            if report.missing >= MOST_NAMED or _is_missing(pk, f"{token}.{extension}"):
                report.missing += 1
                report.missing_ids = [*report.missing_ids, pk][:MOST_NAMED]
        elif not needs_thumbnails and not _thumbnails(token) <= there:
            report.thumbnails += 1
            if repair:
                _kept().filter(pk=pk).update(needs_thumbnails=True)


def _folders() -> set[str]:
    """Return the folders that there are, and those that there should be."""
    try:
        with storage.asked():
            listed, _ = default_storage.listdir("")
    except FileNotFoundError:  # nothing was ever stored
        listed = []
    wanted = _kept().annotate(folder=Left("file_token", 2)).order_by().values_list("folder", flat=True).distinct()
    return {folder for folder in listed if _FOLDER.fullmatch(folder)} | set(wanted)


def _kept() -> QuerySet[Generation]:
    """The images whose files have to be there."""
    return Generation.objects.filter(status=Status.COMPLETED, purged_at=None, deleted_at=None)


def _files_in(folder: str) -> dict[str, set[str]]:
    """Return the names of our files in a folder by their token. What is not called as ours are is not ours."""
    let_go()
    try:
        with storage.asked():
            _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        names = []
    found = defaultdict(set)
    for name in names:
        if (match := _FILE.fullmatch(name)) and name.startswith(folder):
            found[match[1]].add(name)
    return found


def _rows_of(tokens: Iterable[str]) -> Iterator[tuple[str, _Row | None]]:
    fields = ("pk", "file_token", "file_extension", "status", "purged_at")
    wanted = list(tokens)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        rows = Generation.objects.filter(file_token__in=some).values_list(*fields)
        known = {token: _Row(pk, token, extension, status, bool(at)) for pk, token, extension, status, at in rows}
        yield from ((token, known.get(token)) for token in some)


def _belongs(name: str, row: _Row) -> bool:
    """Tell whether a file is there for its row's sake, or may become so."""
    if row.status in Generation.UNFINISHED:
        return True
    if row.status == Status.FAILED or row.is_purged:
        return False
    return name == f"{row.file_token}.{row.file_extension}" or name in _thumbnails(row.file_token)


def _images_in(folder: str, *, ended_before: datetime) -> list[tuple[int, str, str, bool]]:
    """Return the kept, completed rows whose files lie in a folder, by an index on either database."""
    rows = upload_leftovers.in_folder(_kept().filter(finished_at__lt=ended_before), folder, "file_token")
    fields = ("pk", "file_token", "file_extension", "needs_thumbnails")
    return list(rows.values_list(*fields))


def _thumbnails(token: str) -> set[str]:
    return {images.thumbnail_name(token, side).rpartition("/")[2] for side in images.THUMBNAIL_SIDES}


def _is_missing(pk: int, name: str) -> bool:
    """Look once more: the image may have been trashed since the folder was listed."""
    let_go()
    with storage.asked():
        is_there = default_storage.exists(images.path_of(name))
    return not is_there and _kept().filter(pk=pk).exists()


def _is_older(path: str, than: datetime) -> bool:
    let_go()
    try:
        with storage.asked():
            return default_storage.get_modified_time(path) < than
    except FileNotFoundError:
        return False


def _delete(path: str) -> bool:
    let_go()
    try:
        with storage.asked():
            default_storage.delete(path)
    except storage.StorageAway:  # the next night tries again
        if storage.is_silent():
            raise
        log.exception("%s could not be deleted", path)
        return False
    return True
