"""One small handler for each kind of Stripe event.

Stripe delivers at least once and in no order, so a handler reads the object afresh where that matters, and every change
of credits carries the reference of the payment behind it. Network calls come first; then one transaction changes the
books and marks the event as handled, together.
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing.models import StripeEvent
from billing.shapes import Invoice, Session
from billing.stripe.events import checkouts, invoices, refunds, subscriptions
from billing.stripe.events.shared import Books
from kit import due

# Each takes what events of its kind are about: the kind says which shape that has.
HANDLERS: dict[str, Callable[[Any], Books | None]] = {
    "checkout.session.completed": checkouts.checkout_completed,
    "checkout.session.async_payment_succeeded": checkouts.checkout_completed,
    "checkout.session.async_payment_failed": checkouts.checkout_failed,
    "checkout.session.expired": checkouts.checkout_expired,
    "invoice.paid": invoices.invoice_paid,
    "invoice.payment_failed": invoices.invoice_failed,
    "invoice.payment_action_required": invoices.invoice_failed,
    "customer.subscription.created": subscriptions.subscription_changed,
    "customer.subscription.updated": subscriptions.subscription_changed,
    "customer.subscription.paused": subscriptions.subscription_changed,
    "customer.subscription.resumed": subscriptions.subscription_changed,
    "customer.subscription.deleted": subscriptions.subscription_changed,
    "charge.refunded": refunds.charge_refunded,
    "refund.updated": refunds.refund_changed,
    "refund.failed": refunds.refund_changed,
    "charge.dispute.created": refunds.dispute_opened,
    "charge.dispute.updated": refunds.dispute_opened,
    "charge.dispute.funds_withdrawn": refunds.dispute_opened,
    "charge.dispute.funds_reinstated": refunds.dispute_opened,
    "charge.dispute.closed": refunds.dispute_opened,
}


def apply(event: StripeEvent) -> None:
    """Apply one claimed event to the books. Raises LostClaim, NotYet, PaymentError, or what its handler raises."""
    handler = HANDLERS.get(event.type)
    write = handler(event.payload["data"]["object"]) if handler else None
    with transaction.atomic():
        due.write(event, still=Q(handled_at=None), handled_at=timezone.now(), claim="", last_error="")
        if write:
            write()


def apply_object(kind: str, data: Session | Invoice) -> None:
    """Apply to the books what an event of this kind about `data` would have said, without such an event."""
    write = HANDLERS[kind](data)
    if write:
        with transaction.atomic():
            write()
