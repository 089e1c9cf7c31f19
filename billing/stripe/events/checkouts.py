"""A checkout was completed, failed or expired."""

import logging

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf

from billing import gateway, ledger
from billing.catalogue import products
from billing.errors import NotYet
from billing.models import CreditEntry, CreditGrant, Order, Wallet
from billing.outbox import mail
from billing.shapes import Session
from billing.stripe import ours
from billing.stripe.events.shared import Books, Sold, note_payment, paid_too_late

log = logging.getLogger(__name__)

Status = Order.Status
# What an order may have been before it becomes this: events come in any order, and the last word stays.
BEFORE = {
    Status.PAID: (Status.OPEN, Status.PENDING, Status.FAILED, Status.EXPIRED),
    Status.FAILED: (Status.OPEN, Status.PENDING, Status.EXPIRED),
    Status.PENDING: (Status.OPEN, Status.EXPIRED),
    Status.EXPIRED: (Status.OPEN,),
}


def checkout_completed(session: Session) -> Books | None:
    """Grant a pack that is paid. A subscription's credits come with its invoice.

    What a closed account still paid is paid back.
    """
    session = gateway.retrieve_checkout(session["id"])
    wallet = ours.wallet_of_session(session)
    paid = session["payment_status"] in ("paid", "no_payment_required")
    is_pack = paid and session["mode"] == "payment"
    is_late = is_pack and paid_too_late(wallet, f"checkout:{session['id']}", session.get("payment_intent"))
    sold = sold_by(session) if is_pack else None

    def write() -> None:
        _close_order(session, Status.PAID if paid else Status.PENDING)
        if is_late:
            _note_checkout(wallet, session, None, sold, "Paid after the account was closed")
        elif sold:
            _grant_pack(wallet, session, sold)

    return write


def checkout_failed(session: Session) -> Books | None:
    """A delayed payment failed."""
    wallet = ours.wallet_of_session(session)

    def write() -> None:
        _close_order(session, Status.FAILED)
        mail.queue(
            wallet,
            "payment_failed",
            reference=f"checkout_failed:{session['id']}",
            amount=session.get("amount_total") or 0,
            currency=session.get("currency") or "",
        )

    return write


def checkout_expired(session: Session) -> Books | None:
    """The checkout expired unpaid."""
    ours.wallet_of_session(session)
    return lambda: _close_order(session, Status.EXPIRED)


def sold_by(session: Session) -> Sold:
    """Return what a paid session sold, at the terms that it was opened with.

    Raises NotYet for what has no price of ours.
    """
    [line] = (session if "line_items" in session else gateway.retrieve_checkout(session["id"]))["line_items"]["data"]
    order = _orders(session).select_related("price__plan", "price__pack").first()
    price = order.price if order else None
    if price is None and line["price"]:
        price = products.sold_at(line["price"])
    if price is None:
        log.error("Checkout %s paid for a pack that is not in the catalogue", session["id"])
        raise NotYet(f"no pack for {session['id']}")
    quantity = line["quantity"] or 1
    name = price.product.name
    return Sold(price, quantity, price.credits * quantity, f"{quantity} × {name}" if quantity > 1 else name)


def _grant_pack(wallet: Wallet, session: Session, sold: Sold) -> None:
    reference = f"checkout:{session['id']}"
    with ledger.books(wallet) as books:
        granted = books.grant(
            credits=sold.credits,
            source=CreditGrant.Source.PACK,
            reference=reference,
            cause=f"{sold.description} bought",
        )
    _note_checkout(wallet, session, granted, sold, sold.description)
    amount, currency = _total(session)
    mail.queue(
        wallet,
        "receipt",
        reference=f"receipt:{reference}",
        product=sold.description,
        credits=sold.credits,
        amount=amount,
        currency=currency,
    )


def _note_checkout(
    wallet: Wallet, session: Session, granted: CreditEntry | None, sold: Sold | None, description: str
) -> None:
    amount, currency = _total(session)
    note_payment(
        wallet,
        f"checkout:{session['id']}",
        granted,
        amount=amount,
        currency=currency,
        description=description,
        payment_intent=session.get("payment_intent"),
        account=sold.price.account if sold else None,
        sold=sold,
        invoice=session.get("invoice") or "",
    )


def _total(session: Session) -> tuple[int, str]:
    assert session["currency"]  # of something that was paid
    return session["amount_total"] or 0, session["currency"]


def _orders(session: Session) -> QuerySet[Order]:
    return Order.objects.filter(stripe_session_id=session["id"])


def _close_order(session: Session, status: Order.Status) -> None:
    invoice = Coalesce(NullIf(Value(session.get("invoice") or ""), Value("")), F("stripe_invoice_id"))
    _orders(session).filter(status__in=BEFORE[status]).update(status=status, stripe_invoice_id=invoice)
