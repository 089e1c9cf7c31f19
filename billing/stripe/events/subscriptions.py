"""Our copy of a subscription, the wallet's plan that follows from it, and what happens to a second one."""

import logging
from datetime import UTC, datetime

from django.db import transaction

from billing import gateway, identity, ledger, shapes
from billing.catalogue import products
from billing.models import CreditGrant, Price, Subscription, Wallet
from billing.outbox import mail
from billing.stripe import ours
from billing.stripe.events.shared import Books, moment, pay_back, payment_intent_of

log = logging.getLogger(__name__)


def subscription_changed(subscription: shapes.Subscription) -> Books | None:
    """Keep our copy of a subscription as it stands at Stripe.

    Of two that are live, the younger is ended and paid back; one of a closed account is ended.
    """
    read_at = moment()
    subscription = gateway.retrieve_subscription(subscription["id"])
    wallet = ours.wallet_of_subscription(subscription)
    subscription, _ = first_or_undone(wallet, subscription)
    return lambda: upsert(wallet, subscription, read_at)


def catch_up(subscription: Subscription) -> bool:
    """Bring our copy of a subscription in line with Stripe's, so that what a change costs is told from what is true.

    False when Stripe does not answer soon and the copy has to do: what is charged is worked out there in any case.
    """
    read_at = moment()
    try:
        data = gateway.glance_at_subscription(subscription.stripe_id)
    except gateway.PaymentError as error:
        log.warning("The subscription could not be looked up: %s", error)
        return False
    with transaction.atomic():
        upsert(subscription.wallet, data, read_at)
    return True


def first_or_undone(wallet: Wallet, data: shapes.Subscription) -> tuple[shapes.Subscription, bool]:
    """Return a subscription as it stands, and whether the account has another.

    A second live one is undone first, and a closed account's is ended: its invoice is paid back when it comes.
    """
    live = wallet.subscriptions.filter(status__in=Subscription.LIVE, account=identity.account())
    is_second = live.exclude(stripe_id=data["id"]).exists()
    is_closed = wallet.user.deleted_at is not None
    if data["status"] not in Subscription.LIVE or not (is_second or is_closed):
        return data, is_second
    if is_closed:
        log.error("Subscription %s is of an account that is closed: it is ended", data["id"])
        gateway.cancel_subscription(data["id"])
    else:
        _undo_second(data)
    return gateway.retrieve_subscription(data["id"]), is_second


def _undo_second(data: shapes.Subscription) -> None:
    log.error("Subscription %s is a second one for its customer: it is ended and paid back", data["id"])
    invoice_id = data.get("latest_invoice")
    if invoice_id and (payment_intent := payment_intent_of(gateway.retrieve_invoice(invoice_id))):
        pay_back(payment_intent, idempotency_key=f"second:{data['id']}")
    gateway.cancel_subscription(data["id"])  # last: until it is ended, whoever tries again comes by here


def upsert(wallet: Wallet, data: shapes.Subscription, read_at: datetime) -> None:
    """Bring our row in line with `data`, for which Stripe was asked at `read_at`, and the account's plan with the row.

    Whoever asks after a change finds it, and Stripe tells of each: so what was asked for earlier never takes the place
    of what was asked for later, whichever worker is faster.
    """
    row = Subscription.objects.select_for_update(of=("self",)).filter(stripe_id=data["id"]).first()
    if row is not None and row.read_at and row.read_at > read_at:
        return
    item = data["items"]["data"][0]
    stripe_price = item["price"]["id"]
    price = Price.objects.select_related("plan").filter(stripe_id=stripe_price).first()
    plan = price.plan if price else None
    account = row.account if row else identity.account()
    ended = data["status"] in ("canceled", "incomplete_expired")
    cancel_at = data.get("cancel_at") or (item["current_period_end"] if data.get("cancel_at_period_end") else None)
    was_live = row is not None and row.status in Subscription.LIVE
    Subscription.objects.update_or_create(
        stripe_id=data["id"],
        defaults={
            "wallet": wallet,
            "account": account,
            "plan": plan,
            "price": price,
            "quantity": item.get("quantity") or 1,
            "stripe_price_id": stripe_price,
            "item_id": item["id"],
            "status": data["status"],
            "period_start": _time(item["current_period_start"]),
            "period_end": _time(item["current_period_end"]),
            "cancel_at": _time(cancel_at) if not ended else None,
            "ended_at": _time(data.get("ended_at")) if ended else None,
            "read_at": read_at,
        },
    )
    entitled = wallet.subscriptions.filter(status__in=Subscription.ENTITLED).first()
    Wallet.objects.filter(pk=wallet.pk).update(plan=entitled.plan if entitled else products.free_plan())
    if ended and was_live and not entitled:
        for grant in CreditGrant.objects.filter(wallet=wallet, source=CreditGrant.Source.PLAN, remaining__gt=0):
            ledger.write_off(grant=grant, reference=f"grant:{grant.pk}:plan_ended", cause="Expired: the plan has ended")
        product = plan.name if plan else ""
        mail.queue(wallet, "plan_ended", reference=f"plan_ended:{data['id']}", product=product)


def _time(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
