"""What ends when somebody closes their account: nothing may be charged any more. The books stay."""

import contextlib
import logging

from django.conf import settings

from billing import gateway
from billing.models import Account, Order, Subscription

log = logging.getLogger(__name__)


def stop_charges(account: Account) -> int:
    """Close open checkouts and end every subscription at once, paying nothing back; return how many plans ended.

    Idempotent, and no transaction may be open: Stripe is asked. Our copies follow with its events, as ever. Raises
    PaymentUnavailable, and PaymentRefused when Stripe will not end what it still runs.
    """
    if not settings.PAYMENTS:
        return 0
    for order in account.orders.filter(status=Order.Status.OPEN):
        _close(order)
    account.refresh_from_db(fields=["stripe_customer_id"])  # a checkout under way may just have made the customer
    if not account.stripe_customer_id:
        return 0
    live = _live(account, account.stripe_customer_id)
    for subscription_id in live:
        _cancel(subscription_id)
    return len(live)


def _close(order: Order) -> None:
    if order.stripe_session_id:
        with contextlib.suppress(gateway.PaymentRefused):  # it is complete or expired: either way nobody pays there
            gateway.expire_checkout(order.stripe_session_id)
    Order.objects.filter(pk=order.pk, status=Order.Status.OPEN).update(status=Order.Status.EXPIRED)


def _live(account: Account, customer: str) -> list[str]:
    """Return the subscriptions that Stripe runs for the customer: one may be so new that we have not heard of it."""
    try:
        return [one["id"] for one in gateway.subscriptions_of(customer) if one["status"] in Subscription.LIVE]
    except gateway.PaymentRefused:
        if account.subscriptions.filter(status__in=Subscription.LIVE).exists():
            raise
        log.warning("%s is a customer that Stripe does not know", account)
        return []


def _cancel(subscription_id: str) -> None:
    try:
        gateway.cancel_subscription(subscription_id)
    except gateway.PaymentRefused:
        if gateway.retrieve_subscription(subscription_id)["status"] in Subscription.LIVE:
            raise
