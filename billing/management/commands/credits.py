"""`credits EMAIL`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from billing import ledger
from billing.models import CreditEntry


class Command(BaseCommand):
    help = "Print the balance, then the last 20 entries, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *, email: str, **options: Any) -> None:
        user = User.objects.find(email)
        if user is None:
            raise CommandError(f"Nobody is registered as {email}.")
        wallet = ledger.wallet_of(user.pk)
        self.stdout.write(str(wallet.balance))
        for entry in wallet.entries.select_related(*CreditEntry.ABOUT)[:20]:
            self.stdout.write(
                f"{entry.created_at:%Y-%m-%d %H:%M:%S}  {entry.amount:+5d}  {entry.balance_after:5d}  "
                f"{entry.get_kind_display():<9}  {entry.cause}  [{entry.about}]"
            )
