"""Money that went back, or is in dispute."""

import logging
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from billing import gateway, ledger, shapes
from billing.errors import NotYet
from billing.models import (
    CreditEntry,
    Dispute,
    Payment,
)
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
    refunded, before, grant = charge["amount_refunded"], payment.refunded, payment.grant
    all_of_it = f"refunded:{charge['id']}"
    if grant is not None and refunded < before:
        failed = f"The refund of {payment.description} failed"
        before = ledger.undo_refunds(grant=grant, above=refunded, kept_by=all_of_it, cause=failed)
    if grant is not None and refunded > before:
        ledger.refund(
            grant=grant,
            part=refunded - before,
            of=max(1, payment.amount - before),
            refunded=refunded,
            reference=f"refund:{charge['id']}:{refunded}:{_claw_backs(charge).count()}",
            cause=f"{payment.description} was refunded",
        )
        if refunded >= payment.amount:
            ledger.keep_returns(grant=grant, by=all_of_it)
    Payment.objects.filter(pk=payment.pk).update(refunded=refunded, read_at=read_at)


def _claw_backs(charge: shapes.Charge) -> QuerySet[CreditEntry]:
    """What refunds of this charge took. References read `refund:<charge>:<refunded so far>:<number>`: a refund that
    failed and is made again takes credits again."""
    return CreditEntry.objects.filter(reference__startswith=f"refund:{charge['id']}:", kind=CreditEntry.Kind.CLAW_BACK)


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
    Dispute.objects.update_or_create(
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
    ledger.freeze(grant=payment.grant, reference=f"dispute:{data['id']}", cause=f"{payment.description} is disputed")
    disputes = payment.disputes.exclude(status__startswith="warning_")
    if disputes.exclude(status="won").exists():
        return  # perhaps another one of the same payment, and the money is not all back
    for won in disputes.order_by("pk"):
        cause = f"The dispute about {payment.description} was won"
        ledger.thaw(grant=payment.grant, reference=f"dispute:{won.stripe_id}", cause=cause)
    if payment.refunded >= payment.amount:  # meanwhile, and `freeze` stood in the way
        ledger.keep_returns(grant=payment.grant, by=f"refunded:{data['charge']}")


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
