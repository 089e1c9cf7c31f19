"""Invoices of subscriptions: each paid one brings its period's credits, once."""

import logging
from datetime import UTC, datetime

from billing import gateway, ledger
from billing.catalogue import products
from billing.errors import NotYet
from billing.models import (
    CreditEntry,
    CreditGrant,
    Plan,
    Subscription,
    Wallet,
)
from billing.outbox import mail
from billing.shapes import Invoice, InvoiceLine
from billing.stripe import ours
from billing.stripe.events.shared import (
    Books,
    moment,
    note_payment,
    paid_too_late,
    payment_intent_of,
)
from billing.stripe.events.subscriptions import first_or_undone, upsert

log = logging.getLogger(__name__)


def invoice_paid(invoice: Invoice) -> Books | None:
    """Grant the credits of a plan's period, once per invoice; one-off invoices are ignored.

    What a closed account still paid is paid back.
    """
    invoice = gateway.retrieve_invoice(invoice["id"])
    wallet = ours.wallet_of_invoice(invoice)
    subscription_id = ours.subscription_of(invoice)
    if not subscription_id or invoice["status"] != "paid":
        return None
    read_at = moment()
    subscription, is_second = first_or_undone(wallet, gateway.retrieve_subscription(subscription_id))
    payment_intent = payment_intent_of(invoice)
    is_late = paid_too_late(wallet, f"invoice:{invoice['id']}", payment_intent)

    def write() -> None:
        upsert(wallet, subscription, read_at)
        if is_late:
            _note_invoice(wallet, invoice, payment_intent, None, "Paid after the account was closed")
        elif is_second:
            _note_invoice(wallet, invoice, payment_intent, None, "A second subscription, paid back")
        elif invoice["billing_reason"] == "subscription_update":
            _grant_upgrade(wallet, invoice, payment_intent)
        else:
            _grant_period(wallet, invoice, payment_intent)

    return write


def invoice_failed(invoice: Invoice) -> Books | None:
    """Tell the user that their card was declined or that their bank needs their approval."""
    wallet = ours.wallet_of_invoice(invoice)
    attempt = invoice.get("attempt_count") or 1
    return lambda: mail.queue(
        wallet,
        "payment_failed",
        reference=f"invoice_failed:{invoice['id']}:{attempt}",
        amount=invoice.get("amount_due") or 0,
        currency=invoice.get("currency") or "",
        renewal=invoice.get("billing_reason") == "subscription_cycle",
    )


def _grant_period(wallet: Wallet, invoice: Invoice, payment_intent: str | None) -> None:
    line = _plan_line(invoice)
    plan = products.product_of(_price_of(line)) if line else None
    if line is None or not isinstance(plan, Plan):
        raise NotYet(f"no plan for the price of {invoice['id']}")
    reference = f"invoice:{invoice['id']}"
    period_end = _end_of(line)
    known = CreditEntry.objects.filter(reference=reference).exists()
    superseded = not known and _is_over(wallet, period_end)
    granted = ledger.grant(
        wallet=wallet,
        credits=plan.credits,
        source=CreditGrant.Source.PLAN,
        reference=reference,
        cause=f"{plan.name}: credits until {period_end:%d %B %Y}",
        expires_at=period_end + ledger.PERIOD_GRACE,
    )
    if not known:
        _end_earlier_periods(wallet, granted, period_end, superseded=superseded)
    _note_invoice(wallet, invoice, payment_intent, granted, plan.name)
    template = "receipt" if invoice["billing_reason"] == "subscription_create" else "renewal"
    mail.queue(
        wallet,
        template,
        reference=f"{template}:{reference}",
        product=plan.name,
        credits=plan.credits,
        amount=invoice["amount_paid"],
        currency=invoice["currency"],
        until=f"{period_end.day} {period_end:%B %Y}",
    )


