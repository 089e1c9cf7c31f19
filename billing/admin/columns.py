"""How the lists of this app name people, causes, money and what is at Stripe."""

from typing import Any

from django.conf import settings
from django.contrib.admin.utils import quote
from django.db.models import QuerySet, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import read_only
from billing import identity
from billing.catalogue import money
from billing.models import CreditEntry, Price, StripeAccount, Wallet

AMOUNTS = {"price", "amount", "paid", "refunded"}  # what is money in an audit record
PAGES = {
    "generation": "generator_generation",
    "checkout": "billing_payment",
    "invoice": "billing_payment",
    "dispute": "billing_dispute",
    "grant": "billing_creditgrant",
}


def person(wallet: Wallet | None) -> SafeString | str:
    """Return a link to the wallet's owner."""
    return read_only.person(wallet.user) if wallet else "–"


def cause_url(reference: str) -> str:
    """Return the admin's page about what an entry's reference names, or "" where there is none."""
    kind, _, rest = reference.partition(":")
    if kind not in PAGES:
        return ""
    id = rest.partition(":")[0]
    key = f"{kind}:{id}" if PAGES[kind] == "billing_payment" else id
    return reverse(f"admin:{PAGES[kind]}_change", args=[quote(key)])


def with_sight(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    """Add to rows of the books whether the viewer sees images: `because` tells them what may be said of one."""
    seeing: QuerySet[Any] = rows.annotate(sees_images=Value(request.user.has_perm("generator.view_generation")))
    return seeing


def because(entry: CreditEntry, sees_images: bool) -> tuple[str, str]:
    """Return the cause of an entry in words, and the page about it, "" where there is none or not for the viewer.

    What an upstream said of an image that was not made may repeat its prompt.
    """
    if sees_images or not entry.about.startswith("generation:"):
        return entry.cause, cause_url(entry.about)
    is_told = entry.kind == CreditEntry.Kind.RELEASE
    return ("Returned: the image was not made" if is_told else entry.cause), ""


def terms(amount: int, currency: str, interval: str) -> str:
    """Return a price in words: $9.00 USD a month."""
    if not amount:
        return "Free"
    words = money.full(amount, currency)
    return f"{words} a {interval}" if interval else words


def terms_of(price: Price) -> str:
    """Return what a price asks for, in words."""
    return terms(price.amount, price.currency, price.interval)


def short(stripe_id: str | None) -> SafeString | str:
    """Return an id for a list, which a long one would make wider than a screen."""
    return read_only.reference(stripe_id) if stripe_id else "–"


def account_name(account: StripeAccount | None) -> SafeString | str:
    """Return an account and its mode, briefly."""
    if account is None:
        return "Not known"
    words = short(account.stripe_id) if account.stripe_id else "Earlier"
    return format_html("{}, {}", words, "live" if account.livemode else "test")


def at_stripe(account: StripeAccount | None, kind: str, stripe_id: str | None) -> SafeString | str:
    """Return an id of Stripe's, as a link to its page in the dashboard where there is one."""
    url = stripe_url(account, kind, stripe_id)
    return read_only.link(url, stripe_id) if url else stripe_id or "–"


def stripe_url(account: StripeAccount | None, kind: str, stripe_id: str | None) -> str:
    """Return the dashboard's page of an object of an account and mode, "" where there is none.

    `kind` is the dashboard's word, as in `customers`. The stand-in has a page for each of its objects.
    """
    if account is None or not stripe_id:
        return ""
    if settings.EMBEDDED_STRIPE and account == identity.known():
        return f"{settings.STRIPE_API_BASE}/stripe/object/{stripe_id}"
    if not account.stripe_id:
        return ""
    mode = "" if account.livemode else "test/"
    return f"https://dashboard.stripe.com/{account.stripe_id}/{mode}{kind}/{stripe_id}"


def readable(data: dict[str, Any]) -> dict[str, Any]:
    """Return an audit record's values for people: amounts beside a currency as money, not in minor units."""
    currency, amounts = data.get("currency"), AMOUNTS & data.keys()
    if not isinstance(currency, str) or not amounts:
        return data
    shown = {name: money.full(value, currency) if name in amounts else value for name, value in data.items()}
    del shown["currency"]  # each amount names it
    return shown
