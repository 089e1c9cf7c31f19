"""Money that went back, or is in dispute."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from billing import gateway, ledger, shapes
from billing.models import CreditGrant, Dispute, Payment, Refund, StaffRefund
from billing.stripe import ours
from billing.stripe.events.shared import Books, moment

log = logging.getLogger(__name__)

FINAL_DISPUTES = ("won", "lost")
FAILED_REFUNDS = ("failed", "canceled")


def charge_refunded(charge: shapes.Charge) -> Books | None:
    """Claw back the refunded share of what is left of the credits that this charge paid for."""
    return _refunds_of(charge["id"])


def refund_changed(refund: shapes.Refund) -> Books | None:
    """A refund that failed gives back what its credits were clawed back for."""
    if refund["status"] in FAILED_REFUNDS:
        StaffRefund.objects.filter(stripe_id=refund["id"]).update(status=StaffRefund.Status.FAILED)
    charge_id = refund.get("charge")
    return _refunds_of(charge_id) if charge_id else None


def _refunds_of(charge_id: str) -> Books | None:
    read_at = moment()
    charge = gateway.retrieve_charge(charge_id)
    payment = ours.payment_of(charge)
    return lambda: _follow_refunds(payment, charge, read_at)


def _follow_refunds(payment: Payment, charge: shapes.Charge, read_at: datetime) -> None:
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if payment.read_at and payment.read_at > read_at:
        return  # a worker that asked Stripe later was faster
    if payment.grant is not None:
        what = f"{'The' if charge['amount_refunded'] >= payment.amount else 'Part of the'} payment for"
        with ledger.books(payment.wallet_id) as books:
            books.follow_refunds(
                payment.grant,
                refunded=charge["amount_refunded"],
                paid=payment.amount,
                charge=charge["id"],
                cause=f"{what} {payment.description} was refunded",
                undone=f"The refund of {payment.description} failed",
            )
    Payment.objects.filter(pk=payment.pk).update(refunded=charge["amount_refunded"], read_at=read_at)


def dispute_opened(dispute: shapes.Dispute) -> Books | None:
    """Freeze what is left of the disputed payment's credits; inquiries (`warning_…`) are only looked at by people."""
    payment = ours.payment_of(dispute)
    if dispute["status"].startswith("warning_"):
        return None
    return lambda: _follow_dispute(payment, dispute)


def _follow_dispute(payment: Payment, data: shapes.Dispute) -> None:
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)  # one event of it at a time
    row = Dispute.objects.filter(stripe_id=data["id"]).first()
    if row is not None and row.status in FINAL_DISPUTES:
        return  # an older event that comes late
    # The purse first: what returns meanwhile is kept back under its lock, and its entry locks the dispute's row.
    with ledger.books(payment.wallet_id) as books:
        _note_dispute(payment, data, books)


def _note_dispute(payment: Payment, data: shapes.Dispute, books: ledger.Books) -> None:
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
    books.freeze(payment.grant, dispute=dispute, cause=f"The payment for {payment.description} is disputed")
    for one in won:
        books.thaw(payment.grant, dispute=one, cause=f"The dispute about {payment.description} was won")


@dataclass(frozen=True)
class Taking:
    """What a refund would take back: `credits` in all, of which `later` ones are out and are taken as they return.

    `left` are those of the payment's that its person has or may get back, `brought` all that it brought.
    """

    brought: int
    left: int
    credits: int
    later: int


def would_take(payment: Payment, amount: int) -> Taking | None:
    """Tell what the books will do when Stripe tells of a further refund of `amount` minor units; None without credits.

    They do it, and it is undone: what is shown before a refund is what the refund does, whatever the rule is.
    """
    if payment.grant is None:
        return None
    with transaction.atomic():
        whole, later = (_taken(payment, payment.amount), _taken(payment, payment.refunded + amount))
    return Taking(brought=payment.grant.amount, left=sum(whole), credits=sum(later), later=later[1])


@transaction.atomic
def _taken(payment: Payment, refunded: int) -> tuple[int, int]:
    """Return how many credits are taken at once, and how many later, once so much is `refunded`; and change nothing."""
    before = _remaining_and_owed(payment)
    charge: shapes.Charge = {
        "id": "ch_preview",
        "object": "charge",
        "customer": None,
        "payment_intent": payment.payment_intent,
        "amount_refunded": refunded,
        "receipt_url": None,
        "status": "succeeded",
    }
    _follow_refunds(payment, charge, moment())
    after = _remaining_and_owed(payment)
    transaction.set_rollback(True)
    return before[0] - after[0], after[1] - before[1]


def _remaining_and_owed(payment: Payment) -> tuple[int, int]:
    grant = CreditGrant.objects.get(payment=payment)
    owed = Refund.objects.filter(grant=grant).aggregate(owed=Sum("owed"))["owed"] or 0
    return grant.remaining, owed
