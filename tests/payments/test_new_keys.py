"""Another Stripe account on the same database: from test to live, from the stand-in to Stripe, from one to another."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import gateway, identity, tasks
from billing.models import Order, OutgoingMail, Pack, Plan, Price, StripeAccount, StripeEvent, Subscription, Wallet
from billing.stripe import checkout, closing, earlier, inbox, reconcile
from tests.payments.conftest import SITE, Customer, Desk, deliver
from tests.sandbox.stripe.stand import Stand

Switch = Callable[[str], Desk]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Another stand-in: another account."""
    stand = Stand(tmp_path_factory.mktemp("second"), "", SANDBOX_STRIPE_KEY="")
    yield stand
    stand.stop()


@pytest.fixture
def switch(customer: Customer, sandbox: str, second: Stand, settings: Any) -> Iterator[Switch]:
    """Change the keys to those of the "first" or the "second" account."""
    began: set[str] = {"first"}

    def to(which: str) -> Desk:
        url = {"first": sandbox, "second": second.url}[which]
        settings.STRIPE_API_BASE = url
        gateway._client.cache_clear()
        if which not in began:
            customer.desk = Desk(url)
            began.add(which)
        customer.desk.url = url
        return customer.desk

    yield to
    gateway._client.cache_clear()


def test_everything_is_sold_at_the_new_account(
    customer: Customer, basic: Plan, pack: Pack, switch: Switch, client: Client
) -> None:
    customer.pay(pack)
    _follow()
    assert customer.balance == 53
    first = customer.id
    switch("second")
    out = StringIO()
    call_command("sync_stripe", stdout=out)
    assert out.getvalue().count("is new") == Price.objects.filter(account=identity.account()).count() >= 3
    customer.pay(pack)
    customer.pay(basic)
    _follow()
    assert customer.balance == 203
    assert "/stripe/portal/" in checkout.portal(wallet=customer.wallet, site=SITE)
    living = customer.wallet.customers.get(account=identity.account(), gone_at=None)
    assert living.stripe_id != first
    assert checkout.live_subscription(customer.wallet) == Subscription.objects.get(account=identity.account())
    assert list(reconcile.compare(since=0, repair=True)) == []
    client.force_login(customer.wallet.user)
    assert client.get("/dashboard/billing/").status_code == 200


def test_back_at_the_first_account_all_is_as_it_was(
    customer: Customer, basic: Plan, pack: Pack, switch: Switch
) -> None:
    customer.pay(basic)
    _follow()
    first, account = customer.id, identity.account()
    switch("second")
    customer.pay(pack)
    _follow()
    switch("first")
    assert identity.account() == account
    customer.pay(pack)
    _follow()
    assert customer.balance == 203
    assert customer.wallet.customers.get(account=account).stripe_id == first
    assert Price.objects.filter(account=account, pack=pack).count() == 1


def test_what_was_left_open_at_the_first_account_stands_in_nobodys_way(
    customer: Customer, basic: Plan, switch: Switch
) -> None:
    checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    switch("second")
    customer.pay(basic)
    _follow()
    assert (customer.balance, customer.plan) == (103, basic)
    assert list(Order.objects.order_by("pk").values_list("status", flat=True)) == ["open", "paid"]
    Order.objects.update(created_at=timezone.now() - earlier.DECIDED_AFTER * 2)
    tasks.sweep_customers()
    assert list(Order.objects.order_by("pk").values_list("status", flat=True)) == ["expired", "paid"]


def test_a_plan_of_an_earlier_account_ends_with_its_paid_period(
    customer: Customer, basic: Plan, switch: Switch
) -> None:
    customer.pay(basic)
    _follow()
    switch("second")
    assert checkout.live_subscription(customer.wallet) is not None  # nobody has asked whose the new key is
    tasks.sweep_customers()
    assert checkout.live_subscription(customer.wallet) is None
    assert (customer.plan, customer.balance) == (basic, 103)
    Subscription.objects.update(period_end=timezone.now())
    tasks.sweep_customers()
    tasks.sweep_customers()
    assert (customer.plan, customer.subscription.status) == (Plan.objects.get(slug="free"), "canceled")
    assert OutgoingMail.objects.filter(template="plan_ended").count() == 1


