"""Images that storage would not take yet, kept on this machine until it does: they are drawn, and paid for.

One file for each, under the name that it has in storage, in `VAR_DIR/unstored`; all workers of a machine share them.
The row is the truth: a file whose generation has ended is of no use, and `sweep` removes it. What is written is on the
disk before anybody hears of it.
"""

import contextlib
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from generator.models import Generation

log = logging.getLogger(__name__)

HALF_SECONDS = 600  # after which half a file is nobody's who still writes it
_TOKEN = re.compile(r"[0-9A-Za-z]{32}")
_AT_ONCE = 500


def put(token: str, data: bytes) -> bool:
    """Keep an image; False where there is no room for it (UNSTORED_MAX_BYTES, or the disk is full)."""
    path = _path(token)
    if path.exists():
        return True
    if size() + len(data) > settings.UNSTORED_MAX_BYTES:
        return False
    half = path.with_name(f"{token}.{secrets.token_hex(4)}.half")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with half.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        _sync(path.parent)
    except OSError as error:
        log.error("An image could not be kept in %s: %s", path.parent, error)
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        return False
    return True


def get(token: str) -> bytes | None:
    """Return a kept image; None where there is none."""
    try:
        return _path(token).read_bytes()
    except OSError:
        return None


def has(token: str) -> bool:
    """Tell whether an image is kept here."""
    return _path(token).exists()


def drop(token: str) -> None:
    """Remove an image that storage has, or that nobody wants any more."""
    with contextlib.suppress(OSError):
        _path(token).unlink(missing_ok=True)


def size() -> int:
    """Return how many bytes are kept."""
    return sum(size for _, size, _ in _files())


def has_room() -> bool:
    """Tell whether one more image, as large as they may be, could be kept."""
    return size() + settings.IMAGE_MAX_BYTES <= settings.UNSTORED_MAX_BYTES


def sweep() -> list[str]:
    """Remove what is of no use any more, and return the tokens of what waits. Asks the database."""
    kept = []
    for name, _, changed in list(_files()):
        if _TOKEN.fullmatch(name):
            kept.append(name)
        elif changed < time.time() - HALF_SECONDS:
            with contextlib.suppress(OSError):
                (_folder() / name).unlink()
    waiting = set[str]()
    for start in range(0, len(kept), _AT_ONCE):
        unfinished = Generation.objects.unfinished()
        waiting |= set(
            unfinished.filter(file_token__in=kept[start : start + _AT_ONCE]).values_list("file_token", flat=True)
        )
    for token in set(kept) - waiting:
        drop(token)
    return sorted(waiting)


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "unstored"


def _path(token: str) -> Path:
    return _folder() / token


def _files() -> Iterator[tuple[str, int, float]]:
    """Yield each file's name, size and time of change."""
    with contextlib.suppress(FileNotFoundError), os.scandir(_folder()) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                yield entry.name, found.st_size, found.st_mtime


def _sync(folder: Path) -> None:
    """Have the disk know the names in `folder`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
