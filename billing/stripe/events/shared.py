"""What several handlers need: the time, the note of a payment, and money that goes back at once."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from billing import gateway
from billing.models import CreditEntry, Payment, Price, StripeAccount, Subscription, Wallet
from billing.shapes import Invoice

log = logging.getLogger(__name__)

Books = Callable[[], None]  # what a handler wants written, in the transaction that marks the event as handled


@dataclass(frozen=True)
class Sold:
    """What was sold for a payment: `credits` in all for `quantity` of what `price` says."""

    price: Price
    quantity: int
    credits: int
    description: str


def moment() -> datetime:
    """Return the time by the database's clock, which all machines share; answers are ordered by it."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def note_payment(
    wallet: Wallet,
    reference: str,
    granted: CreditEntry | None,
    *,
    amount: int,
    currency: str,
    description: str,
    payment_intent: str | None,
    account: StripeAccount | None,
    sold: Sold | None,
    subscription: Subscription | None = None,
    invoice: str = "",
) -> None:
    """Note money that arrived, with what was sold for it and what that brought."""
    Payment.objects.get_or_create(
        reference=reference,
        defaults={
            "wallet": wallet,
            "account": account,
            "payment_intent": payment_intent or None,
            "amount": amount,
            "currency": currency,
            "description": description,
            "price": sold.price if sold else None,
            "quantity": sold.quantity if sold else 1,
            "credits": sold.credits if sold else None,
            "subscription": subscription,
            "stripe_invoice_id": invoice,
            "grant": granted.lines.get().grant if granted else None,
        },
    )


def paid_too_late(wallet: Wallet, reference: str, payment_intent: str | None) -> bool:
    """Tell whether the account was closed before this payment brought anything; if so, it is paid back first."""
    if wallet.user.deleted_at is None or CreditEntry.objects.filter(reference=reference).exists():
        return False
    if payment_intent and not Payment.objects.filter(reference=reference).exists():
        log.error("%s was paid for an account that is closed: it is paid back", reference)
        pay_back(payment_intent)
    return True


def pay_back(payment_intent: str) -> None:
    """Pay a whole payment back; one that Stripe refuses, as it is disputed, is left to people.

    Each asking has a key of its own, for Stripe may keep an error under one for a day. What is paid back already it
    refuses, so that whoever asks again pays nothing twice.
    """
    try:
        gateway.refund_payment(payment_intent, idempotency_key=gateway.new_key())
    except gateway.PaymentRefused as error:
        if error.code != "charge_already_refunded":
            log.error("%s could not be paid back: %s", payment_intent, error)


def payment_intent_of(invoice: Invoice) -> str | None:
    """Return the payment that paid an invoice, if one did."""
    for payment in invoice["payments"]["data"] if "payments" in invoice else []:
        if payment["status"] == "paid" and (intent := payment["payment"].get("payment_intent")):
            return intent
    return None
