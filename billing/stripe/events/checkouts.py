"""A checkout was completed, failed or expired."""

import logging

from billing import gateway, ledger
from billing.catalogue import products
from billing.errors import NotYet
from billing.models import (
    CreditEntry,
    CreditGrant,
    Order,
    Pack,
    Wallet,
)
from billing.outbox import mail
from billing.shapes import Session
from billing.stripe import ours
from billing.stripe.events.shared import Books, note_payment, paid_too_late

log = logging.getLogger(__name__)


def checkout_completed(session: Session) -> Books | None:
    """Grant a pack that is paid. A subscription's credits come with its invoice.

    What a closed account still paid is paid back.
    """
    session = gateway.retrieve_checkout(session["id"])
    wallet = ours.wallet_of_session(session)
    paid = session["payment_status"] in ("paid", "no_payment_required")
    is_pack = paid and session["mode"] == "payment"
    is_late = is_pack and paid_too_late(wallet, f"checkout:{session['id']}", session.get("payment_intent"))

    def write() -> None:
        _close_order(session, Order.Status.PAID if paid else Order.Status.PENDING)
        if is_late:
            _note_checkout(wallet, session, None, "Paid after the account was closed")
        elif is_pack:
            _grant_pack(wallet, session)

    return write


def checkout_failed(session: Session) -> Books | None:
    """A delayed payment failed."""
    wallet = ours.wallet_of_session(session)

    def write() -> None:
        _close_order(session, Order.Status.FAILED)
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
    return lambda: _close_order(session, Order.Status.EXPIRED)


def _grant_pack(wallet: Wallet, session: Session) -> None:
    product = (session.get("metadata") or {}).get("product", "")
    pack = next((pack for pack in Pack.objects.all() if products.lookup_key(pack) == product), None)
    order = Order.objects.select_related("pack").filter(stripe_session_id=session["id"]).first()
    pack = pack or (order.pack if order else None)
    if pack is None:
        log.error("Checkout %s paid for a pack that is not in the catalogue", session["id"])
        raise NotYet(f"no pack for {session['id']}")
    reference = f"checkout:{session['id']}"
    granted = ledger.grant(
        wallet=wallet,
        credits=pack.credits,
        source=CreditGrant.Source.PACK,
        reference=reference,
        cause=f"{pack.name} bought",
    )
    _note_checkout(wallet, session, granted, pack.name)
    amount, currency = _total(session)
    mail.queue(
        wallet,
        "receipt",
        reference=f"receipt:{reference}",
        product=pack.name,
        credits=pack.credits,
        amount=amount,
        currency=currency,
    )


def _note_checkout(wallet: Wallet, session: Session, granted: CreditEntry | None, description: str) -> None:
    amount, currency = _total(session)
    note_payment(
        wallet,
        f"checkout:{session['id']}",
        granted,
        amount=amount,
        currency=currency,
        description=description,
        payment_intent=session.get("payment_intent"),
    )


def _total(session: Session) -> tuple[int, str]:
    assert session["currency"]  # of something that was paid
    return session["amount_total"] or 0, session["currency"]


def _close_order(session: Session, status: Order.Status) -> None:
    open_orders = Order.objects.filter(stripe_session_id=session["id"]).exclude(status=Order.Status.PAID)
    open_orders.update(status=status, stripe_invoice_id=session.get("invoice") or "")
