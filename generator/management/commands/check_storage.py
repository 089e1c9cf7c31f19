"""`check_storage [--repair]`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generator.files import leftovers
from generator.models import Generation


class Command(BaseCommand):
    help = (
        "Compare storage with the rows. With --repair delete the files that nothing needs and have missing thumbnails "
        "made. Exits 1 if anything is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true")

    def handle(self, *, repair: bool, **options: Any) -> None:
        report = leftovers.compare(repair=repair)
        self.stdout.write(f"{report.files} files, {report.images} images.")
        self._tell(report.leftovers, "files that nothing needs", f"{report.deleted} deleted" if repair else "")
        self._tell(report.unnamed, "files that no row names", f"deleted after {leftovers.VERY_OLD.days} days")
        self._tell(report.thumbnails, "images without all thumbnails", "they will be made" if repair else "")
        self._tell(report.missing_uploads, "uploads without their file", "")
        self._tell(report.missing, "images without their file", "")
        for public_id in Generation.objects.filter(pk__in=report.missing_ids).values_list("public_id", flat=True):
            self.stdout.write(f"  {public_id}")
        if report.looks_like_anothers:
            raise CommandError("Most files belong to no row: is this the right storage, and the right database?")
        if (
            report.missing
            or report.missing_uploads
            or (report.leftovers - report.deleted)
            or (report.thumbnails and not repair)
        ):
            raise CommandError("Storage and rows differ.")
        self.stdout.write("Storage and rows agree.")

    def _tell(self, count: int, what: str, addition: str) -> None:
        if count:
            self.stdout.write(f"{count} {what}" + (f" ({addition})" if addition else ""))
