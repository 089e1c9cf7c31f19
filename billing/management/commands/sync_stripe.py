"""`sync_stripe`"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing import gateway
from billing.catalogue import products


class Command(BaseCommand):
    help = "Create or update the Stripe products and prices of all active plans and packs; run it again at will."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.PAYMENTS:
            raise CommandError("STRIPE_SECRET_KEY is not set.")
        try:
            for change in products.sync():
                self.stdout.write(f"{change.product}: {change.words}")
        except gateway.PaymentError as error:
            raise CommandError(f"Stripe: {error}") from None
