"""`backup FILE [--without-images]`"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from reveweb.backup import making
from reveweb.backup.errors import BackupFailed

NICENESS = 15  # as of what can wait: the site goes first


class Command(BaseCommand):
    help = (
        "Write a backup of now, while the site runs: one archive with a consistent copy of the database and the images "
        "that it names (of a bucket, the list of what is in it). SECRET_KEY and the rest of the environment are not in "
        "it. docs/operating.md says how to put it back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="as in /backups/site.tar, or .tar.gz; one that is there is kept")
        parser.add_argument("--without-images", action="store_true", help="the database alone")

    def handle(self, *, file: Path, without_images: bool, **options: Any) -> None:
        os.nice(NICENESS)
        signal.signal(signal.SIGTERM, _interrupt)  # so that no draft is left behind
        told = _Progress()
        try:
            report = making.make(file.absolute(), with_images=not without_images, progress=told)
        except BackupFailed as error:
            raise CommandError(str(error)) from None
        finally:
            told.clear()
        self._tell(file, report)

    def _tell(self, file: Path, report: making.Report) -> None:
        copy, images = report.database, report.images
        size, whole = filesizeformat(report.database_bytes), filesizeformat(file.stat().st_size)
        self.stdout.write(f"{file}: {whole}, readable by you alone")
        self.stdout.write(f"  database: {copy.kind}, {size}, {sum(copy.rows.values()):,} rows, {copy.images:,} images")
        self.stdout.write(f"  images: {_of_images(images)}")
        if images.missing:
            self.stdout.write(f"  {images.missing:,} have no file: deleted meanwhile, or see manage.py check_storage")
        self.stdout.write("  not in it: SECRET_KEY and what else is in the environment or .env. Keep them elsewhere.")


class _Progress:
    """Says on a terminal, in one line, how far it is."""

    def __init__(self) -> None:
        self._said_at = float("-inf")
        self._is_wanted = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        if self._is_wanted and time.monotonic() - self._said_at > 0.2:
            self._said_at = time.monotonic()
            sys.stderr.write(f"\r\033[K{words}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._is_wanted:
            sys.stderr.write("\r\033[K")


def _of_images(images: making.Images) -> str:
    words = f"{images.files:,} files, {filesizeformat(images.bytes)}"
    return {
        "folder": words,
        "bucket": f"the list of the bucket's {words}, and not the files: have the bucket keep versions or a copy",
        "left out": "left out, as you asked",
    }[images.kind]


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
