"""Compare the books with what Stripe says, and repair what is certain."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from billing import gateway
from billing.models import Payment, StripeEvent, Wallet
from billing.shapes import Invoice, Session
from billing.stripe import customers, events, inbox
from kit.pages import by_pages


@dataclass(frozen=True)
class Drift:
    """One difference, in words; `mended` says whether it was repaired."""

    words: str
    mended: bool = False


def compare(*, since: int, repair: bool) -> Iterator[Drift]:
    """Yield every difference between Stripe and the books from `since` (Unix seconds) on.

    With `repair`, events that never came are taken in and unhandled ones tried again; both go through the handlers that
    a webhook goes through, so nothing is granted twice. Raises PaymentUnavailable, PaymentRefused.
    """
    yield from _missed_events(since, repair)
    paid = dict(_paid(since))
    yield from _paid_without_grant(paid, repair)
    yield from _granted_without_payment(since, paid)


def _missed_events(since: int, repair: bool) -> Iterator[Drift]:
    for event in gateway.events_since(since):
        if event["type"] not in events.HANDLERS:
            continue
        known = StripeEvent.objects.filter(id=event["id"]).first()
        if known is not None and known.handled_at is not None:
            continue
        words = f"{event['type']} {event['id']} " + ("was never received" if known is None else "is not handled")
        if repair:
            inbox.store(event)
            StripeEvent.objects.filter(id=event["id"], handled_at=None).update(due_at=timezone.now())
        yield Drift(words, repair and inbox.handle(event["id"]))


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
    for reference, money in paid.items():
        payment = Payment.objects.filter(reference=reference).first()
        if payment is None:
            yield Drift(f"{reference} of {money.wallet} is paid and nothing was granted", repair and _grant(money))
        elif (payment.amount, payment.currency) != (money.amount, money.currency):
            yield Drift(
                f"{reference} of {money.wallet}: Stripe has {money.amount} {money.currency}, "
                f"the books {payment.amount} {payment.currency}"
            )


def _grant(money: _Paid) -> bool:
    events.apply_object(money.kind, money.object)
    return True


def _granted_without_payment(since: int, paid: dict[str, _Paid]) -> Iterator[Drift]:
    recent = Payment.objects.filter(created_at__gte=datetime.fromtimestamp(since, UTC)).select_related("wallet__user")
    for payment in by_pages(recent):
        if payment.reference not in paid and not _is_paid(payment.reference):
            yield Drift(f"{payment.reference} of {payment.wallet} is in the books and not paid at Stripe")


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
    return customers.wallet_of(paid["customer"])
