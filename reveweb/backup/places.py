"""Where an archive lies: a file, or an object in a bucket. Either is there whole, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from reveweb.backup import drafts, s3
from reveweb.backup.errors import BackupFailed, RestoreFailed


class Place(Protocol):
    """Where one archive lies, or is to lie. `str` of it is what an operator would type."""

    @property
    def name(self) -> str:
        """Return the last part of where it is."""

    def writing(self) -> AbstractContextManager[tuple[IO[bytes], Path]]:
        """Give a file to write the archive to, and a private folder for drafts.

        It is found once the block ends well, and replaces nothing. Raises BackupFailed.
        """

    def reading(self) -> AbstractContextManager[IO[bytes]]:
        """Give the archive, to be read once from its beginning. Raises RestoreFailed."""

    def size(self) -> int:
        """Return how many bytes it has. Raises RestoreFailed."""


class File:
    """An archive on a disk of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.path.name

    def size(self) -> int:
        """Return how many bytes it has. Raises RestoreFailed."""
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise RestoreFailed(f"{self.path} cannot be read: {error.strerror}.") from None

    @contextmanager
    def reading(self) -> Iterator[IO[bytes]]:
        """Open it. Raises RestoreFailed."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise RestoreFailed(f"{self.path} cannot be read: {error.strerror}.") from None
        with file:
            yield file

    @contextmanager
    def writing(self) -> Iterator[tuple[IO[bytes], Path]]:
        """Write a draft that gets its name once it is whole, readable by its owner alone.

        Whatever ends it early, only a folder beside it can be left, and only by a kill. Raises BackupFailed.
        """
        self._refuse()
        folder = Path(tempfile.mkdtemp(prefix=f".{self.name}.", dir=self.path.parent))  # 0700
        try:
            draft = folder / "archive"
            with open(draft, "xb", opener=_private) as file:
                yield file, folder
                file.flush()
                os.fsync(file.fileno())
            self._take(draft)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _refuse(self) -> None:
        if self.path.exists() or self.path.is_symlink():
            raise BackupFailed(f"{self.path} is there already, and is not overwritten. Name another file.")
        if not os.access(self.path.parent, os.W_OK):
            raise BackupFailed(f"{self.path.parent} is no folder that can be written to.")

    def _take(self, draft: Path) -> None:
        """Give a draft its name, unless somebody else took that meanwhile. Raises BackupFailed."""
        try:
            os.link(draft, self.path)
        except FileExistsError:
            raise BackupFailed(f"{self.path} came to be meanwhile, and is not overwritten.") from None
        except OSError:  # a disk without links
            self._refuse()
            draft.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Folder:
    """A folder of this machine, with archives in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def place(self, name: str) -> File:
        """Return where an archive of that name lies, or would."""
        return File(self._path / name)

    def names(self) -> list[str]:
        """Return the names of whatever is there. Raises OSError."""
        return [path.name for path in self._path.iterdir() if path.is_file()]

    def remove(self, name: str) -> None:
        """Delete an archive. Raises OSError."""
        (self._path / name).unlink(missing_ok=True)

    def sweep(self, prefix: str) -> None:
        """Delete the drafts of backups that were killed."""
        drafts.sweep(self._path, f".{prefix}*")


def named(text: str) -> Place:
    """Return the place that an operator typed. Raises BackupFailed."""
    if not text.startswith(s3.SCHEME):
        return File(Path(text).absolute())
    bucket, key = s3.parsed(text)
    if not bucket or not key:
        raise BackupFailed(f"{text} must name a file in a bucket, as in s3://bucket/folder/site.tar.")
    return s3.Object(bucket, key)


Shelf = Folder | s3.Shelf


def shelf(text: str) -> Shelf:
    """Return the folder, here or in a bucket, that an operator named."""
    return s3.Shelf(*s3.parsed(text)) if text.startswith(s3.SCHEME) else Folder(Path(text))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
