"""Cancel a plan at the end of its period, and let it go on after all. The books follow by Stripe's events, as ever."""

from billing import gateway, patience
from billing.errors import NotSubscribed
from billing.models import Subscription, Wallet
from billing.stripe import checkout

# What can be cancelled here; one that never began, or is paused, is seen to at Stripe.
CANCELLABLE = ("trialing", "active", "past_due", "unpaid")


def can_change(subscription: Subscription | None) -> bool:
    """Tell whether a subscription can be cancelled and resumed here."""
    return subscription is not None and subscription.status in CANCELLABLE


@patience.within(patience.CLICK_SECONDS)
def cancel(wallet: Wallet) -> None:
    """Let the wallet's plan end with its period; one that ends already stays as it is.

    Raises NotSubscribed, PaymentUnavailable, Unclear, PaymentRefused.
    """
    subscription = _of(wallet)
    now = gateway.retrieve_subscription(subscription.stripe_id)
    if not (now["cancel_at_period_end"] or now["cancel_at"]):
        gateway.update_subscription(subscription.stripe_id, {"cancel_at_period_end": True})


@patience.within(patience.CLICK_SECONDS)
def resume(wallet: Wallet) -> None:
    """Let a cancelled plan renew again; one that renews stays as it is. Raises as `cancel` does.

    Stripe's portal cancels by `cancel_at`, which has to be taken back in the same way.
    """
    subscription = _of(wallet)
    now = gateway.retrieve_subscription(subscription.stripe_id)
    if now["cancel_at_period_end"]:
        gateway.update_subscription(subscription.stripe_id, {"cancel_at_period_end": False})
    elif now["cancel_at"]:
        gateway.update_subscription(subscription.stripe_id, {"cancel_at": ""})


def _of(wallet: Wallet) -> Subscription:
    subscription = checkout.live_subscription(wallet)
    if subscription is None or not can_change(subscription):
        raise NotSubscribed
    return subscription
