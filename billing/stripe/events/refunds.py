"""Money that went back, or is in dispute."""

import logging
from datetime import datetime

from django.utils import timezone

from billing import gateway, ledger, shapes
from billing.errors import NotYet
from billing.models import Dispute, Payment
from billing.stripe import customers
from billing.stripe.events.shared import Books, moment

log = logging.getLogger(__name__)

FINAL_DISPUTES = ("won", "lost")


def charge_refunded(charge: shapes.Charge) -> Books | None:
    """Claw back the refunded share of what is left of the credits that this charge paid for."""
    return _refunds_of(charge["id"])


def refund_changed(refund: shapes.Refund) -> Books | None:
    """A refund that failed gives back what its credits were clawed back for."""
    charge_id = refund.get("charge")
    return _refunds_of(charge_id) if charge_id else None


def _refunds_of(charge_id: str) -> Books | None:
    read_at = moment()
    charge = gateway.retrieve_charge(charge_id)
    payment = _payment_of(charge)
    if payment is None:
        return None
    return lambda: _follow_refunds(payment, charge, read_at)


def _follow_refunds(payment: Payment, charge: shapes.Charge, read_at: datetime) -> None:
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if payment.read_at and payment.read_at > read_at:
        return  # a worker that asked Stripe later was faster
    if payment.grant is not None:
        with ledger.books(payment.wallet_id) as books:
            books.follow_refunds(
                payment.grant,
                refunded=charge["amount_refunded"],
                paid=payment.amount,
                charge=charge["id"],
                cause=f"{payment.description} was refunded",
                undone=f"The refund of {payment.description} failed",
            )
    Payment.objects.filter(pk=payment.pk).update(refunded=charge["amount_refunded"], read_at=read_at)


def dispute_opened(dispute: shapes.Dispute) -> Books | None:
    """Freeze what is left of the disputed payment's credits; inquiries (`warning_…`) are only looked at by people."""
    payment = _payment_of(dispute)
    if payment is None or dispute["status"].startswith("warning_"):
        return None
    return lambda: _follow_dispute(payment, dispute)


def _follow_dispute(payment: Payment, data: shapes.Dispute) -> None:
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)  # one event of it at a time
    row = Dispute.objects.filter(stripe_id=data["id"]).first()
    if row is not None and row.status in FINAL_DISPUTES:
        return  # an older event that comes late
    closed = data["status"] in FINAL_DISPUTES
    dispute, _ = Dispute.objects.update_or_create(
        stripe_id=data["id"],
        defaults={
            "payment": payment,
            "status": data["status"],
            "reason": data.get("reason") or "",
            "amount": data["amount"],
            "closed_at": timezone.now() if closed else None,
        },
    )
    if payment.grant is None:
        return
    disputes = payment.disputes.exclude(status__startswith="warning_")
    # Perhaps another one of the same payment is not won, and the money is not all back.
    won = [] if disputes.exclude(status="won").exists() else list(disputes.order_by("pk"))
    with ledger.books(payment.wallet_id) as books:
        books.freeze(payment.grant, dispute=dispute, cause=f"{payment.description} is disputed")
        for one in won:
            books.thaw(payment.grant, dispute=one, cause=f"The dispute about {payment.description} was won")


def _payment_of(data: shapes.Charge | shapes.Dispute) -> Payment | None:
    """Find the payment of a charge or dispute. Raises NotYet for one of our customers' that is not in the books."""
    payment = (
        Payment.objects.select_related("grant", "wallet").filter(payment_intent=data.get("payment_intent")).first()
    )
    if payment is None or not data.get("payment_intent"):
        charge = data if data["object"] == "charge" else gateway.retrieve_charge(data["charge"])
        if customers.wallet_of(charge.get("customer")):
            raise NotYet(f"the payment of {charge['id']} is not in the books")
        return None
    return payment
