"""What has become of a checkout. All reading: the success page shows it and never makes it so."""

from dataclasses import dataclass
from typing import Literal

from billing.models import Order, Payment, Wallet
from kit.http.requests import without_nul

State = Literal["waiting", "paid", "returned", "pending", "failed", "expired"]


@dataclass(frozen=True)
class Progress:
    """An order's actual state. `payment` is there once the money and its credits are in the books.

    One that is `returned` came too late or for a second plan: it brought nothing and is paid back.
    """

    order: Order
    state: State
    payment: Payment | None = None

    @property
    def is_final(self) -> bool:
        return self.state in ("paid", "returned", "failed", "expired")

    @property
    def credits(self) -> int:
        """How many credits it brought."""
        return self.payment.grant.amount if self.payment and self.payment.grant else 0


def progress_of(wallet: Wallet, session_id: str) -> Progress | None:
    """Return where the account's checkout `session_id` stands; None when it is not one of the account's."""
    orders = wallet.orders.select_related("plan", "pack")
    order = orders.filter(stripe_session_id=without_nul(session_id)[:255] or "-").first()
    if order is None:
        return None
    payment = _payment_of(order)
    if payment is not None:
        return Progress(order, "paid" if payment.grant or not payment.amount else "returned", payment)
    match Order.Status(order.status):
        case Order.Status.PENDING:
            return Progress(order, "pending")
        case Order.Status.FAILED:
            return Progress(order, "failed")
        case Order.Status.EXPIRED:
            return Progress(order, "expired")
        case _:  # also PAID: a plan's credits come with its invoice, whose event may follow a moment later
            return Progress(order, "waiting")


def _payment_of(order: Order) -> Payment | None:
    payments = Payment.objects.select_related("grant").filter(wallet_id=order.wallet_id)
    if order.pack_id:
        return payments.filter(reference=f"checkout:{order.stripe_session_id}").first()
    # A plan's credits come with the first invoice of the subscription that this very checkout began.
    invoice = order.stripe_invoice_id
    return payments.filter(reference=f"invoice:{invoice}").first() if invoice else None
