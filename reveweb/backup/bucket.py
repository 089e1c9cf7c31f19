"""What is in the bucket of images and of what people brought: listed in a backup, and compared after a restore."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage, storages

from generator.files import uploads
from kit import storage


@dataclass(frozen=True)
class Listing:
    """A file of an archive, with a row for each object of one folder of a storage's."""

    name: str
    alias: str
    folder: str = ""

    @property
    def is_of_a_bucket(self) -> bool:
        """Tell whether these files are in a bucket at all."""
        return not isinstance(storages[self.alias], FileSystemStorage)

    def objects(self) -> Iterator[Any]:
        """Yield what is there, in the order of the keys' bytes. Raises StorageAway."""
        target: Any = storages[self.alias]
        prefix = "".join(f"{part}/" for part in (target.location.strip("/"), self.folder) if part)
        with storage.asked():
            yield from target.bucket.objects.filter(Prefix=prefix)

    def gone(self, kept: Path) -> Iterator[str]:
        """Yield the keys of a listing that was kept and that are not there any more. Raises StorageAway, OSError."""
        there = (each.key for each in self.objects())
        key = next(there, None)
        with kept.open(newline="") as file:
            for row in csv.DictReader(file):
                while key is not None and key.encode() < row["key"].encode():
                    key = next(there, None)
                if key != row["key"]:
                    yield row["key"]


# What a backup on a disk has the files of: all images, and of what is private all but exports.
LISTINGS = (Listing("bucket.csv", "default"), Listing("uploads.csv", "private", uploads.FOLDER))