def test_a_plan_of_an_earlier_account_gives_way_to_a_new_one(customer: Customer, basic: Plan, switch: Switch) -> None:
    customer.pay(basic)
    _follow()
    switch("second")
    customer.pay(basic)
    _follow()
    assert Subscription.objects.filter(status="active").count() == 2
    Subscription.objects.exclude(account=identity.account()).update(period_end=timezone.now())
    tasks.sweep_customers()
    assert customer.plan == basic
    assert not OutgoingMail.objects.filter(template="plan_ended").exists()


def test_an_account_is_closed_though_its_plan_was_anothers(customer: Customer, basic: Plan, switch: Switch) -> None:
    customer.pay(basic)
    _follow()
    switch("second")
    User.objects.update(deleted_at=timezone.now())
    assert closing.stop_charges(customer.wallet) == 0


def test_an_event_of_the_earlier_account_ends(customer: Customer, pack: Pack, switch: Switch) -> None:
    """It came, and could not be handled before the keys were changed."""
    customer.pay(pack)
    for event in gateway.events_since(0):
        inbox.store(event)
    switch("second")
    deliver([], tries=1)
    assert customer.balance == 3
    done = StripeEvent.objects.get(type="checkout.session.completed")
    assert done.ignored == "Of a Stripe account that is not in use any more"


@pytest.mark.parametrize(("live", "key", "mode"), [(True, "sk_test_1", "live"), (False, "rk_live_1", "test")])
def test_an_event_of_the_other_mode_is_noted_only(
    customer: Customer, pack: Pack, settings: Any, live: bool, key: str, mode: str
) -> None:
    customer.pay(pack)
    news = [{**event, "livemode": live} for event in gateway.events_since(0)]
    settings.STRIPE_SECRET_KEY = key
    deliver(news, tries=1)  # type: ignore[arg-type]  # an event, but for its mode
    assert customer.balance == 3
    assert StripeEvent.objects.get(type="checkout.session.completed").ignored.startswith(f"Of {mode} mode")


def test_a_connected_accounts_event_is_noted_only(customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    deliver([{**event, "account": "acct_elsewhere"} for event in gateway.events_since(0)])
    assert customer.balance == 3


# --- Which account it is


def test_another_key_of_the_same_account_changes_nothing(customer: Customer, pack: Pack, settings: Any) -> None:
    customer.pay(pack)
    account = identity.account()
    settings.STRIPE_SECRET_KEY = "sk_test_rolled"
    assert identity.known() is None
    assert checkout.live_subscription(customer.wallet) is None
    assert identity.account() == account
    assert StripeAccount.objects.count() == 1


def test_an_account_from_before_is_known_by_what_it_has(customer: Customer, pack: Pack, switch: Switch) -> None:
    customer.pay(pack)
    _follow()
    account = identity.account()
    StripeAccount.objects.update(stripe_id="", key_digest="")
    assert identity.account() == account
    assert StripeAccount.objects.get().stripe_id.startswith("acct_")


def test_an_account_from_before_that_the_key_does_not_open_stays_apart(
    customer: Customer, pack: Pack, switch: Switch
) -> None:
    """The upgrade and the new keys came together; the earlier ones come back later."""
    customer.pay(pack)
    _follow()
    before = identity.account()
    StripeAccount.objects.update(stripe_id="", key_digest="")
    switch("second")
    customer.pay(pack)
    _follow()
    assert customer.balance == 103
    assert identity.account() != before
    switch("first")
    assert identity.account() == before


def test_wallets_are_of_no_account(customer: Customer, switch: Switch) -> None:
    switch("second")
    assert Wallet.objects.get().balance == 3


def _follow() -> None:
    deliver(list(gateway.events_since(0))[::-1])
