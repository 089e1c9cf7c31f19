"""Our copy of a subscription, the wallet's plan that follows from it, and what happens to a second one."""

import logging
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from billing import gateway, identity, ledger, shapes
from billing.catalogue import products
from billing.models import CreditGrant, Subscription, Wallet
from billing.outbox import mail
from billing.stripe import ours
from billing.stripe.events.shared import Books, moment, pay_back, payment_intent_of

log = logging.getLogger(__name__)

ENDED = ("canceled", "incomplete_expired")
SECOND = "A second subscription, paid back"  # as Stripe is told, and as we know it by


def subscription_changed(subscription: shapes.Subscription) -> Books | None:
    """Keep our copy of a subscription as it stands at Stripe.

    Of two that are live, the younger is ended and paid back; one of a closed account is ended.
    """
    read_at = moment()
    subscription = gateway.retrieve_subscription(subscription["id"])
    wallet = ours.wallet_of_subscription(subscription)
    subscription = without_second(wallet, subscription)
    return lambda: _follow(wallet, subscription, read_at)


def refresh(wallet: Wallet) -> bool:
    """Bring our copy of a wallet's subscription in line with Stripe's, so that a page tells what is true.

    False when Stripe does not answer soon and the copy has to do. What a change means for credits comes with Stripe's
    events, here as ever.
    """
    known = wallet.subscriptions.filter(status__in=Subscription.LIVE).first()
    if known is None:
        return True
    read_at = moment()
    try:
        data = gateway.glance_at_subscription(known.stripe_id)
    except gateway.PaymentError as error:
        log.warning("The subscription could not be looked up: %s", error)
        return False
    with transaction.atomic():
        upsert(wallet, data, read_at)
    return True


def without_second(wallet: Wallet, data: shapes.Subscription) -> shapes.Subscription:
    """Return a subscription as it stands, ended if it may not be.

    A second live one is undone first, and a closed account's is ended: its invoice is paid back when it comes.
    """
    is_closed = wallet.user.deleted_at is not None
    if data["status"] not in Subscription.LIVE or not (is_closed or _has_another(wallet, data)):
        return data
    if is_closed:
        log.error("Subscription %s is of an account that is closed: it is ended", data["id"])
        gateway.cancel_subscription(data["id"])
    else:
        _undo_second(data)
    return gateway.retrieve_subscription(data["id"])


def is_second(data: shapes.Subscription) -> bool:
    """Tell whether a subscription was undone because its customer had one."""
    details = data["cancellation_details"]
    return details is not None and details["comment"] == SECOND


def _has_another(wallet: Wallet, data: shapes.Subscription) -> bool:
    """Tell whether the account has another subscription that runs; one that we thought so of may have ended."""
    live = wallet.subscriptions.filter(status__in=Subscription.LIVE, account=identity.account())
    for other in live.exclude(stripe_id=data["id"]):
        read_at = moment()
        now = gateway.retrieve_subscription(other.stripe_id)
        if now["status"] in Subscription.LIVE:
            return True
        with transaction.atomic():
            _follow(wallet, now, read_at)
    return False


def _undo_second(data: shapes.Subscription) -> None:
    log.error("Subscription %s is a second one for its customer: it is ended and paid back", data["id"])
    invoice_id = data.get("latest_invoice")
    if invoice_id and (payment_intent := payment_intent_of(gateway.retrieve_invoice(invoice_id))):
        pay_back(payment_intent)
    # Last: until it is ended, whoever tries again comes by here.
    gateway.cancel_subscription(data["id"], comment=SECOND)


def upsert(wallet: Wallet, data: shapes.Subscription, read_at: datetime) -> Subscription:
    """Bring our row in line with `data`, for which Stripe was asked at `read_at`, and the account's plan with the row.

    Whoever asks after a change finds it, and Stripe tells of each: so what was asked for earlier never takes the place
    of what was asked for later, whichever worker is faster. Returns the row as it is then.
    """
    row = Subscription.objects.select_for_update(of=("self",)).filter(stripe_id=data["id"]).first()
    if row is not None and row.read_at and row.read_at > read_at:
        return row
    item = data["items"]["data"][0]
    price = products.sold_at(item["price"])
    account = row.account if row else identity.account()
    ended = data["status"] in ENDED
    cancel_at = data.get("cancel_at") or (item["current_period_end"] if data.get("cancel_at_period_end") else None)
    row, _ = Subscription.objects.update_or_create(
        stripe_id=data["id"],
        defaults={
            "wallet": wallet,
            "account": account,
            "plan": price.plan if price else None,
            "price": price,
            "quantity": item.get("quantity") or 1,
            "stripe_price_id": item["price"]["id"],
            "item_id": item["id"],
            "status": data["status"],
            "period_start": _time(item["current_period_start"]),
            "period_end": _time(item["current_period_end"]),
            "cancel_at": _time(cancel_at) if not ended else None,
            "ended_at": _time(data.get("ended_at")) if ended else None,
            "read_at": read_at,
        },
    )
    entitled = _entitled(wallet)
    Wallet.objects.filter(pk=wallet.pk).update(plan=entitled.plan if entitled else products.free_plan())
    return row


def write_off(wallet: Wallet, grants: QuerySet[CreditGrant], why: str, *, cause: str) -> None:
    """End what is left of `grants` before their time, once: what comes back to one later stays."""
    ending = list(grants.filter(remaining__gt=0).order_by("pk"))
    if ending:
        with ledger.books(wallet) as books:
            for grant in ending:
                books.write_off(grant, reference=f"grant:{grant.pk}:{why}", cause=cause)


def _follow(wallet: Wallet, data: shapes.Subscription, read_at: datetime) -> None:
    end(wallet, upsert(wallet, data, read_at))


def _entitled(wallet: Wallet) -> Subscription | None:
    return wallet.subscriptions.filter(status__in=Subscription.ENTITLED).select_related("plan").first()


def end(wallet: Wallet, row: Subscription) -> None:
    """End the credits of a subscription that has ended: its own, and none that were paid for after its end."""
    if row.status not in ENDED:
        return
    paid_before = Q(period_start=None) | Q(period_start__lte=row.ended_at) if row.ended_at else Q()
    write_off(wallet, row.grants.filter(paid_before), "plan_ended", cause="Expired: the plan has ended")
    has_begun = row.status == "canceled" and row.payments.exists()
    if has_begun and not _entitled(wallet):
        product = row.plan.name if row.plan else ""
        mail.queue(wallet, "plan_ended", reference=f"plan_ended:{row.stripe_id}", product=product)


def _time(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
