"""The folder of uploads compared with their rows, as `leftovers` does it for images."""

import logging
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.files.storage import Storage, storages
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.functions import Left
from django.utils import timezone

from generator.files import uploads
from generator.models import Upload
from kit import storage
from kit.pages import by_pages
from kit.threads import let_go

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Model)

_FILE = re.compile(r"([0-9A-Za-z]{32})\.(?:png|jpg|webp)")
_AT_ONCE = 500
SETTLED = timedelta(hours=1)  # a row that is younger may be newer than what was listed


@dataclass
class Found:
    """What a comparison found. `leftovers` are old enough to be deleted."""

    files: int = 0
    leftovers: int = 0
    deleted: int = 0
    missing: int = 0


def compare(*, old: timedelta, very_old: timedelta, repair: bool) -> Found:
    """Compare, and with `repair` delete what nothing needs: `old` files of purged rows, `very_old` ones of none.

    Raises StorageAway.
    """
    found, now = Found(), timezone.now()
    kept_in = storages["private"]
    kept = Upload.objects.filter(purged_at=None, created_at__lt=now - SETTLED)
    wanted = kept.annotate(folder=Left("token", 2)).order_by().values_list("folder", flat=True).distinct()
    for folder in sorted({*_listed(kept_in, uploads.FOLDER)[0], *wanted}):
        names = [name for name in _listed(kept_in, f"{uploads.FOLDER}/{folder}")[1] if _FILE.fullmatch(name)]
        found.files += len(names)
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            rows = _purged_by_token(some)
            for name in some:
                is_purged = rows.get(name.partition(".")[0])
                if is_purged is False or not _is_older(
                    kept_in, uploads.path_of(name), now - (old if is_purged else very_old)
                ):
                    continue
                found.leftovers += 1
                found.deleted += repair and _delete(kept_in, uploads.path_of(name))
        there = set(names)
        for upload in by_pages(in_folder(kept, folder, "token"), _AT_ONCE):
            found.missing += upload.file_name not in there and _is_missing(kept_in, upload)
    return found


def in_folder(rows: QuerySet[Row], folder: str, field: str) -> QuerySet[Row]:
    """Return the rows whose files lie in a folder, by an index on either database."""
    if connection.vendor == "sqlite":  # there a prefix uses no index, and text is in the order of its bytes
        return rows.filter(**{f"{field}__gte": folder, f"{field}__lt": folder[:-1] + chr(ord(folder[-1]) + 1)})
    return rows.filter(**{f"{field}__startswith": folder})


def _listed(kept_in: Storage, folder: str) -> tuple[list[str], list[str]]:
    let_go()
    try:
        with storage.asked():
            return kept_in.listdir(folder)
    except FileNotFoundError:  # nothing was ever stored
        return [], []


def _purged_by_token(names: list[str]) -> dict[str, bool]:
    tokens = [name.partition(".")[0] for name in names]
    rows = Upload.objects.filter(token__in=tokens).values_list("token", "purged_at")
    return {token: at is not None for token, at in rows}


def _is_missing(kept_in: Storage, upload: Upload) -> bool:
    """Look once more: it may have been purged since the folder was listed."""
    let_go()
    with storage.asked():
        is_there = kept_in.exists(uploads.path_of(upload.file_name))
    return not is_there and Upload.objects.filter(pk=upload.pk, purged_at=None).exists()


def _is_older(kept_in: Storage, path: str, than: datetime) -> bool:
    let_go()
    try:
        with storage.asked():
            return kept_in.get_modified_time(path) < than
    except FileNotFoundError:
        return False


def _delete(kept_in: Storage, path: str) -> bool:
    let_go()
    try:
        with storage.asked():
            kept_in.delete(path)
    except storage.StorageAway:  # the next night tries again
        if storage.is_silent():
            raise
        log.exception("%s could not be deleted", path)
        return False
    return True
