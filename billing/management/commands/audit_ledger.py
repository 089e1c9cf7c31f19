"""`audit_ledger`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.errors import BooksMoved
from billing.models import Wallet
from billing.staff import audit, comparing, repairs

REASON = "audit_ledger --repair"


class Command(BaseCommand):
    help = "Prove that every balance follows from its entries; name each drift and exit 1 if there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="Say what would bring kept figures in line with the entries, and do it when that is confirmed.",
        )
        parser.add_argument("--yes", action="store_true", help="Confirm it without being asked.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["repair"]:
            self._repair(options["yes"])
        if found := self._compared() if options["repair"] else self._looked():
            raise CommandError(f"{found} drifts.")
        self.stdout.write(f"{Wallet.objects.count()} accounts, no drift.")

    def _looked(self) -> int:
        """Name each drift, and return how many there are. Writes nothing."""
        found = 0
        for drift in audit.drifts():
            self.stdout.write(drift)
            found += 1
        return found

    def _compared(self) -> int:
        """Do the same as a comparison, by which alarms and pages go: the last one found what is repaired now."""
        begun = comparing.begin()
        if begun is None:
            self.stdout.write(
                "Another comparison is under way, and may have begun before: compare again once it ended."
            )
            return self._looked()
        return comparing.run(begun, tell=self.stdout.write).found

    def _repair(self, yes: bool) -> None:
        figures = repairs.planned(None)
        for figure in figures:
            self.stdout.write(figure.words)
        if not figures:
            self.stdout.write("There is nothing that can be repaired.")
            return
        if not yes and input("Do exactly this? [y/N] ").strip().lower() != "y":
            raise CommandError("Nothing was changed.")
        wallets = {figure.wallet for figure in figures}
        try:
            repairs.repair(actor=None, wallets=wallets, shown=repairs.digest(figures), reason=REASON)
        except BooksMoved as error:
            raise CommandError("The figures are others by now: nothing was changed. Begin anew.") from error
        self.stdout.write(f"{len(figures)} figure{'' if len(figures) == 1 else 's'} repaired.")
