"""Whose what Stripe tells of is: other sites sell through the same account, and our customers have other dealings."""

import pytest
from django.utils import timezone

from accounts.models import User
from billing import gateway, identity
from billing.models import Order, Pack, Payment, Plan, StripeCustomer, StripeEvent, Subscription
from billing.shapes import Event
from billing.stripe import checkout, closing, reconcile
from tests.payments.conftest import SITE, Customer, Desk, deliver


@pytest.fixture(autouse=True)
def _prices(customer: Customer, basic: Plan, pack: Pack) -> None:
    """Both are sold already, so that others can sell at their prices."""
    for product in (basic, pack):
        gateway.expire_checkout(_session_of(customer, product))
    Order.objects.all().delete()


def test_a_strangers_checkout_brings_nothing(customer: Customer, pack: Pack, desk: Desk) -> None:
    stranger = gateway.create_customer(email="eve@example.com", name="Eve", wallet_id=1, installation="elsewhere")
    _buy(desk, customer, pack, customer_id=stranger, metadata={})
    deliver(_all())
    assert (customer.balance, Payment.objects.count(), customer.id) == (3, 0, _known_customer(customer))
    assert not StripeCustomer.objects.filter(stripe_id=stranger).exists()
    assert _ignored("checkout.session.completed") == ["Not sold by this installation"]


def test_another_installations_checkout_brings_nothing(customer: Customer, pack: Pack, desk: Desk) -> None:
    metadata = {"account": str(customer.wallet.pk), "order": "1", "installation": "elsewhere"}
    _buy(desk, customer, pack, customer_id=customer.id, metadata=metadata)
    deliver(_all())
    assert (customer.balance, Payment.objects.count()) == (3, 0)


def test_an_earlier_versions_numbers_alone_bring_nothing(
    customer: Customer, pack: Pack, basic: Plan, desk: Desk
) -> None:
    order = _order(customer, basic, "")
    metadata = {"account": str(customer.wallet.pk), "order": str(order.pk), "product": "reveweb_plan_basic"}
    _buy(desk, customer, pack, customer_id=customer.id, metadata=metadata)
    _buy(desk, customer, basic, customer_id=customer.id, metadata=metadata)
    deliver(_all())
    assert (customer.balance, Payment.objects.count(), Subscription.objects.count()) == (3, 0, 0)


def test_another_begins_under_the_number_of_an_order_of_ours(customer: Customer, basic: Plan, desk: Desk) -> None:
    """Another installation of an earlier version, which counts as we do, and an order of ours that has its number."""
    _session_of(customer, basic)
    order = Order.objects.get()
    metadata = {"account": str(customer.wallet.pk), "order": str(order.pk), "product": "reveweb_plan_basic"}
    _buy(desk, customer, basic, customer_id=customer.id, metadata=metadata)
    deliver(_all())
    assert (customer.balance, Payment.objects.count(), Subscription.objects.count()) == (3, 0, 0)


def test_what_an_earlier_version_began_is_ours(customer: Customer, basic: Plan, pack: Pack, desk: Desk) -> None:
    """It did not name itself at Stripe; its checkouts are on record."""
    for product in (basic, pack):
        order = _order(customer, product, "")
        key = f"reveweb_{'plan' if isinstance(product, Plan) else 'pack'}_{product.slug}"
        metadata = {"account": str(customer.wallet.pk), "order": str(order.pk), "product": key}
        order.stripe_session_id = _open(customer, product, customer.id, metadata)
        order.save()
        desk(f"checkout/{order.stripe_session_id}/pay")
    news = _all()
    deliver([event for event in news if event["type"] == "customer.subscription.created"])
    assert customer.subscription.status == "active"
    deliver(news)
    assert (customer.balance, Payment.objects.count(), customer.plan) == (153, 2, basic)
    assert _ignored("checkout.session.completed", "invoice.paid", "customer.subscription.created") == [""] * 4


@pytest.mark.parametrize("first", [True, False])
def test_a_retainer_of_our_customer_is_left_alone(customer: Customer, basic: Plan, desk: Desk, first: bool) -> None:
    """Somebody made it at Stripe by hand, for a person who is our customer."""
    if first:
        customer.pay(basic)
    retainer = _buy(desk, customer, basic, customer_id=customer.id, metadata={})
    if not first:
        customer.pay(basic)
    deliver(_all())
    assert (customer.balance, customer.wallet.payments.count(), customer.plan) == (103, 1, basic)
    assert gateway.retrieve_subscription(retainer)["status"] == "active"
    assert not any(charge["amount_refunded"] for charge in gateway.charges_since(0))
    desk(f"subscriptions/{retainer}/renew")
    deliver(_all())
    assert Subscription.objects.count() == 1
    User.objects.update(deleted_at=timezone.now())
    assert closing.stop_charges(customer.wallet) == 1
    assert gateway.retrieve_subscription(retainer)["status"] == "active"


