"""Start a checkout, open the portal, change the plan. Nothing here grants anything: only Stripe's events do."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from billing import gateway, identity, patience
from billing.catalogue import products
from billing.errors import AccountClosed, AlreadySubscribed, ChangeUnderWay, NotForSale, NotSubscribed
from billing.models import Order, Pack, Plan, Price, Subscription, Wallet
from billing.shapes import Session
from billing.stripe import checkout_options, closing, customers, portals

CHANGE_LEASE = timedelta(minutes=2)  # far longer than a change takes with all its retries
REUSED_FOR = timedelta(minutes=30)  # Stripe keeps a session open for 24 hours; an older one may show an old price


@patience.within(patience.CLICK_SECONDS)
@customers.anew_if_gone
def start(*, wallet: Wallet, product: Plan | Pack, site: str) -> str:
    """Return the address of a hosted checkout for `product`; `site` is where the browser comes back to.

    A plan has one open checkout at a time, which further tabs share. In order, so that a process may die between any
    two of these: the order goes on record, then what Stripe is asked and under which key, then Stripe is asked, then
    its session goes on record, and only then its address is given to anybody. Raises AlreadySubscribed, NotForSale,
    AccountClosed, PaymentUnavailable, PaymentRefused.
    """
    if not product.active or not product.price:
        raise NotForSale(product.name)
    _refuse_closed(wallet)
    price = products.current_price(product)
    order = _plan_order(wallet, price) if price.plan else _create_order(wallet, price)
    if order.url:
        return order.url
    try:
        session = _begun(wallet, order, price, site)
    except gateway.PaymentRefused as error:
        _refuse_closing(wallet, order)  # its customer may just have been deleted
        if not (error.param.startswith("line_items") and products.mend(product)):
            raise
        return start(wallet=wallet, product=product, site=site)  # its price had been archived or changed at Stripe
    url = session["url"]
    assert url  # a session that has just begun is open
    still_open = Order.objects.filter(pk=order.pk, status=Order.Status.OPEN)
    is_ours = still_open.update(stripe_session_id=session["id"], url=url)
    # Read after the session is on record: an account that closes later finds it there, and expires it.
    if is_ours and not _is_closed(wallet):
        return url
    _withdraw(order, session["id"])
    _refuse_closing(wallet, order)
    return start(wallet=wallet, product=product, site=site)  # another tab has started a new one meanwhile: follow it


@patience.within(patience.CLICK_SECONDS)
@customers.anew_if_gone
def portal(*, wallet: Wallet, site: str) -> str:
    """Return the address of the billing portal: card, invoices, cancel, resume. Raises as `start` does."""
    _refuse_closed(wallet)
    customer = customers.customer_of(wallet)
    _refuse_closing(wallet)
    offered = portals.configuration()
    return gateway.create_portal(customer, f"{site}/dashboard/billing/?settling=1", configuration=offered)


@patience.within(patience.CLICK_SECONDS)
def change_plan(*, wallet: Wallet, plan: Plan) -> None:
    """Move a running subscription to another paid plan.

    One that costs more is prorated by Stripe and invoiced at once; a card that is refused leaves all as it was. One
    that costs less costs less from the next period on and brings no money back: today's credits stay, and with both,
    going up and down again would give credits away. Raises NotSubscribed, NotForSale, ChangeUnderWay,
    PaymentUnavailable, Unclear, PaymentRefused.
    """
    if not plan.active or not plan.price:
        raise NotForSale(plan.name)
    subscription = live_subscription(wallet)
    if subscription is None:
        raise NotSubscribed
    with _changing(subscription):
        # As it stands at Stripe: our copy follows with the webhook, and a price that is behind would pay money back.
        there = gateway.retrieve_subscription(subscription.stripe_id)
        if there["status"] not in Subscription.LIVE:
            raise NotSubscribed
        item = there["items"]["data"][0]
        paid, rhythm = item["price"]["unit_amount"], item["price"]["recurring"]
        if paid is None or rhythm is None:  # in tiers, say: made by hand at Stripe, and nothing to compare with
            raise NotForSale(plan.name)
        price = products.current_price(plan)
        dearer = price.amount > paid
        begins_anew = (price.interval, 1) != (rhythm["interval"], rhythm["interval_count"])
        if begins_anew and (not dearer or price.interval != Plan.Interval.YEAR):
            raise NotForSale(plan.name)  # it would begin a period that nothing was paid for, or cut a longer one short
        try:
            _move(subscription, item["id"], price, dearer=dearer)
        except gateway.PaymentRefused as error:
            if not (error.param.startswith("items") and products.mend(plan)):
                raise
            _move(subscription, item["id"], products.current_price(plan), dearer=dearer)


def _move(subscription: Subscription, item_id: str, price: Price, *, dearer: bool) -> None:
    gateway.update_subscription(
        subscription.stripe_id,
        {
            "items": [{"id": item_id, "price": price.stripe_id}],
            "proration_behavior": "always_invoice" if dearer else "none",
            "payment_behavior": "error_if_incomplete",
        },
    )


@contextlib.contextmanager
def _changing(subscription: Subscription) -> Iterator[None]:
    """Let one change of a subscription through at a time; a claim whose process died lapses."""
    now = timezone.now()
    free = Q(changing_at=None) | Q(changing_at__lt=now - CHANGE_LEASE)
    if not Subscription.objects.filter(free, pk=subscription.pk).update(changing_at=now):
        raise ChangeUnderWay
    try:
        yield
    finally:
        Subscription.objects.filter(pk=subscription.pk).update(changing_at=None)


def costs_more(plan: Plan, subscription: Subscription) -> bool:
    """Tell whether `plan` costs more than what `subscription` runs at, which may be its plan's earlier price."""
    paid = subscription.price
    return paid is None or plan.price > paid.amount


