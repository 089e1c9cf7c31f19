"""A tar archive that is there whole or not at all, and says of each of its files what its bytes were."""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reveweb.backup.errors import BackupFailed

SUFFIXES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz"}
SUMS = "SHA256SUMS"  # as `sha256sum --check` reads it
_COMPRESSION = 1  # images and dumps are compressed already


class Archive:
    """An archive that is being written. `folder` is a private place for drafts, on the same disk."""

    def __init__(self, tar: tarfile.TarFile, folder: Path, sums: IO[str]) -> None:
        self.folder = folder
        self.bytes = 0
        self._tar = tar
        self._sums = sums

    def add(self, name: str, path: Path) -> int:
        """Add a file and return its size in bytes. Raises FileNotFoundError, and nothing is added then."""
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            self._add(name, file, found.st_size, found.st_mtime)
        return found.st_size

    def add_text(self, name: str, text: str) -> None:
        """Add what was just written."""
        data = text.encode()
        self._add(name, io.BytesIO(data), len(data), time.time())

    def _add(self, name: str, file: IO[bytes], size: int, at: float) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, int(at), 0o600
        reader = _Hashed(file)
        self._tar.addfile(member, reader)
        self._sums.write(f"{reader.hash.hexdigest()}  {name}\n")
        self.bytes += size


class _Hashed(io.RawIOBase):
    """A file that is read once, from its beginning to its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self.hash = hashlib.sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.hash.update(data)
        return data


def refuse(target: Path) -> None:
    """Raise BackupFailed when `target` can take no new archive."""
    if not any(target.name.endswith(suffix) and target.name != suffix for suffix in SUFFIXES):
        raise BackupFailed(f"{target.name} must end in {', '.join(SUFFIXES)}.")
    if target.exists() or target.is_symlink():
        raise BackupFailed(f"{target} is there already, and is not overwritten. Name another file.")
    if not os.access(target.parent, os.W_OK):
        raise BackupFailed(f"{target.parent} is no folder that can be written to.")


@contextmanager
def writing(target: Path) -> Iterator[Archive]:
    """Write an archive that gets its name once it is whole, readable by its owner alone.

    Raises BackupFailed. Whatever ends it early, only a folder beside `target` can be left, and only by a kill.
    """
    refuse(target)
    mode = next(mode for suffix, mode in SUFFIXES.items() if target.name.endswith(suffix))
    options = {"compresslevel": _COMPRESSION} if mode.endswith("gz") else {}
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))  # 0700
    try:
        draft, sums = folder / "archive", folder / SUMS
        with open(draft, "xb", opener=_private) as file:
            with (
                tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT, **options) as tar,  # type: ignore[call-overload]
                sums.open("w+") as lines,
            ):
                yield Archive(tar, folder, lines)
                lines.flush()
                tar.add(sums, arcname=SUMS, filter=_owned_by_nobody)
            file.flush()
            os.fsync(file.fileno())
        _name(draft, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _owned_by_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _name(draft: Path, target: Path) -> None:
    """Give a draft its name, unless somebody else took that meanwhile. Raises BackupFailed."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise BackupFailed(f"{target} came to be meanwhile, and is not overwritten.") from None
    except OSError:  # a disk without links
        refuse(target)
        draft.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
