"""Whose what Stripe tells of is. Other sites may sell through the same Stripe account, and people who are our customers
may have other dealings there.

Something is ours by what is on record here, or by our installation's name in its metadata: never by the customer alone,
and never by a number that another site could have chosen too, as `client_reference_id`. All of this is asked within
the account that the key in use opens. What raises NotOurs is noted so and otherwise left alone.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Q

from billing import gateway, identity, shapes
from billing.errors import NotOurs, NotYet
from billing.models import Order, Payment, StripeCustomer, StripeEvent, Subscription, Wallet


def check_account(event: StripeEvent) -> None:
    """Raise NotOurs for an event of another account or mode than those of the key in use. Raises PaymentError."""
    live = identity.is_live()
    if event.livemode is not None and event.livemode != live:
        raise NotOurs(f"Of {_mode(event.livemode)} mode; the key in use is of {_mode(live)} mode")
    account = identity.account()
    if event.payload.get("account") not in (None, account.stripe_id):
        raise NotOurs("Of an account that is connected to ours")
    if event.account_id not in (None, account.pk):
        raise NotOurs("Of a Stripe account that is not in use any more")


def wallet_of_session(session: shapes.Session) -> Wallet:
    """Return whose checkout it is. Raises NotOurs, PaymentError."""
    orders = Order.objects.filter(account=identity.account(), stripe_session_id=session["id"])
    order = orders.select_related("wallet__user").first()
    return order.wallet if order else _named(session["metadata"], session["customer"])


def wallet_of_subscription(subscription: shapes.Subscription) -> Wallet:
    """Return whose subscription it is. Raises NotOurs, PaymentError."""
    known = _known(subscription["id"])
    return known or _begun_here(subscription) or _named(subscription["metadata"], subscription["customer"])


def is_about_us(data: dict[str, Any]) -> bool:
    """Tell whether what an event is about is ours, whatever kind of object that is. Raises PaymentError."""
    find: dict[str, Callable[[Any], object]] = {
        "checkout.session": wallet_of_session,
        "subscription": wallet_of_subscription,
        "invoice": wallet_of_invoice,
        "charge": payment_of,
        "dispute": payment_of,
        "refund": _payment_of_refund,
        "customer": check_customer,
    }
    try:
        find[data["object"]](data)
    except (NotOurs, gateway.Missing):
        return False
    except NotYet:
        return True
    return True


def is_ours(subscription: shapes.Subscription) -> bool:
    """Tell whether we sold a subscription. Raises PaymentError."""
    try:
        wallet_of_subscription(subscription)
    except NotOurs:
        return False
    return True


def wallet_of_invoice(invoice: shapes.Invoice) -> Wallet:
    """Return whose invoice it is: its subscription's. Raises NotOurs, PaymentError."""
    subscription_id = subscription_of(invoice)
    if not subscription_id:
        raise NotOurs("Not an invoice of a subscription")
    return _known(subscription_id) or wallet_of_subscription(gateway.retrieve_subscription(subscription_id))


def payment_of(data: shapes.Charge | shapes.Dispute) -> Payment:
    """Return the payment that a charge or dispute is about.

    Raises NotOurs, NotYet for one of ours that is not in the books yet, and PaymentError.
    """
    intent = data["payment_intent"]
    if not intent:
        raise NotOurs("Not a payment that was made in a checkout or for a subscription")
    here = Q(account=identity.account()) | Q(account=None)
    payments = Payment.objects.select_related("grant", "wallet").filter(here)
    if payment := payments.filter(payment_intent=intent).first():
        return payment
    if session := gateway.checkout_of(intent):
        wallet_of_session(session)
    elif invoice := gateway.invoice_of(intent):
        wallet_of_invoice(invoice)
    else:
        raise NotOurs("Not a payment that was made in a checkout or for a subscription")
    raise NotYet(f"the payment {intent} is not in the books")


def check_customer(customer: shapes.Customer) -> None:
    """Raise NotOurs for a customer that this installation did not make."""
    if not StripeCustomer.objects.filter(account=identity.account(), stripe_id=customer["id"]).exists():
        raise NotOurs("Not a customer that this installation made")


def subscription_of(invoice: shapes.Invoice) -> str | None:
    """Return the id of the subscription that an invoice is of, where it lies since version basil (2025-03)."""
    parent = invoice.get("parent")
    details = parent.get("subscription_details") if parent else None
    return details["subscription"] if details else None


def _payment_of_refund(refund: shapes.Refund) -> Payment:
    if not refund["charge"]:
        raise NotOurs("Not of a charge")
    return payment_of(gateway.retrieve_charge(refund["charge"]))


def _known(subscription_id: str) -> Wallet | None:
    rows = Subscription.objects.filter(account=identity.account(), stripe_id=subscription_id)
    row = rows.select_related("wallet__user").first()
    return row.wallet if row else None


def _begun_here(subscription: shapes.Subscription) -> Wallet | None:
    """Return whose subscription it is that an earlier version sold, which named the order but not itself.

    The number of an order says nothing alone: the checkout that is on record with it has to be what began this one.
    """
    metadata = subscription["metadata"]
    order_id = metadata.get("order", "")
    if "installation" in metadata or not _is_number(order_id):
        return None
    orders = Order.objects.filter(pk=int(order_id), account=identity.account(), stripe_session_id__isnull=False)
    order = orders.select_related("wallet__user").first()
    if order is None or order.stripe_session_id is None:
        return None
    try:
        began = gateway.retrieve_checkout(order.stripe_session_id)["subscription"]
    except gateway.Missing:
        return None
    return order.wallet if began == subscription["id"] else None


def _named(metadata: dict[str, str] | None, customer: str | None) -> Wallet:
    """Return the wallet that metadata of ours names. Raises NotOurs."""
    metadata = metadata or {}
    if metadata.get("installation") != identity.installation():
        raise NotOurs("Not sold by this installation")
    number = metadata.get("account", "")
    wallet = Wallet.objects.select_related("user").filter(pk=int(number)).first() if _is_number(number) else None
    if wallet is None:
        raise NotOurs("Of an account that is not here")
    if StripeCustomer.objects.filter(stripe_id=customer or "-").exclude(wallet=wallet).exists():
        raise NotOurs("Of another account's customer")
    return wallet


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _mode(live: bool) -> str:
    return "live" if live else "test"
