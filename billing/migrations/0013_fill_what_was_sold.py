"""Write down what the rows of before were: prices as plans and packs stand today, whose ids they are, which subscription
a period's credits belong to.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import migrations
from django.db.models import Q

GRACE = timedelta(days=3)  # that a period's credits had beyond its end
CHUNK = 500


def fill(apps, schema_editor):
    models = {name: apps.get_model("billing", name) for name in NAMES}
    models["Installation"].objects.get_or_create(pk=1, defaults={"name": _name()})
    account = _account(models)
    if account is None:
        return
    _prices(models, account)
    _customers(models, account)
    _subscriptions(models, account)
    _orders(models, account)
    models["StripeEvent"].objects.filter(account=None).update(account=account, livemode=account.livemode)
    _payments(models, account)
    _grants(models)


NAMES = ("CreditGrant", "Installation", "Order", "Payment", "Price", "StripeAccount", "StripeCustomer", "StripeEvent",
         "Subscription", "Wallet")


def _name():
    """Return the name that this installation had at Stripe until now, a digest of its secret."""
    return hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest()[:12]


def _account(models):
    """Return the account that every id is of; it has no name yet, for Stripe is not asked here."""
    used = (
        models["Price"].objects.all(),
        models["Wallet"].objects.filter(stripe_customer_id__isnull=False),
        models["Order"].objects.all(),
        models["StripeEvent"].objects.all(),
    )
    if not any(rows.exists() for rows in used):
        return None
    live = settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
    return models["StripeAccount"].objects.get_or_create(stripe_id="", livemode=live)[0]


def _prices(models, account):
    for price in models["Price"].objects.select_related("plan", "pack"):
        product = price.plan or price.pack
        price.account, price.credits, price.stripe_product_id = account, product.credits, product.stripe_product_id
        price.interval = price.plan.interval if price.plan else ""
        price.save()


def _customers(models, account):
    known = models["Wallet"].objects.filter(stripe_customer_id__isnull=False)
    rows = known.values_list("pk", "stripe_customer_id", "user__email", "user__name", "created_at")
    models["StripeCustomer"].objects.bulk_create(
        (
            models["StripeCustomer"](
                wallet_id=pk, account=account, stripe_id=stripe_id, email=email, name=name, created_at=created_at
            )
            for pk, stripe_id, email, name, created_at in rows.iterator(CHUNK)
        ),
        batch_size=CHUNK,
    )


def _subscriptions(models, account):
    prices = dict(models["Price"].objects.values_list("stripe_id", "pk"))
    for row in models["Subscription"].objects.iterator(CHUNK):
        row.account, row.price_id = account, prices.get(row.stripe_price_id)
        row.save(update_fields=["account", "price"])


def _orders(models, account):
    for row in models["Order"].objects.iterator(CHUNK):
        prices = models["Price"].objects.filter(plan=row.plan_id, pack=row.pack_id)
        then = prices.filter(created_at__lte=row.created_at).exclude(retired_at__lte=row.created_at)
        # A price comes to Stripe in the moment in which it is first asked for, a little after the order.
        row.account, row.price = account, then.order_by("-pk").first() or prices.order_by("pk").first()
        row.save(update_fields=["account", "price"])


def _payments(models, account):
    subscriptions = dict(models["Subscription"].objects.values_list("stripe_id", "pk"))
    prices = dict(models["Price"].objects.values_list("stripe_id", "pk"))
    invoices = _invoices(models)
    orders = models["Order"].objects
    for row in models["Payment"].objects.select_related("grant").iterator(CHUNK):
        kind, _, stripe_id = row.reference.partition(":")
        row.account, row.credits = account, row.grant.amount if row.grant else None
        if kind == "invoice":
            subscription, price, _ = invoices.get(stripe_id, ("", "", None))
            row.stripe_invoice_id = stripe_id
            row.subscription_id = subscriptions.get(subscription) or _only(models, row.wallet_id, row.created_at)
            row.price_id = prices.get(price)
        else:
            row.price_id = orders.filter(stripe_session_id=stripe_id).values_list("price", flat=True).first()
        row.save(update_fields=["account", "credits", "stripe_invoice_id", "subscription", "price"])


def _invoices(models):
    """Return of each invoice that an event told of its subscription, the price it charges, and its period's beginning."""
    found = {}
    told = models["StripeEvent"].objects.filter(type="invoice.paid").values_list("payload", flat=True)
    for payload in told.iterator(CHUNK):
        invoice = payload["data"]["object"]
        details = ((invoice.get("parent") or {}).get("subscription_details")) or {}
        lines = [line for line in invoice.get("lines", {}).get("data", []) if line["amount"] >= 0]
        line = max(lines, key=lambda line: line["period"]["end"], default=None)
        pricing = ((line or {}).get("pricing") or {}).get("price_details") or {}
        start = datetime.fromtimestamp(line["period"]["start"], UTC) if line else None
        found[invoice["id"]] = (details.get("subscription", ""), pricing.get("price", ""), start)
    return found


def _only(models, wallet, at):
    """Return the subscription that a wallet had at a moment, if there was but one."""
    had = models["Subscription"].objects.filter(Q(ended_at=None) | Q(ended_at__gte=at), wallet=wallet)
    found = list(had.values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None


def _grants(models):
    """A period's credits belong to the subscription that was paid."""
    starts = {invoice: start for invoice, (_, _, start) in _invoices(models).items()}
    for grant in models["CreditGrant"].objects.filter(source="plan").select_related("payment").iterator(CHUNK):
        payment = getattr(grant, "payment", None)
        grant.subscription_id = (
            payment.subscription_id if payment else _only(models, grant.wallet_id, grant.created_at)
        )
        grant.period_start = starts.get(payment.stripe_invoice_id) if payment else None
        grant.period_end = grant.expires_at - GRACE if grant.expires_at else None
        grant.save(update_fields=["subscription", "period_start", "period_end"])


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_what_was_sold")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
