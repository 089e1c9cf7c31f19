"""`restore FILE [--check] [--with-another-secret]`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reveweb.backup import places, restoring
from reveweb.backup.errors import RestoreFailed
from reveweb.backup.progress import Progress
from reveweb.backup.reading import Backup
from reveweb.backup.restoring import Report


class Command(BaseCommand):
    help = (
        "Put a backup back, into an installation that is empty and of the same kind of database, with nothing running: "
        "its files, its rows, this version's migrations, and then the audit of the books. Mails, webhooks and images "
        "that were under way are ended, not done again."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="FILE|s3://BUCKET/KEY", help="what manage.py backup made")
        parser.add_argument("--check", action="store_true", help="only find out whether it could be restored here")
        parser.add_argument(
            "--with-another-secret", action="store_true", help="the SECRET_KEY that it was made with is lost"
        )

    def handle(self, *, source: str, check: bool, with_another_secret: bool, **options: Any) -> None:
        progress = Progress()
        work = restoring.check if check else restoring.restore
        try:
            found = work(places.named(source), any_secret=with_another_secret, progress=progress)
        except RestoreFailed as error:
            raise CommandError(str(error)) from None
        finally:
            progress.clear()
        if isinstance(found, Backup):
            self.stdout.write(f"{source}: whole, {_made(found)}. It can be restored here. Nothing was changed.")
            return
        self._tell(source, found)
        if found.uncompared:
            raise CommandError(
                f"It was restored, but could not be compared ({found.uncompared}). Run manage.py audit_ledger and "
                "manage.py check_storage."
            )
        if not found.is_clean:
            raise CommandError("It was restored, and not all is as it should be: see above.")

    def _tell(self, source: str, report: Report) -> None:
        say, settled = self.stdout.write, report.settled
        say(f"{source}: {_made(report.backup)}")
        say(f"  database: {report.backup.kind}, {report.backup.rows:,} rows; files: {report.files:,}")
        say(
            f"  not done again: {settled.generations:,} images that were not drawn yet (their credits returned), "
            f"{settled.mails:,} mails, {settled.messages:,} webhook messages, {settled.exports:,} exports; "
            f"{settled.acts:,} acts on many are paused"
        )
        for drift in report.drifts:
            say(f"  {drift}")
        if not report.uncompared:
            say(f"  books: {report.wallets:,} accounts, {len(report.drifts) or 'no'} drift")
            say(f"  files: {_of_files(report)}")
        for path in report.first_missing:
            say(f"    {path} is missing")
        say("Next: empty Redis unless it is new, run manage.py collectstatic, start the processes, and run")
        say("manage.py reconcile_stripe --repair for what was paid since. docs/operating.md says what else is lost.")


def _made(backup: Backup) -> str:
    return f"made {backup.manifest['at'][:16].replace('T', ' ')} UTC by reveweb {backup.manifest['reveweb']}"


def _of_files(report: Report) -> str:
    kind = report.backup.manifest["images"]["kind"]
    if kind == "bucket":
        return (
            f"{report.gone:,} objects are not in the bucket any more"
            if report.gone
            else "the bucket has all that it had"
        )
    words = f"{report.images:,} images, {report.missing or 'none'} without a file"
    return f"{words}; the backup was made without them" if kind == "left out" else words
