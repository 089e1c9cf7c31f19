"""What ends when somebody closes their account: nothing may be charged any more. The books stay."""

import contextlib
import logging
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from billing import gateway, identity
from billing.models import Order, Payment, StripeCustomer, Subscription, Wallet
from billing.stripe import customers, ours

log = logging.getLogger(__name__)

UNDER_WAY = timedelta(hours=1)  # far longer than a checkout takes to start and to find that the account is closed


def stop_charges(wallet: Wallet) -> int:
    """Close open checkouts and end every subscription at once, paying nothing back; return how many plans ended.

    Idempotent, and no transaction may be open: Stripe is asked. Our copies follow with its events, as ever. Raises
    PaymentUnavailable, and PaymentRefused when Stripe will not end what it still runs.
    """
    if not settings.PAYMENTS:
        return 0
    account = identity.account()  # what belongs to another one cannot be ended with the key in use
    for order in wallet.orders.filter(status=Order.Status.OPEN, account=account):
        _close(order)
    customer = customers.living(wallet)
    if customer is None or customer.stripe_id is None:
        return 0
    live = _live(customer.stripe_id)
    for subscription_id in live:
        _cancel(subscription_id)
    return len(live)


def discard_customer(wallet: Wallet) -> bool:
    """Delete the Stripe customer of a closed account if nothing was ever bought with it; tell whether it is gone.

    A checkout that began in the instant of the closing may have made it. While Stripe cannot be reached it stays, for
    `discard_customers` to find. Idempotent, and no transaction may be open.
    """
    here = wallet.customers.filter(account=identity.presumed(), gone_at=None)
    row = here.select_related("account").first()
    if row is None or wallet.payments.exists() or wallet.subscriptions.exists():
        return False
    try:
        customer = customers.find(row)
        if customer and gateway.has_dealings(customer):
            return False
        if customer:
            gateway.delete_customer(customer)
    except gateway.PaymentUnavailable as error:
        log.warning("The empty customer of %s stays for now: %s", wallet, error)
        return False
    except gateway.PaymentRefused:
        log.info("The customer of %s is gone already", wallet)
    StripeCustomer.objects.filter(pk=row.pk).update(**customers.gone())
    return True


def discard_customers(limit: int = 200) -> int:
    """Delete the empty Stripe customers of accounts that were closed a while ago; return how many there were."""
    if not settings.PAYMENTS:
        return 0
    long_closed = StripeCustomer.objects.filter(wallet__user__deleted_at__lt=timezone.now() - UNDER_WAY)
    long_closed.exclude(stripe_id=None).exclude(email="", name="").update(email="", name="")
    here = StripeCustomer.objects.filter(account=identity.presumed(), gone_at=None)
    closed = Wallet.objects.filter(
        ~Exists(Payment.objects.filter(wallet=OuterRef("pk"))),
        ~Exists(Subscription.objects.filter(wallet=OuterRef("pk"))),
        Exists(here.filter(wallet=OuterRef("pk"))),
        user__deleted_at__lt=timezone.now() - UNDER_WAY,
    )
    return sum(discard_customer(wallet) for wallet in closed.select_related("user").order_by("-pk")[:limit])


def _close(order: Order) -> None:
    if order.stripe_session_id:
        with contextlib.suppress(gateway.PaymentRefused):  # it is complete or expired: either way nobody pays there
            gateway.expire_checkout(order.stripe_session_id)
    Order.objects.filter(pk=order.pk, status=Order.Status.OPEN).update(status=Order.Status.EXPIRED)


def _live(customer: str) -> list[str]:
    """Return what we sold that Stripe runs for the customer: one may be so new that we have not heard of it.

    A customer that is gone took all its subscriptions along.
    """
    try:
        running = [one for one in gateway.subscriptions_of(customer) if one["status"] in Subscription.LIVE]
    except gateway.Missing:
        log.warning("%s is a customer that Stripe does not know any more", customer)
        customers.forget(customer)
        return []
    return [one["id"] for one in running if ours.is_ours(one)]


def _cancel(subscription_id: str) -> None:
    try:
        gateway.cancel_subscription(subscription_id)
    except gateway.PaymentRefused:
        if gateway.retrieve_subscription(subscription_id)["status"] in Subscription.LIVE:
            raise
