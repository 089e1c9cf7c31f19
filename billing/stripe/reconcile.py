"""Compare the books with what Stripe says, and repair what is certain.

What cannot be compared or repaired is a difference too, which says why; the rest is compared all the same. Only a list
that Stripe does not give ends the comparison: nobody knows what would have been in it.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.db.models import Q
from django.utils import timezone

from billing import gateway, identity
from billing.catalogue import money
from billing.errors import NotOurs
from billing.models import Payment, StripeEvent, Wallet
from billing.shapes import Event, Invoice, Session
from billing.stripe import events, inbox, ours
from kit import due
from kit.pages import by_pages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drift:
    """One difference, in words; `mended` says whether it was repaired."""

    words: str
    mended: bool = False


def compare(*, since: int, repair: bool) -> Iterator[Drift]:
    """Yield every difference between Stripe and the books from `since` (Unix seconds) on.

    With `repair`, events that never came are taken in and unhandled ones tried again; both go through the handlers that
    a webhook goes through, so nothing is granted twice. Raises PaymentUnavailable and PaymentRefused when Stripe gives
    no list, after what was found until then.
    """
    yield from _missed_events(since, repair)
    paid = dict(_paid(since))
    yield from _paid_without_grant(paid, repair)
    yield from _granted_without_payment(since, paid)


def _each(name: str, comparison: Callable[[], Drift | None]) -> Iterator[Drift]:
    """Yield what comparing one object finds, or why it could not be compared."""
    try:
        drift = comparison()
    except Exception as error:  # whatever is odd about one must not hide the others
        log.warning("%s could not be compared", name, exc_info=True)
        drift = Drift(f"{name} could not be compared: {due.words_of(error)}")
    if drift is not None:
        yield drift


def _missed_events(since: int, repair: bool) -> Iterator[Drift]:
    for event in gateway.events_since(since):
        if event["type"] in events.HANDLERS:
            yield from _each(f"{event['type']} {event['id']}", partial(_missed_event, event, repair))


def _missed_event(event: Event, repair: bool) -> Drift | None:
    known = StripeEvent.objects.filter(id=event["id"]).first()
    if known is not None and known.handled_at is not None:
        return None
    if known is None and not ours.is_about_us(event["data"]["object"]):
        return None  # another site's, or something else that our customer has at Stripe
    words = f"{event['type']} {event['id']} " + ("was never received" if known is None else "is not handled")
    if not repair:
        return Drift(words)
    inbox.store(event)
    StripeEvent.objects.filter(id=event["id"], handled_at=None).update(due_at=timezone.now())
    if inbox.handle(event["id"]):
        return Drift(words, mended=True)
    why = StripeEvent.objects.values_list("last_error", flat=True).get(id=event["id"])
    return Drift(f"{words}, and cannot be handled: {why or 'a worker has it'}")


@dataclass(frozen=True)
class _Paid:
    """Money that Stripe has for us. `object` is what an event about it would carry."""

    kind: str
    object: Session | Invoice
    wallet: Wallet
    amount: int
    currency: str | None


def _paid(since: int) -> Iterator[tuple[str, _Paid]]:
    for session in gateway.checkouts_since(since):
        if session["mode"] != "payment" or session["payment_status"] not in ("paid", "no_payment_required"):
            continue
        if wallet := _wallet(session):
            amount = session["amount_total"] or 0
            yield (
                f"checkout:{session['id']}",
                _Paid("checkout.session.completed", session, wallet, amount, session["currency"]),
            )
    for invoice in gateway.paid_invoices_since(since):
        is_ours = invoice["parent"] and invoice["parent"]["subscription_details"]
        if is_ours and (wallet := _wallet(invoice)):
            yield (
                f"invoice:{invoice['id']}",
                _Paid("invoice.paid", invoice, wallet, invoice["amount_paid"], invoice["currency"]),
            )


def _paid_without_grant(paid: dict[str, _Paid], repair: bool) -> Iterator[Drift]:
    for reference, found in paid.items():
        yield from _each(reference, partial(_compare_payment, reference, found, repair))


def _compare_payment(reference: str, found: _Paid, repair: bool) -> Drift | None:
    payment = Payment.objects.select_related("grant").filter(reference=reference).first()
    if payment is None:
        words = f"{reference} of {found.wallet} is paid and nothing was granted"
        return _granted(reference, found, words) if repair else Drift(words)
    if (payment.amount, payment.currency) != (found.amount, found.currency):
        return Drift(
            f"{reference} of {found.wallet}: Stripe has {money.full(found.amount, found.currency or '')}, "
            f"the books {money.full(payment.amount, payment.currency)}"
        )
    return _compare_credits(found, payment)


def _compare_credits(found: _Paid, payment: Payment) -> Drift | None:
    """Compare what is in the books with what was sold: by Stripe's object and the prices that it names.

    What was paid back brought nothing. That credits came as the payment notes them is `audit_ledger`'s to see; of a
    payment from before prices kept their terms no more is known.
    """
    if payment.created_at < identity.keeps_terms_since():
        return None
    sold = events.sold_by(found.object).credits
    noted = payment.grant.amount if payment.grant else payment.credits or 0
    if noted == sold or (payment.grant is None and payment.refunded >= payment.amount):
        return None
    return Drift(f"{payment.reference} of {found.wallet}: {sold} credits were sold, the books have {noted}")


def _granted(reference: str, found: _Paid, words: str) -> Drift:
    """Apply to the books what is paid. It is mended when it is there afterwards: a handler may decline."""
    try:
        events.apply_object(found.kind, found.object)
    except Exception as error:
        log.warning("%s could not be granted", reference, exc_info=True)
        return Drift(f"{words}, and cannot be: {due.words_of(error)}")
    return Drift(words, mended=Payment.objects.filter(reference=reference).exists())


def _granted_without_payment(since: int, paid: dict[str, _Paid]) -> Iterator[Drift]:
    here = Payment.objects.filter(Q(account=None) | Q(account=identity.account()))  # another's cannot be asked for
    recent = here.filter(created_at__gte=datetime.fromtimestamp(since, UTC)).select_related("wallet__user")
    for payment in by_pages(recent):
        if payment.reference not in paid:
            yield from _each(payment.reference, partial(_compare_with_stripe, payment))


def _compare_with_stripe(payment: Payment) -> Drift | None:
    if _is_paid(payment.reference):
        return None
    return Drift(f"{payment.reference} of {payment.wallet} is in the books and not paid at Stripe")


def _is_paid(reference: str) -> bool:
    """Ask Stripe itself: the object may be older than the span that was listed."""
    kind, _, id = reference.partition(":")
    try:
        if kind == "invoice":
            return gateway.retrieve_invoice(id)["status"] == "paid"
        return gateway.retrieve_checkout(id)["payment_status"] in ("paid", "no_payment_required")
    except gateway.PaymentRefused:
        return False


def _wallet(paid: Session | Invoice) -> Wallet | None:
    """Return whose wallet it was paid for; None for what another site sold through the same Stripe account."""
    try:
        return ours.wallet_of_session(paid) if paid["object"] == "checkout.session" else ours.wallet_of_invoice(paid)
    except (NotOurs, gateway.Missing):
        return None
