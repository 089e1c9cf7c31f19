"""Refunds that staff ask for: on record first, then asked of Stripe. The books follow its events, as ever."""

import contextlib
import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing import gateway, identity, patience, shapes
from billing.catalogue import money
from billing.errors import CannotRefund
from billing.models import Payment, StaffRefund
from billing.models.refunds import new_key
from billing.staff import acts
from billing.stripe.events.shared import moment
from kit import due

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)  # far longer than Stripe is asked with all retries
LONGEST_PAUSE = timedelta(minutes=10)
ASKED = Q(status=StaffRefund.Status.ASKED)

# What Stripe refuses by a code, and what to do then: https://docs.stripe.com/error-codes
REFUSALS = {
    "charge_already_refunded": "Stripe has refunded all of it already. The books follow within a minute; if they do "
    "not, run manage.py reconcile_stripe --repair.",
    "charge_disputed": "The payer’s bank has taken this money back, so Stripe refunds nothing. Answer the dispute at "
    "Stripe: if it is lost the money is back with them.",
    "resource_missing": "The Stripe key in use does not open the account at which this was paid. Refund it in that "
    "account’s dashboard, and take the credits by hand: its events are not followed here.",
    "balance_insufficient": "The balance of your Stripe account does not cover it. Top it up there, then try again.",
}
REFUSALS["refund_disputed_payment"] = REFUSALS["charge_disputed"]


@patience.within(patience.CLICK_SECONDS)
def refund(*, actor: acts.Actor, payment: Payment, amount: int, reason: str, nonce: UUID) -> StaffRefund:
    """Pay `amount` minor units of a payment back, once for each `nonce`, however often and by whomever it is sent.

    1. It is put on record with a random idempotency key, unless the nonce is there already.
    2. Stripe is asked. No transaction is open.
    3. What it answered is noted, together with the audit record.

    If Stripe does not answer, the row stays `asked`, and `ask_due` goes on with step 2. Raises CannotRefund,
    PermissionDenied, ValueError.
    """
    reason = acts.permitted(actor, "refund_payment", payment.wallet.user, reason)
    asked = _on_record(actor, payment, amount, reason, nonce)
    ask(asked.pk)
    asked.refresh_from_db()
    if asked.status == StaffRefund.Status.REFUSED:
        raise CannotRefund(asked.last_error)
    return asked


def obstacle(payment: Payment) -> str:
    """Return why nothing of a payment can be paid back now and what to do, "" when something can. Asks nobody."""
    if not payment.amount or not payment.payment_intent:
        return "No money was paid: there is nothing to refund."
    account, in_use = payment.account, identity.known()
    if account and in_use and account != in_use and account.stripe_id == in_use.stripe_id:
        return "It was paid to the installation that this one is a copy of, whose books follow it: refund it there."
    if account and account.stripe_id and in_use and account != in_use:
        return (
            f"It was paid at {account}; the key in use opens {in_use}. Refund it in that account’s dashboard, and take "
            "the credits by hand: its events are not followed here."
        )
    statuses = {dispute.status for dispute in payment.disputes.all() if not dispute.status.startswith("warning_")}
    if "lost" in statuses:
        return "The payer’s bank has taken this money back: the dispute is lost."
    if statuses - {"won"}:
        return (
            "The payer’s bank questions this payment, and Stripe refunds nothing while it does. Answer the dispute or "
            "accept it at Stripe: either way it decides where the money goes."
        )
    if payment.refunded >= payment.amount:
        return "All of it is refunded already."
    if waiting := payment.staff_refunds.filter(ASKED).first():
        words = money.full(waiting.amount, payment.currency)
        return f"A refund of {words} waits for Stripe’s answer. It is asked for again by itself, and made once."
    return "" if available(payment) else "What is left of it is on its way back already."


def available(payment: Payment) -> int:
    """Return how many minor units of a payment are neither paid back nor on their way back, as far as is known here."""
    on_its_way = sum(refund.amount for refund in payment.staff_refunds.all() if refund.is_on_its_way)
    return max(0, payment.amount - payment.refunded - on_its_way)