def live_subscription(wallet: Wallet) -> Subscription | None:
    """Return the wallet's subscription that has not ended at the Stripe account in use, if there is one."""
    live = wallet.subscriptions.filter(status__in=Subscription.LIVE, account=identity.presumed())
    return live.select_related("plan", "price").first()


def _is_closed(wallet: Wallet) -> bool:
    return User.objects.filter(pk=wallet.user_id).exclude(deleted_at=None).exists()


def _refuse_closed(wallet: Wallet) -> None:
    if _is_closed(wallet):
        raise AccountClosed


def _refuse_closing(wallet: Wallet, order: Order | None = None) -> None:
    """Raise AccountClosed if the account was closed while Stripe was asked, and leave nothing empty behind there."""
    if not _is_closed(wallet):
        return
    if order is not None:
        Order.objects.filter(pk=order.pk, status=Order.Status.OPEN).update(status=Order.Status.EXPIRED)
    closing.discard_customer(wallet)
    raise AccountClosed


def _withdraw(order: Order, session_id: str) -> None:
    """Close a session whose address nobody was given, and its order."""
    with contextlib.suppress(gateway.PaymentRefused):  # whoever closed the order was faster
        gateway.expire_checkout(session_id)
    Order.objects.filter(pk=order.pk, status=Order.Status.OPEN).update(status=Order.Status.EXPIRED)


@transaction.atomic
def _create_order(wallet: Wallet, price: Price) -> Order:
    """Create an order unless the account is closed. With the lock, closing it comes first or finds the order."""
    User.objects.select_for_update(of=("self",), no_key=True).get(pk=wallet.user_id)
    _refuse_closed(wallet)
    return Order.objects.create(wallet=wallet, account=price.account, price=price, plan=price.plan, pack=price.pack)


def _plan_order(wallet: Wallet, price: Price) -> Order:
    if live_subscription(wallet) or _is_on_its_way(wallet, price):
        raise AlreadySubscribed
    earlier = wallet.orders.filter(account=price.account, status=Order.Status.OPEN, pack=None).first()
    if earlier:
        if earlier.price_id == price.pk and earlier.created_at > timezone.now() - REUSED_FOR:
            return earlier
        _close(earlier)
    try:
        return _create_order(wallet, price)
    except IntegrityError:  # another tab was a moment faster: look again
        return _plan_order(wallet, price)


def _is_on_its_way(wallet: Wallet, price: Price) -> bool:
    """Tell whether a plan was paid whose subscription runs, though we have not heard of it yet: Stripe is asked."""
    plans = wallet.orders.filter(account=price.account, pack=None)
    paid = plans.filter(status__in=(Order.Status.PAID, Order.Status.PENDING)).first()
    if (
        paid is None
        or not paid.stripe_session_id
        or wallet.subscriptions.filter(created_at__gte=paid.created_at).exists()
    ):
        return False
    begun = gateway.retrieve_checkout(paid.stripe_session_id)["subscription"]
    return begun is not None and gateway.retrieve_subscription(begun)["status"] in Subscription.LIVE


def _close(order: Order) -> None:
    if order.stripe_session_id:
        try:
            gateway.expire_checkout(order.stripe_session_id)
        except gateway.PaymentRefused as error:
            # It is complete already: its event is on the way, and a second one must not be sold meanwhile.
            if gateway.retrieve_checkout(order.stripe_session_id)["status"] == "complete":
                raise AlreadySubscribed from error
    # As it was read: a session that went on record meanwhile keeps the order open, and whoever asks next closes both.
    as_read = Order.objects.filter(pk=order.pk, stripe_session_id=order.stripe_session_id)
    as_read.filter(status=Order.Status.OPEN).update(status=Order.Status.EXPIRED)


def _begun(wallet: Wallet, order: Order, price: Price, site: str) -> Session:
    """Return the order's session: the one that was begun before, if only its answer was lost.

    Once Stripe has kept an error under the key, the next try has another one, and says what is true by then.
    """
    if not order.idempotency_key:
        asked = {"idempotency_key": gateway.new_key(), "params": _session(wallet, order, price, site)}
        Order.objects.filter(pk=order.pk, idempotency_key="").update(**asked)  # or another tab was faster
        order.refresh_from_db(fields=["idempotency_key", "params"])
    key = order.idempotency_key
    try:
        return gateway.create_checkout(cast(gateway.CheckoutParams, order.params), idempotency_key=key)
    except gateway.PaymentError as error:
        if error.is_final:
            Order.objects.filter(pk=order.pk, idempotency_key=key).update(idempotency_key="", params={})
        raise


def _session(wallet: Wallet, order: Order, price: Price, site: str) -> gateway.CheckoutParams:
    metadata = {
        "account": str(wallet.pk),
        "order": str(order.pk),
        "product": products.lookup_key(price.product),
        "installation": identity.installation(),
    }
    params: gateway.CheckoutParams = {
        "customer": customers.customer_of(wallet),
        "client_reference_id": str(wallet.pk),
        "line_items": [{"price": price.stripe_id, "quantity": 1}],
        "success_url": f"{site}/dashboard/billing/success/?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{site}/dashboard/billing/",
        "metadata": metadata,
    }
    if price.plan:
        options = checkout_options.of_any()
        return {**params, **options, "mode": "subscription", "subscription_data": {"metadata": metadata}}
    options = checkout_options.of_purchase(metadata)
    return {**params, **options, "mode": "payment", "payment_intent_data": {"metadata": metadata}}
