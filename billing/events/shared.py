"""What several handlers need: whose an object is, and the note of a payment."""

import logging
from collections.abc import Callable
from typing import Any

from billing.models import (
    Account,
    CreditEntry,
    Payment,
)

log = logging.getLogger(__name__)

Data = dict[str, Any]
Books = Callable[[], None]  # what a handler wants written, in the transaction that marks the event as handled


def note_payment(
    account: Account,
    reference: str,
    granted: CreditEntry | None,
    *,
    amount: int,
    currency: str,
    description: str,
    payment_intent: str | None,
) -> None:
    bucket = granted.lines.get().grant if granted else None
    Payment.objects.get_or_create(
        reference=reference,
        defaults={
            "account": account,
            "payment_intent": payment_intent or None,
            "amount": amount,
            "currency": currency,
            "description": description,
            "grant": bucket,
        },
    )


def account_of_customer(customer: str | None) -> Account | None:
    if not customer:
        return None
    return Account.objects.filter(stripe_customer_id=customer).select_related("user").first()


def payment_intent_of(invoice: Data) -> str | None:
    for payment in (invoice.get("payments") or {}).get("data", []):
        if payment["status"] == "paid" and payment["payment"].get("payment_intent"):
            return str(payment["payment"]["payment_intent"])
    return None
