"""`backup FILE|s3://BUCKET/KEY [--without-images]`"""

import os
import signal
from argparse import SUPPRESS
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from reveweb.backup import making, nightly, places
from reveweb.backup.errors import BackupFailed
from reveweb.backup.places import File, Place
from reveweb.backup.progress import Progress

NICENESS = 15  # as of what can wait: the site goes first


class Command(BaseCommand):
    help = (
        "Write a backup of now, while the site runs: one archive with a consistent copy of the database and the images "
        "that it names (of a bucket, the list of what is in it). SECRET_KEY and the rest of the environment are not in "
        "it. docs/operating.md says how to put it back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "target",
            nargs="?",
            default="",
            metavar="FILE|s3://BUCKET/KEY",
            help="as in /backups/site.tar, or .tar.gz; one that is there is kept",
        )
        parser.add_argument("--without-images", action="store_true", help="the database alone")
        parser.add_argument("--of-night", nargs=2, help=SUPPRESS)  # what a worker starts, with a row and its claim

    def handle(self, *, target: str, without_images: bool, of_night: list[str] | None, **options: Any) -> None:
        os.nice(NICENESS)
        signal.signal(signal.SIGTERM, _interrupt)  # so that no draft is left behind
        if of_night:
            nightly.make(int(of_night[0]), of_night[1])
            return
        if not target:
            raise CommandError("Name a file, as in: manage.py backup /srv/backups/site.tar")
        told = Progress()
        try:
            place = places.named(target)
            report = making.make(place, with_images=not without_images, progress=told)
        except BackupFailed as error:
            raise CommandError(str(error)) from None
        finally:
            told.clear()
        self._tell(place, report)

    def _tell(self, place: Place, report: making.Report) -> None:
        copy, images = report.database, report.images
        size, whole = filesizeformat(report.database_bytes), filesizeformat(place.size())
        readers = "readable by you alone" if isinstance(place, File) else "readable by whoever may read the bucket"
        self.stdout.write(f"{place}: {whole}, {readers}")
        self.stdout.write(f"  database: {copy.kind}, {size}, {sum(copy.rows.values()):,} rows, {copy.images:,} images")
        self.stdout.write(f"  images: {_of_images(images)}")
        if images.missing:
            self.stdout.write(f"  {images.missing:,} have no file: deleted meanwhile, or see manage.py check_storage")
        self.stdout.write("  not in it: SECRET_KEY and what else is in the environment or .env. Keep them elsewhere.")


def _of_images(images: making.Images) -> str:
    words = f"{images.files:,} files, {filesizeformat(images.bytes)}"
    return {
        "folder": words,
        "bucket": f"the list of the bucket's {words}, and not the files: have the bucket keep versions or a copy",
        "left out": "left out, as you asked",
    }[images.kind]


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
