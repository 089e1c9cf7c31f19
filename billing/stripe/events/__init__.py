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

from billing import gateway, identity
from billing.errors import NotOurs
from billing.models import StripeEvent
from billing.shapes import Invoice, Session
from billing.stripe import ours
from billing.stripe.events import checkouts, customers, invoices, refunds, subscriptions
from billing.stripe.events.shared import Books, Sold
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
    "customer.deleted": customers.customer_deleted,
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
    """Apply one claimed event to the books, or note why it is none of ours.

    Raises LostClaim, NotYet, PaymentError, or what its handler raises.
    """
    write, ignored = None, ""
    if event.type in HANDLERS:
        try:
            write = _write_of(event)
        except NotOurs as error:
            ignored = str(error)
    account = event.account or identity.known()
    with transaction.atomic():
        handled = {"handled_at": timezone.now(), "claim": "", "last_error": ""}
        due.write(event, still=Q(handled_at=None), account=account, ignored=ignored[:200], **handled)
        if write:
            write()


def _write_of(event: StripeEvent) -> Books | None:
    ours.check_account(event)
    data = event.payload["data"]["object"]
    try:
        return HANDLERS[event.type](data)
    except gateway.Missing as error:
        if any(id and f"'{id}'" in str(error) for id in (data.get("id"), data.get("charge"))):
            raise NotOurs("Stripe does not know what it is about any more") from error
        raise


def sold_by(paid: Session | Invoice) -> Sold:
    """Return what was sold for money that Stripe has, by what it says and by our prices.

    Raises NotYet if nothing of ours was, PaymentUnavailable, PaymentRefused.
    """
    return checkouts.sold_by(paid) if paid["object"] == "checkout.session" else invoices.sold_by(paid)


def apply_object(kind: str, data: Session | Invoice) -> None:
    """Apply to the books what an event of this kind about `data` would have said, without such an event."""
    write = HANDLERS[kind](data)
    if write:
        with transaction.atomic():
            write()