@pytest.mark.parametrize("how", ["refund", "dispute"])
def test_money_that_goes_back_for_something_else_ends_there(
    customer: Customer, basic: Plan, desk: Desk, how: str
) -> None:
    _buy(desk, customer, basic, customer_id=customer.id, metadata={})
    [charge] = gateway.charges_since(0)
    desk(f"charges/{charge['id']}/{how}")
    deliver(_all(), tries=1)
    assert (customer.balance, StripeEvent.objects.filter(handled_at=None).count()) == (3, 0)
    kind = {"refund": "charge.refunded", "dispute": "charge.dispute.created"}[how]
    assert _ignored(kind) == ["Not sold by this installation"]


def test_reconciling_says_nothing_of_what_is_not_ours(customer: Customer, basic: Plan, pack: Pack, desk: Desk) -> None:
    for product in (basic, pack):
        _buy(desk, customer, product, customer_id=customer.id, metadata={})
    deliver([event for event in _all() if event["type"] == "checkout.session.expired"])  # ours
    for charge in gateway.charges_since(0):
        desk(f"charges/{charge['id']}/refund")
    assert list(reconcile.compare(since=0, repair=False)) == []
    assert list(reconcile.compare(since=0, repair=True)) == []
    assert (customer.balance, Payment.objects.count()) == (3, 0)


def test_a_copy_leaves_what_is_its_originals(customer: Customer, basic: Plan, pack: Pack, desk: Desk) -> None:
    customer.pay(basic)
    deliver(_all())
    subscription = customer.subscription.stripe_id
    original = customer.id
    identity.rename()
    desk(f"subscriptions/{subscription}/renew")
    deliver(_all())
    assert (customer.balance, Payment.objects.count()) == (103, 1)
    User.objects.update(deleted_at=timezone.now())
    assert closing.stop_charges(customer.wallet) == 0
    assert gateway.retrieve_subscription(subscription)["status"] == "active"
    User.objects.update(deleted_at=None)
    customer.pay(pack)
    deliver(_all())
    assert customer.balance == 153
    assert customer.wallet.customers.get(account=identity.account()).stripe_id != original


def _order(customer: Customer, product: Plan | Pack, session: str) -> Order:
    price = product.prices.get()
    values = {"account": price.account, "price": price, "plan": price.plan, "pack": price.pack}
    return Order.objects.create(wallet=customer.wallet, stripe_session_id=session or None, **values)


def _session_of(customer: Customer, product: Plan | Pack) -> str:
    url = checkout.start(wallet=customer.wallet, product=product, site=SITE)
    return Order.objects.get(url=url).stripe_session_id or ""


def _open(customer: Customer, product: Plan | Pack, customer_id: str, metadata: dict[str, str]) -> str:
    """Open a checkout at Stripe as another site would, which happens to count as we do."""
    params: gateway.CheckoutParams = {
        "customer": customer_id,
        "client_reference_id": str(customer.wallet.pk),
        "line_items": [{"price": product.prices.get().stripe_id, "quantity": 1}],
        "success_url": "http://elsewhere.example",
        "metadata": metadata,
        "mode": "subscription" if isinstance(product, Plan) else "payment",
    }
    if isinstance(product, Plan):
        params["subscription_data"] = {"metadata": metadata}
    else:
        params["payment_intent_data"] = {"metadata": metadata}
    return gateway.create_checkout(params, idempotency_key=f"test:{timezone.now()}")["id"]


def _buy(desk: Desk, customer: Customer, product: Plan | Pack, *, customer_id: str, metadata: dict[str, str]) -> str:
    """Go through such a checkout; return the subscription that it began, if it began one."""
    session = _open(customer, product, customer_id, metadata)
    desk(f"checkout/{session}/pay")
    return gateway.retrieve_checkout(session)["subscription"] or ""


def _all() -> list[Event]:
    return list(gateway.events_since(0))[::-1]


def _ignored(*kinds: str) -> list[str]:
    return list(StripeEvent.objects.filter(type__in=kinds).values_list("ignored", flat=True))


def _known_customer(customer: Customer) -> str:
    return StripeCustomer.objects.get(wallet=customer.wallet).stripe_id or ""
