"""`reconcile_stripe [--since DAYS] [--repair]`"""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import gateway
from billing.stripe import reconcile


class Command(BaseCommand):
    help = "List where the books differ from Stripe's; with --repair fix what is certain. Exits 1 if anything is left."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=int, default=7, metavar="DAYS", help="how far back to look, 7 by default")
        parser.add_argument("--repair", action="store_true")

    def handle(self, *, since: int, repair: bool, **options: Any) -> None:
        if not settings.PAYMENTS:
            raise CommandError("STRIPE_SECRET_KEY is not set.")
        if not 1 <= since <= 3650:
            raise CommandError("--since is a number of days from 1 to 3650.")
        left = 0
        try:
            for drift in reconcile.compare(since=int(time.time()) - since * 86_400, repair=repair):
                self.stdout.write(drift.words + (": mended" if drift.mended else ""))
                left += not drift.mended
        except gateway.PaymentError as error:
            found = f"{left} differences were left until then" if left else "nothing was found until then"
            raise CommandError(f"Stripe gave no more to compare with, and {found}: {error}") from None
        if left:
            raise CommandError(f"{left} differences are left." if repair else f"{left} differences.")
        self.stdout.write("The books agree with Stripe.")