def _is_over(wallet: Wallet, period_end: datetime) -> bool:
    """Tell whether a later period's credits are here already: then these come late, their events out of order."""
    return CreditGrant.objects.filter(
        wallet=wallet, source=CreditGrant.Source.PLAN, expires_at__gt=period_end + ledger.PERIOD_GRACE
    ).exists()


def _end_earlier_periods(wallet: Wallet, granted: CreditEntry, period_end: datetime, *, superseded: bool) -> None:
    """A period's credits end when the next period's arrive; those of a change within the period stay beside them."""
    grants = CreditGrant.objects.filter(wallet=wallet, source=CreditGrant.Source.PLAN, remaining__gt=0)
    earlier = grants.filter(expires_at__lt=period_end + ledger.PERIOD_GRACE)
    ending = grants.filter(lines__entry=granted) if superseded else earlier
    for grant in ending:
        ledger.write_off(
            grant=grant, reference=f"grant:{grant.pk}:superseded", cause="Expired: the next period has begun"
        )


def _grant_upgrade(wallet: Wallet, invoice: Invoice, payment_intent: str | None) -> None:
    """Moving to a bigger plan adds the difference in credits for the share of the period that is left."""
    lines = invoice["lines"]["data"]
    old = next((line for line in lines if line["amount"] < 0), None)
    new = next((line for line in lines if line["amount"] > 0), None)
    plans = [products.product_of(_price_of(line)) if line else None for line in (old, new)]
    subscription = Subscription.objects.filter(stripe_id=ours.subscription_of(invoice)).first()
    if new is None or subscription is None or not all(isinstance(plan, Plan) for plan in plans):
        if invoice["amount_paid"]:
            log.error("Invoice %s was paid for a change of plan that brings no credits", invoice["id"])
            _note_invoice(wallet, invoice, payment_intent, None, "Change of plan")
        return
    before, after = plans
    assert before
    assert after
    assert subscription.period_start
    assert subscription.period_end
    left = new["period"]["end"] - new["period"]["start"]
    whole = int((subscription.period_end - subscription.period_start).total_seconds())
    credits = max(0, after.credits - before.credits) * min(left, whole) // max(whole, 1)
    reference = f"invoice:{invoice['id']}"
    period_end = _end_of(new)  # by the time this event arrives the subscription may be in its next period
    superseded = not CreditEntry.objects.filter(reference=reference).exists() and _is_over(wallet, period_end)
    granted = None
    if credits:
        granted = ledger.grant(
            wallet=wallet,
            credits=credits,
            source=CreditGrant.Source.PLAN,
            reference=reference,
            cause=f"Changed from {before.name} to {after.name}",
            expires_at=period_end + ledger.PERIOD_GRACE,
        )
        if superseded:
            _end_earlier_periods(wallet, granted, period_end, superseded=True)
    _note_invoice(wallet, invoice, payment_intent, granted, f"{before.name} to {after.name}")
    mail.queue(
        wallet,
        "receipt",
        reference=f"receipt:{reference}",
        product=f"{before.name} to {after.name}",
        credits=credits,
        amount=invoice["amount_paid"],
        currency=invoice["currency"],
    )


def _note_invoice(
    wallet: Wallet, invoice: Invoice, payment_intent: str | None, granted: CreditEntry | None, description: str
) -> None:
    note_payment(
        wallet,
        f"invoice:{invoice['id']}",
        granted,
        amount=invoice["amount_paid"],
        currency=invoice["currency"],
        description=description,
        payment_intent=payment_intent,
    )


def _plan_line(invoice: Invoice) -> InvoiceLine | None:
    lines = [line for line in invoice["lines"]["data"] if line["amount"] >= 0]
    return max(lines, key=lambda line: line["period"]["end"], default=None)


def _end_of(line: InvoiceLine) -> datetime:
    return datetime.fromtimestamp(line["period"]["end"], UTC)


def _price_of(line: InvoiceLine) -> str:
    pricing = line.get("pricing")
    details = pricing.get("price_details") if pricing else None
    return details["price"] if details else ""
