"""`audit_ledger`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.models import Wallet
from billing.staff import audit


class Command(BaseCommand):
    help = "Prove that every balance follows from its entries; name each drift and exit 1 if there is one."

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for drift in audit.drifts():
            self.stdout.write(drift)
            found += 1
        if found:
            raise CommandError(f"{found} drifts.")
        self.stdout.write(f"{Wallet.objects.count()} accounts, no drift.")
