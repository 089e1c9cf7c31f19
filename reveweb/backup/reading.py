"""A backup that was fetched, unpacked and compared with its digests, and found to be one for this installation."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.template.defaultfilters import filesizeformat

from reveweb.backup import archive, drafts, fingerprint, making, putting
from reveweb.backup.errors import RestoreFailed
from reveweb.backup.places import Place

SPARE_BYTES = 64 * 1024**2  # of the disk, beside what is unpacked

Progress = Callable[[str], None]


@dataclass
class Backup:
    """What was in an archive, in a folder of its own."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def kind(self) -> str:
        """Return "sqlite" or "postgresql"."""
        return str(self.manifest["database"]["kind"])

    @property
    def copy(self) -> Path:
        """Return the copy of the database."""
        return self.folder / str(self.manifest["database"]["file"])

    @property
    def rows(self) -> int:
        """Return how many rows the database had."""
        return sum(self.manifest["database"]["rows"].values())

    def under(self, name: str) -> list[Path]:
        """Return the files in one of its folders."""
        return sorted(path for path in (self.folder / name).rglob("*") if path.is_file())


@contextmanager
def unpacked(place: Place, *, any_secret: bool, progress: Progress) -> Iterator[Backup]:
    """Give the backup at `place`, whole and fit for this installation; what was unpacked goes with the block.

    Raises RestoreFailed, OSError.
    """
    _refuse_without_room(place.size())
    folder = Path(tempfile.mkdtemp(prefix=drafts.OF_RESTORES, dir=settings.VAR_DIR))
    try:
        with archive.unpacking(place, folder) as tar:
            for number, name in enumerate(tar.files(), start=1):
                if name == making.HEAD:
                    head = _read(folder / name)
                    _refuse_strangers(head, any_secret=any_secret)
                    _refuse_without_room(int(head["database"]["bytes"]))
                progress(f"Unpacking: {number:,} files, {filesizeformat(tar.bytes)}")
            progress("Comparing digests …")
            tar.check()
        manifest = _read(folder / making.MANIFEST)
        _refuse_strangers(manifest, any_secret=any_secret)
        backup = Backup(folder, manifest)
        if backup.copy.parent != folder or not backup.copy.is_file():  # a path would be of a file that is not its own
            raise RestoreFailed(f"The archive has no {backup.copy.name}.")
        putting.check(backup.copy, backup.kind, str(manifest["database"]["made_by"]))
        yield backup
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_strangers(said: dict[str, Any], *, any_secret: bool) -> None:
    """Raise RestoreFailed when what a backup says of itself is not for this version, database and secret."""
    try:
        form, kind, version, secret = said["format"], said["database"]["kind"], said["reveweb"], said.get("secret_key")
    except (KeyError, TypeError):
        raise RestoreFailed("The archive does not say what it is: it is another program's.") from None
    if form != making.FORMAT:
        raise RestoreFailed(
            f"reveweb {version} made it, in form {form}, which this version does not know: install that."
        )
    if kind != connection.vendor:
        raise RestoreFailed(
            f"It is of a {_NAMES.get(kind, kind)} database, and DATABASE_URL names {_NAMES[connection.vendor]}: a "
            "backup goes back into the kind that it is of."
        )
    ours = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if secret and not any_secret and not any(fingerprint.is_of(secret, one) for one in ours):
        raise RestoreFailed(
            "This is not the SECRET_KEY that it was made with, without which keys of upstreams and secrets "
            "of webhooks stay closed, and everybody is logged out. Set it, or add it to SECRET_KEY_FALLBACKS; if it "
            "is lost, restore with --with-another-secret."
        )


_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def _refuse_without_room(needed: int) -> None:
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.VAR_DIR).free
    if free < needed + SPARE_BYTES:
        raise RestoreFailed(
            f"It takes {filesizeformat(needed + SPARE_BYTES)}, and {settings.VAR_DIR} has room for "
            f"{filesizeformat(free)}."
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError):
        said = None
    if not isinstance(said, dict):
        raise RestoreFailed(f"The archive has no {path.name} that can be read: it is another program's.")
    return said
