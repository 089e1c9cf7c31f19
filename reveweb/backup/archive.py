"""A tar archive that is there whole or not at all, and says of each of its files what its bytes were."""

import gzip
import hashlib
import io
import itertools
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from reveweb.backup.errors import BackupFailed, RestoreFailed
from reveweb.backup.places import Place

SUFFIXES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz"}
SUMS = "SHA256SUMS"  # as `sha256sum --check` reads it
_COMPRESSION = 1  # images and dumps are compressed already
_FOUND_SUMS = ".found"  # what we count ourselves while we unpack
_AT_ONCE = 1024 * 1024


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


@contextmanager
def writing(place: Place) -> Iterator[Archive]:
    """Write an archive that is to be found at `place` once it is whole. Raises BackupFailed."""
    mode = next((mode for suffix, mode in SUFFIXES.items() if is_named(place.name, suffix)), None)
    if mode is None:
        raise BackupFailed(f"{place.name} must end in {', '.join(SUFFIXES)}.")
    options = {"compresslevel": _COMPRESSION} if mode.endswith("gz") else {}
    with place.writing() as (file, folder):
        sums = folder / SUMS
        with (
            # The mode is known as it runs, and typed by what it says.
            tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT, **options) as tar,  # type: ignore[call-overload]
            sums.open("w+") as lines,
        ):
            yield Archive(tar, folder, lines)
            lines.flush()
            tar.add(sums, arcname=SUMS, filter=_owned_by_nobody)


@contextmanager
def unpacking(place: Place, folder: Path) -> Iterator["Unpacking"]:
    """Read the archive at `place` from its beginning, into `folder`. Raises RestoreFailed for one that is damaged."""
    try:
        with (
            place.reading() as file,
            tarfile.open(fileobj=file, mode="r|*") as tar,
            (folder / _FOUND_SUMS).open("w+") as lines,
        ):
            yield Unpacking(tar, folder, lines)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RestoreFailed(f"{place} is damaged, or not whole: {error or 'it ends too soon'}.") from error


class Unpacking:
    """An archive that is being read. Nothing of it is to be used until `check` said that it is whole."""

    def __init__(self, tar: tarfile.TarFile, folder: Path, sums: IO[str]) -> None:
        self.bytes = 0
        self._tar = tar
        self._folder = folder
        self._sums = sums

    def files(self) -> Iterator[str]:
        """Write one file after the other into the folder, and yield its name. Raises RestoreFailed, OSError."""
        for member in self._tar:
            name = member.name
            content = self._tar.extractfile(member) if member.isreg() else None
            if content is None or not _is_harmless(name):
                raise RestoreFailed(f"{name!r} is nothing that a backup has: this archive is another program's.")
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            reader = _Hashed(content)
            with open(path, "xb") as file:
                shutil.copyfileobj(reader, file, _AT_ONCE)
            os.utime(path, (member.mtime, member.mtime))  # what a night's tidying goes by
            self.bytes += member.size
            if name != SUMS:
                self._sums.write(f"{reader.hash.hexdigest()}  {name}\n")
            yield name

    def check(self) -> None:
        """Raise RestoreFailed unless everything is there, each file with the bytes that it had."""
        self._sums.flush()
        try:
            said = (self._folder / SUMS).open()
        except FileNotFoundError:
            raise RestoreFailed(f"The archive is not whole: it has no {SUMS}, which comes last.") from None
        with said, (self._folder / _FOUND_SUMS).open() as found:
            for meant, there in itertools.zip_longest(said, found):
                if meant != there:
                    name = (meant or there or "").partition("  ")[2].strip()
                    raise RestoreFailed(f"The archive is damaged: {name} is not what it was.")


def is_named(name: str, suffix: str) -> bool:
    """Tell whether a file's name ends so, and is more than that."""
    return name.endswith(suffix) and name != suffix


def _is_harmless(name: str) -> bool:
    """Tell whether a name stays in its folder, as ours do."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name


def _owned_by_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member
