"""Who we are at Stripe: this installation's name, and the account that the key in use opens."""

import hashlib

from django.conf import settings
from django.db import transaction

from billing import gateway
from billing.models import Installation, StripeAccount


def installation() -> str:
    """Return this installation's name, by which it knows its own objects at Stripe."""
    return Installation.objects.get_or_create(pk=1)[0].name


def is_live() -> bool:
    """Tell whether the key in use moves real money."""
    return str(settings.STRIPE_SECRET_KEY).startswith(("sk_live_", "rk_live_"))


def account() -> StripeAccount:
    """Return the Stripe account and mode that the key in use opens.

    Stripe is asked the first time that a key is used: no transaction may be open. Raises PaymentUnavailable,
    PaymentRefused.
    """
    return known() or _named(gateway.account_id(), _key_digest())


def known() -> StripeAccount | None:
    """Return what `account` does, or None where Stripe would have to be asked."""
    return StripeAccount.objects.filter(key_digest=_key_digest()).first()


def _key_digest() -> str:
    return hashlib.sha256(f"{settings.STRIPE_API_BASE} {settings.STRIPE_SECRET_KEY}".encode()).hexdigest()


@transaction.atomic
def _named(stripe_id: str, digest: str) -> StripeAccount:
    found, _ = StripeAccount.objects.update_or_create(
        stripe_id=stripe_id, livemode=is_live(), defaults={"key_digest": digest}
    )
    return found
