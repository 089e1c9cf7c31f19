"""Who we are at Stripe: this installation's name, and the account that the key in use opens."""

import hashlib
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Model

from billing import gateway
from billing.models import Installation, Order, Price, StripeAccount, StripeCustomer, Subscription
from billing.models.identity import new_name


def installation() -> str:
    """Return this installation's name, by which it knows its own objects at Stripe."""
    return Installation.objects.get_or_create(pk=1)[0].name


def keeps_terms_since() -> datetime:
    """Return since when prices say what they bring for good: those of before were written down as they stood then."""
    return Installation.objects.get_or_create(pk=1)[0].created_at


def rename() -> str:
    """Give this installation, a copy that runs beside its original, a name of its own, and return it.

    What is on record at Stripe stays the original's: products, prices and customers are made anew.
    """
    Installation.objects.update_or_create(pk=1, defaults={"name": new_name()})
    return installation()


def is_live() -> bool:
    """Tell whether the key in use moves real money."""
    return str(settings.STRIPE_SECRET_KEY).startswith(("sk_live_", "rk_live_"))


def known() -> StripeAccount | None:
    """Return the Stripe account that the key in use opens, if Stripe was ever asked; it is not asked here."""
    names = Installation.objects.values("name")
    return StripeAccount.objects.filter(key_digest=_digest(), installation__in=names).first()


def presumed() -> StripeAccount | None:
    """Return the account that pages take for the one in use, without asking Stripe: a new key may open the same."""
    alike = StripeAccount.objects.filter(livemode=is_live(), installation__in=Installation.objects.values("name"))
    return known() or alike.order_by("-pk").first()


def account() -> StripeAccount:
    """Return the Stripe account and mode that the key in use opens.

    Stripe is asked the first time that a key is used: no transaction may be open. Raises PaymentUnavailable,
    PaymentRefused.
    """
    return known() or _asked()


def _asked() -> StripeAccount:
    stripe_id, live, name = gateway.account_id(), is_live(), installation()
    nameless = StripeAccount.objects.filter(stripe_id="", livemode=live, installation=name).first()
    is_it = nameless is not None and _is_this(nameless)
    with transaction.atomic():
        same = StripeAccount.objects.filter(stripe_id=stripe_id, livemode=live, installation=name)
        if is_it and not same.exists():
            StripeAccount.objects.filter(stripe_id="", livemode=live, installation=name).update(stripe_id=stripe_id)
        return StripeAccount.objects.update_or_create(
            stripe_id=stripe_id, livemode=live, installation=name, defaults={"key_digest": _digest()}
        )[0]


def _is_this(nameless: StripeAccount) -> bool:
    """Tell whether the key in use knows anything that an account without an id had; one that had nothing may be it."""
    asked = [gateway.knows(kind, stripe_id) for kind, stripe_id in _samples(nameless)]
    return any(asked) or not asked


def _samples(account: StripeAccount) -> Iterator[tuple[gateway.Kind, str]]:
    """Yield an id of each kind that an account has."""
    columns: tuple[tuple[gateway.Kind, type[Model], str], ...] = (
        ("price", Price, "stripe_id"),
        ("customer", StripeCustomer, "stripe_id"),
        ("subscription", Subscription, "stripe_id"),
        ("checkout", Order, "stripe_session_id"),
    )
    for kind, model, column in columns:
        ids = model._default_manager.filter(account=account).exclude(**{column: None}).order_by("-pk")
        if stripe_id := ids.values_list(column, flat=True).first():
            yield kind, stripe_id


def _digest() -> str:
    return hashlib.sha256(f"{settings.STRIPE_API_BASE} {settings.STRIPE_SECRET_KEY}".encode()).hexdigest()
