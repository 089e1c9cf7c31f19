"""`grant_credits EMAIL N --reason TEXT`"""

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from billing import ledger
from billing.errors import AccountClosed, NothingToTake
from billing.staff import acts


class Command(BaseCommand):
    help = "Grant N credits, or take -N away (never below zero), and print the new balance."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("credits", type=int, metavar="N")
        parser.add_argument("--reason", required=True, help="kept in the account's history")

    def handle(self, *, email: str, credits: int, reason: str, **options: Any) -> None:
        user = User.objects.find(email)
        if user is None:
            raise CommandError(f"Nobody is registered as {email}.")
        if not credits or abs(credits) > 1_000_000:
            raise CommandError("N is 1 to 1000000 credits to grant, or -1 to -1000000 to take.")
        if not reason.strip() or len(reason) > 300:
            raise CommandError("--reason is 1 to 300 characters.")
        wallet, reference = ledger.wallet_of(user.pk), f"staff:{uuid.uuid4()}"
        try:
            act = acts.grant if credits > 0 else acts.take
            entry = act(actor=None, wallet=wallet, credits=abs(credits), reason=reason, reference=reference)
        except NothingToTake:
            self.stdout.write("0")
        except AccountClosed as error:
            raise CommandError(str(error)) from None
        else:
            self.stdout.write(str(entry.balance_after))
