"""Dashboard → Billing: the card on file, as a part of the page that asks Stripe once the page is there."""

import logging

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing import gateway
from billing.models import Wallet
from billing.pages.wallet import wallet_of
from billing.shapes import PaymentMethod
from billing.stripe import checkout, customers

log = logging.getLogger(__name__)

BRANDS = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "eftpos_au": "eftpos",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "unknown": "Card",
}


@login_required
@never_cache
@require_safe
def card(request: HttpRequest) -> HttpResponse:
    """What the next payment is charged to, in words; or that Stripe does not say so at the moment."""
    try:
        context = _words(_method_of(wallet_of(request)))
    except gateway.PaymentError as error:
        log.warning("The card on file could not be looked up: %s", error)
        context = {"is_away": True}
    return render(request, "billing/card.html", context)


def _method_of(wallet: Wallet) -> PaymentMethod | None:
    customer = customers.living(wallet)
    subscription = checkout.live_subscription(wallet)
    if customer is None or customer.stripe_id is None:
        return None
    return gateway.glance_at_method(customer.stripe_id, subscription.stripe_id if subscription else "")


def _words(method: PaymentMethod | None) -> dict[str, object]:
    if method is None:
        return {}
    if "card" not in method:
        return {"name": method["type"].replace("_", " ").capitalize()}
    card, now = method["card"], timezone.now()
    return {
        "name": BRANDS.get(card["brand"], card["brand"].capitalize()),
        "last4": card["last4"],
        "expires": f"{card['exp_month']:02d}/{card['exp_year']}",
        "is_over": (card["exp_year"], card["exp_month"]) < (now.year, now.month),
    }
