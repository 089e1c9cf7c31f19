"""What belongs to a Stripe account that is not in use any more: nobody hears of it again, so it ends by itself.

The rows stay for the books. Should the earlier key come back, Stripe's events and `reconcile_stripe` say what is true.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing import identity
from billing.catalogue import products
from billing.models import Order, Subscription, Wallet
from billing.outbox import mail

DECIDED_AFTER = timedelta(days=30)  # a bank's debit is


def end_left_behind(limit: int = 200) -> int:
    """End the plans of other accounts whose paid period is over, and their orders; return how many plans ended.

    Raises PaymentError while it is not known which account is in use.
    """
    account, now = identity.account(), timezone.now()
    waiting = Order.objects.filter(status__in=(Order.Status.OPEN, Order.Status.PENDING))
    waiting.exclude(account=account).filter(created_at__lt=now - DECIDED_AFTER).update(status=Order.Status.EXPIRED)
    live = Subscription.objects.filter(status__in=Subscription.LIVE).exclude(account=account)
    over = live.filter(Q(period_end=None) | Q(period_end__lte=now)).select_related("wallet__user", "plan")
    return sum(_end(subscription) for subscription in over.order_by("pk")[:limit])


@transaction.atomic
def _end(subscription: Subscription) -> bool:
    wallet = subscription.wallet
    Wallet.objects.select_for_update(of=("self",), no_key=True).get(pk=wallet.pk)
    still_live = Subscription.objects.filter(pk=subscription.pk, status__in=Subscription.LIVE)
    if not still_live.update(status="canceled", ended_at=subscription.period_end or timezone.now()):
        return False
    entitled = wallet.subscriptions.filter(status__in=Subscription.ENTITLED).select_related("plan").first()
    Wallet.objects.filter(pk=wallet.pk).update(plan=entitled.plan if entitled else products.free_plan())
    if not entitled:
        product = subscription.plan.name if subscription.plan else ""
        mail.queue(wallet, "plan_ended", reference=f"plan_ended:{subscription.stripe_id}", product=product)
    return True