def ask(pk: int) -> None:
    """Ask Stripe for a refund that is on record, unless it has ended or somebody is asking for it at this moment."""
    refund = due.claim(StaffRefund.objects.filter(ASKED).select_related("payment__wallet", "actor"), pk, lease=LEASE)
    if refund is None:
        return
    if refund.asked_at is None:
        refund.asked_at = moment()
        due.held(refund).update(asked_at=refund.asked_at)
    with contextlib.suppress(due.LostClaim):  # another process has found out by then what became of it
        try:
            made = _made_before(refund) or gateway.refund_payment(
                str(refund.payment.payment_intent),
                amount=refund.amount,
                metadata=_metadata(refund),
                idempotency_key=refund.idempotency_key,
            )
        except gateway.PaymentRefused as error:
            log.warning("%s of %s is refused: %s", refund, refund.payment.reference, error)
            status = StaffRefund.Status.REFUSED
            due.give_up(refund, _words(refund, error), still=ASKED, status=status, ended_at=timezone.now())
        except gateway.PaymentUnavailable as error:
            pause = due.growing_pause(refund.attempts - 1, most=LONGEST_PAUSE)
            log.warning("%s of %s: %s, again in %s", refund, refund.payment.reference, error, pause)
            # Under a key whose answer is an error that Stripe keeps, it would be that error for a day.
            key = new_key() if error.is_final else refund.idempotency_key
            due.put_off(refund, error, pause=pause, still=ASKED, idempotency_key=key)
        else:
            _note(refund, made)


def ask_due(limit: int = 20) -> None:
    """Ask again for the refunds that Stripe has not answered."""
    waiting = StaffRefund.objects.filter(ASKED, due_at__lte=timezone.now()).order_by("due_at")
    for pk in list(waiting.values_list("pk", flat=True)[:limit]):
        ask(pk)


def look_first() -> int:
    """Have Stripe be asked whether it made those that wait for its answer, before it is asked to make them.

    What our rows do not know may have been made, and Stripe forgets its keys after a day. Returns how many wait.
    """
    return StaffRefund.objects.filter(ASKED, attempts=0).update(attempts=1)


@transaction.atomic
def _on_record(actor: acts.Actor, payment: Payment, amount: int, reason: str, nonce: UUID) -> StaffRefund:
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    if known := StaffRefund.objects.filter(nonce=nonce).first():
        if (known.payment_id, known.amount) != (payment.pk, amount):
            raise CannotRefund("This form was sent before, for another refund. Open it anew.")
        return known
    if words := obstacle(payment):
        raise CannotRefund(words)
    if not 0 < amount <= (most := available(payment)):
        raise CannotRefund(f"At most {money.full(most, payment.currency)} of it can be refunded.")
    return StaffRefund.objects.create(actor=actor, payment=payment, amount=amount, reason=reason, nonce=nonce)


def _made_before(refund: StaffRefund) -> shapes.Refund | None:
    """Return what Stripe made when it was asked before and its answer was lost: its memory of a key lasts a day."""
    if refund.attempts <= 1:
        return None
    mine = _metadata(refund)
    made = gateway.refunds_of(str(refund.payment.payment_intent))
    return next((each for each in made if mine.items() <= (each["metadata"] or {}).items()), None)


def _metadata(refund: StaffRefund) -> dict[str, str]:
    return {"installation": identity.installation(), "refund": refund.nonce.hex}


@transaction.atomic
def _note(refund: StaffRefund, made: shapes.Refund) -> None:
    values = {"status": StaffRefund.Status.MADE, "stripe_id": made["id"], "ended_at": timezone.now()}
    due.write(refund, still=ASKED, claim="", last_error="", **values)
    payment = refund.payment
    about = {"payment": payment.reference, "currency": payment.currency}
    acts.record(
        refund.actor,
        acts.Act.REFUND,
        refund.reason,
        wallet=payment.wallet,
        before={**about, "paid": payment.amount, "refunded": payment.refunded},
        after={**about, "amount": refund.amount, "refund": made["id"]},
    )


def _words(refund: StaffRefund, error: gateway.PaymentRefused) -> str:
    """Say what Stripe refused in words that lead on."""
    if known := REFUSALS.get(error.code):
        return known
    if error.param == "amount":
        words = money.full(refund.amount, refund.payment.currency)
        return (
            f"Stripe has less than {words} left of this payment: some was refunded there. The books follow within a "
            "minute; then see what is left."
        )
    return f"Stripe refused it: {error}"
