"""Money that went back, or is in dispute."""

import logging

from django.db.models import QuerySet
from django.utils import timezone

from billing import gateway, ledger
from billing.errors import NotYet
from billing.events.shared import Books, Data, account_of_customer
from billing.models import (
    CreditEntry,
    CreditGrant,
    Dispute,
    Payment,
)

log = logging.getLogger(__name__)

FINAL_DISPUTES = ("won", "lost")


def charge_refunded(charge: Data) -> Books | None:
    """Claw back the refunded share of what is left of the credits that this charge paid for."""
    charge = gateway.retrieve_charge(charge["id"])
    payment = _payment_of(charge)
    if payment is None:
        return None
    return lambda: _follow_refunds(payment, charge)


def refund_changed(refund: Data) -> Books | None:
    """A refund that failed gives back what its credits were clawed back for."""
    if not refund.get("charge"):
        return None
    return charge_refunded({"id": refund["charge"]})


def _follow_refunds(payment: Payment, charge: Data) -> None:
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    refunded = charge["amount_refunded"]
    grant = payment.grant
    if grant is not None and refunded > payment.refunded:
        left = CreditGrant.objects.values_list("remaining", flat=True).get(pk=grant.pk)
        money_left, delta = max(1, payment.amount - payment.refunded), refunded - payment.refunded
        ledger.claw_back(
            grant=grant,
            credits=-(-left * delta // money_left),  # rounded up: a whole refund leaves none
            reference=f"refund:{charge['id']}:{refunded}:{_claw_backs(charge).count()}",
            cause=f"{payment.description} was refunded",
        )
        if refunded >= payment.amount:
            ledger.keep_returns(grant=grant, by=f"refunded:{charge['id']}")
    elif refunded < payment.refunded:
        failed = f"The refund of {payment.description} failed"
        if grant is not None:
            ledger.thaw(grant=grant, reference=f"refunded:{charge['id']}", cause=failed)
        for entry in _claw_backs(charge):
            if int(entry.reference.split(":")[2]) > refunded:
                ledger.restore(reference=entry.reference, cause=failed)
    Payment.objects.filter(pk=payment.pk).update(refunded=refunded)


def _claw_backs(charge: Data) -> QuerySet[CreditEntry]:
    """What refunds of this charge took. References read `refund:<charge>:<refunded so far>:<number>`: a refund that
    failed and is made again takes anew."""
    return CreditEntry.objects.filter(reference__startswith=f"refund:{charge['id']}:", kind=CreditEntry.Kind.CLAW_BACK)


def dispute_opened(dispute: Data) -> Books | None:
    """Freeze what is left of the disputed payment's credits; inquiries (`warning_…`) are only looked at by people."""
    payment = _payment_of(dispute)
    if payment is None or str(dispute["status"]).startswith("warning_"):
        return None
    return lambda: _follow_dispute(payment, dispute)


def _follow_dispute(payment: Payment, data: Data) -> None:
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
    reference = f"dispute:{data['id']}"
    ledger.freeze(grant=payment.grant, reference=reference, cause=f"{payment.description} is disputed")
    if data["status"] == "won":
        ledger.thaw(grant=payment.grant, reference=reference, cause=f"The dispute about {payment.description} was won")


def _payment_of(data: Data) -> Payment | None:
    """Find the payment of a charge or dispute. Raises NotYet for one of our customers' that is not in the books."""
    payment = (
        Payment.objects.select_related("grant", "account").filter(payment_intent=data.get("payment_intent")).first()
    )
    if payment is None or not data.get("payment_intent"):
        charge = data if data.get("object") == "charge" else gateway.retrieve_charge(data["charge"])
        if account_of_customer(charge.get("customer")):
            raise NotYet(f"the payment of {charge['id']} is not in the books")
        return None
    return payment
