"""What was sold is what is granted: as it was sold, once, for as long as it was sold for."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from billing import gateway, ledger
from billing.catalogue import products
from billing.errors import AlreadySubscribed, NotForSale
from billing.models import CreditGrant, Installation, Order, OutgoingMail, Pack, Plan, Price
from billing.pages import change_plan as page
from billing.pages import offers
from billing.shapes import Event
from billing.staff import audit
from billing.stripe import checkout
from billing.stripe.events import subscriptions
from tests.billing import books
from tests.payments.conftest import FAILS_LATER, GOOD, SITE, Customer, Desk, deliver

DAY = 86_400


@pytest.fixture(autouse=True)
def _books_balance(customer: Customer) -> Iterator[None]:
    yield
    assert list(audit.drifts()) == []


@pytest.fixture
def yearly(customer: Customer) -> Plan:
    """Twelve times Basic, two months free."""
    return Plan.objects.create(slug="yearly", name="Yearly", credits=1200, price=9000, interval="year", order=5)


def spend_all(customer: Customer) -> None:
    reference = f"generation:all:{customer.balance}"
    books.hold(wallet=customer.wallet, credits=customer.balance, reference=reference, cause="images")
    ledger.settle([reference])


def mails(customer: Customer) -> list[str]:
    return [mail.template for mail in OutgoingMail.objects.filter(wallet=customer.wallet).order_by("pk")]


def of(events: list[Event], *kinds: str) -> list[Event]:
    return [event for event in events if event["type"] in kinds]


def live(customer: Customer) -> str:
    return customer.wallet.subscriptions.get(status__in=("active", "past_due")).stripe_id


def item_of(subscription: str) -> Any:
    return gateway.retrieve_subscription(subscription)["items"]["data"][0]


def moved(subscription: str, price: str, *, proration: Any = "always_invoice", quantity: int = 1) -> None:
    """What an operator does in Stripe's dashboard."""
    items: Any = [{"id": item_of(subscription)["id"], "price": price, "quantity": quantity}]
    gateway.update_subscription(subscription, {"items": items, "proration_behavior": proration})


def made_by_hand(plan: Plan, amount: int, **more: Any) -> str:
    product = products.current_price(plan).stripe_product_id
    params: dict[str, Any] = {
        "product": product,
        "unit_amount": amount,
        "currency": "usd",
        "recurring": {"interval": "month"},
    }
    made: Any = {**params, **more}
    return gateway.create_price(made)["id"]


# --- A grant belongs to its subscription


@pytest.mark.services
def test_a_year_that_was_cancelled_at_once_takes_nothing_from_the_month_that_follows(
    customer: Customer, basic: Plan, yearly: Plan, desk: Desk
) -> None:
    customer.pay(yearly)
    customer.follow()
    assert customer.balance == 1203
    gateway.cancel_subscription(live(customer))
    customer.follow()
    assert customer.balance == 3
    customer.pay(basic)
    customer.follow()
    assert customer.balance == 103
    for _ in range(3):
        desk(f"subscriptions/{live(customer)}/renew")
        customer.follow()
        assert customer.balance == 103
    assert mails(customer) == ["receipt", "plan_ended", "receipt", "renewal", "renewal", "renewal"]


def test_the_end_of_a_subscription_ends_its_own_credits_only(customer: Customer, basic: Plan, yearly: Plan) -> None:
    """Its event comes after the next plan was bought and paid."""
    customer.pay(basic)
    customer.follow()
    gateway.cancel_subscription(live(customer))
    late = customer.news()
    customer.wallet.subscriptions.update(status="canceled")  # as a page that looked at Stripe left it
    customer.pay(yearly)
    customer.follow()
    assert customer.balance == 3 + 100 + 1200
    deliver(late)
    assert customer.balance == 3 + 1200


@pytest.mark.services
def test_a_period_that_is_heard_of_after_the_next_was_spent_grants_nothing_to_spend(
    customer: Customer, basic: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    late = of(customer.news(), "invoice.paid")
    sub = gateway.subscriptions_of(customer.id)[0]["id"]
    desk(f"subscriptions/{sub}/renew")
    customer.follow()
    assert customer.balance == 103
    spend_all(customer)
    deliver(late)
    assert customer.balance == 0
    assert [payment.credits for payment in customer.wallet.payments.all()] == [100, 100]
    assert mails(customer) == ["renewal"]  # and none about a period that is over


@pytest.mark.services
def test_a_subscription_that_has_ended_keeps_no_place_from_the_next(
    customer: Customer, basic: Plan, yearly: Plan
) -> None:
    """We have not heard of its end when the next one's payment comes: it is no second one."""
    customer.pay(yearly)
    customer.follow()
    gateway.cancel_subscription(live(customer))
    late = customer.news()
    customer.wallet.subscriptions.update(status="canceled")
    customer.pay(basic)
    customer.wallet.subscriptions.update(status="active")
    customer.follow()
    deliver(late)
    assert customer.balance == 103
    assert sorted(customer.wallet.payments.values_list("amount", "refunded")) == [(900, 0), (9000, 0)]


# --- What was sold is a price, and a price is never edited


def test_a_subscriber_keeps_the_credits_that_they_came_for(customer: Customer, basic: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    for credits, price in ((1000, 3600), (10, 900)):
        Plan.objects.filter(slug="basic").update(credits=credits, price=price)
        products.current_price(Plan.objects.get(slug="basic"))
        desk(f"subscriptions/{live(customer)}/renew")
        customer.follow()
        assert customer.balance == 103
    sold = customer.wallet.payments.values_list("amount", "credits", "price__credits", "quantity")
    assert set(sold) == {(900, 100, 100, 1)}
    assert customer.subscription.credits == 100


def test_a_checkout_that_is_open_keeps_the_terms_it_was_opened_with(customer: Customer, pack: Pack, desk: Desk) -> None:
    checkout.start(wallet=customer.wallet, product=pack, site=SITE)
    Pack.objects.filter(pk=pack.pk).update(credits=1000, price=5000)
    assert products.current_price(Pack.objects.get(pk=pack.pk)).credits == 1000
    desk(f"checkout/{Order.objects.get().stripe_session_id}/pay")
    customer.follow()
    assert customer.balance == 3 + pack.credits
    payment = customer.wallet.payments.get()
    assert (payment.amount, payment.credits, payment.price) == (pack.price, pack.credits, Order.objects.get().price)


def test_a_plans_checkout_that_is_open_keeps_its_credits(customer: Customer, basic: Plan, desk: Desk) -> None:
    checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    Plan.objects.update(credits=7)
    desk(f"checkout/{Order.objects.get().stripe_session_id}/pay")
    customer.follow()
    assert customer.balance == 103


@pytest.mark.parametrize("field", ["credits", "price", "currency", "interval"])
def test_whatever_is_edited_becomes_a_new_price_and_retires_the_old_one(basic: Plan, field: str) -> None:
    old = products.current_price(basic)
    new_terms = {"credits": 120, "price": 1100, "currency": "eur", "interval": "year"}
    Plan.objects.filter(pk=basic.pk).update(**{field: new_terms[field]})
    plan = Plan.objects.get(pk=basic.pk)
    new = products.current_price(plan)
    assert new != old
    assert products.current_price(plan) == new
    old.refresh_from_db()
    assert (old.retired_at is not None, new.retired_at) == (True, None)
    there = gateway.retrieve_price(new.stripe_id)
    assert (there["unit_amount"], there["currency"], there["metadata"]["credits"]) == (
        plan.price,
        plan.currency,
        str(plan.credits),
    )
    assert there["recurring"]
    assert there["recurring"]["interval"] == plan.interval
    assert not gateway.retrieve_price(old.stripe_id)["active"]


def test_an_upgrade_is_worked_out_from_what_was_sold(customer: Customer, basic: Plan, bigger: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    products.current_price(bigger)
    moved_to = products.current_price(bigger).stripe_id
    Plan.objects.update(credits=5000)
    moved(live(customer), moved_to)
    customer.follow()
    assert 103 + 298 <= customer.balance <= 103 + 300


def test_two_installations_on_one_stripe_account_share_no_product(basic: Plan) -> None:
    first = products.current_price(basic)
    Price.objects.all().delete()
    Installation.objects.update(name="another")
    second = products.current_price(basic)
    assert second.stripe_product_id != first.stripe_product_id
    assert gateway.retrieve_price(first.stripe_id)["active"]
    assert gateway.retrieve_product(second.stripe_product_id)["metadata"]["installation"] == "another"


# --- Changes: money and credits go together


def advance_to_day(desk: Desk, customer: Customer, day: int) -> None:
    start = item_of(live(customer))["current_period_start"]
    now = desk("clock/advance", seconds=0)["now"]
    desk("clock/advance", seconds=max(0, start + day * DAY - now))


def paid(customer: Customer) -> int:
    return sum(payment.amount for payment in customer.wallet.payments.all())


def test_from_month_to_year_on_day_28_brings_what_was_paid_for(
    customer: Customer, basic: Plan, yearly: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    period = item_of(live(customer))
    length = (period["current_period_end"] - period["current_period_start"]) // DAY
    advance_to_day(desk, customer, 28)
    checkout.change_plan(wallet=customer.wallet, plan=yearly)
    customer.follow()
    left = (length - 28) / length
    assert abs(paid(customer) - (900 + 9000 - 900 * left)) < 1.5
    assert abs(customer.balance - 3 - (100 + 1200 - 100 * left)) <= 1
    assert customer.plan == yearly
    credits = list(customer.wallet.payments.order_by("pk").values_list("credits", flat=True))
    assert credits == [100, customer.balance - 103]


@pytest.mark.services
@pytest.mark.parametrize("day", [0, 1, 9, 20, 27])
def test_what_a_change_costs_and_what_it_brings_are_one_share(
    customer: Customer, basic: Plan, bigger: Plan, desk: Desk, day: int
) -> None:
    """Pro is four times Basic in both, so that each credit of a change costs as much as any other."""
    customer.pay(basic)
    customer.follow()
    advance_to_day(desk, customer, day)
    checkout.change_plan(wallet=customer.wallet, plan=bigger)
    customer.follow()
    change = customer.wallet.payments.latest("pk")
    assert change.credits is not None
    assert abs(change.amount / 9 - change.credits) < 1


def test_the_page_says_what_the_invoice_then_says(
    customer: Customer, basic: Plan, bigger: Plan, yearly: Plan, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.pay(basic)
    customer.follow()
    for plan in (bigger, yearly):
        subscription = checkout.live_subscription(customer.wallet)
        assert subscription
        offer = next(each for each in offers.changes(customer.wallet) if each.product == plan)
        told = page._change(subscription, offer)
        before = customer.wallet.payments.count()
        checkout.change_plan(wallet=customer.wallet, plan=plan)
        customer.follow()
        assert customer.wallet.payments.count() == before + 1
        change = customer.wallet.payments.latest("pk")
        assert change.credits is not None
        credits: Any = told["credits"]
        assert abs(credits - change.credits) <= 1
        due = float(str(told["due"]).strip("$ USD").replace(",", ""))
        assert abs(due * 100 - change.amount) <= 2


def test_from_year_to_month_is_not_offered_and_takes_nothing_if_it_comes(
    customer: Customer, bigger: Plan, yearly: Plan, desk: Desk
) -> None:
    customer.pay(yearly)
    customer.follow()
    Plan.objects.filter(pk=bigger.pk).update(price=9900)
    with pytest.raises(NotForSale):
        checkout.change_plan(wallet=customer.wallet, plan=Plan.objects.get(pk=bigger.pk))
    desk("clock/advance", days=10)
    moved(live(customer), products.current_price(Plan.objects.get(slug="basic")).stripe_id)
    customer.follow()
    assert customer.balance == 1203  # what the unused part of the year would take away is more than a month brings
    desk(f"subscriptions/{live(customer)}/renew")
    customer.follow()
    assert customer.balance == 1303
    assert customer.wallet.payments.latest("pk").credits == 100


def test_a_change_that_is_billed_with_the_next_period_brings_both(
    customer: Customer, basic: Plan, bigger: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    period = item_of(live(customer))
    half = (period["current_period_end"] - period["current_period_start"]) // 2
    desk("clock/advance", seconds=half)
    moved(live(customer), products.current_price(bigger).stripe_id, proration="create_prorations")
    customer.follow()
    assert customer.balance == 103
    desk(f"subscriptions/{live(customer)}/renew")
    customer.follow()
    renewal = customer.wallet.payments.latest("pk")
    assert renewal.credits is not None
    assert abs(renewal.credits - 550) <= 1
    assert abs(renewal.amount - (3600 + 1350)) <= 1
    assert customer.balance == 3 + renewal.credits


# --- Quantity


def test_a_subscription_that_is_bought_twice_brings_twice(customer: Customer, basic: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    name = live(customer)
    moved(name, item_of(name)["price"]["id"], quantity=2)
    customer.follow()
    change = customer.wallet.payments.latest("pk")
    assert change.credits is not None
    assert abs(change.credits - 100) <= 1
    assert abs(change.amount - 900) <= 1
    desk(f"subscriptions/{name}/renew")
    customer.follow()
    assert customer.balance == 203
    renewal = customer.wallet.payments.latest("pk")
    assert (renewal.amount, renewal.quantity, renewal.credits) == (1800, 2, 200)
    subscription = customer.subscription
    assert (subscription.quantity, subscription.amount, subscription.credits) == (2, 1800, 200)


def test_the_portal_offers_no_quantity_and_no_other_price(customer: Customer, desk: Desk) -> None:
    """Whatever the account's default configuration says, and after somebody changed ours."""
    portals = gateway._client().v1.billing_portal
    for _ in range(2):
        checkout.portal(wallet=customer.wallet, site=SITE)
        [ours] = [each for each in portals.configurations.list({"limit": 100}).data if not each.is_default]
        features = ours.features
        assert (features.subscription_update.enabled, features.subscription_cancel.enabled) == (False, True)
        enabled: Any = {"enabled": True, "default_allowed_updates": ["quantity"], "products": []}
        portals.configurations.update(ours.id, {"features": {"subscription_update": enabled}})
    desk("reset")  # it is not there any more
    customer.wallet.customers.update(gone_at=timezone.now())
    assert checkout.portal(wallet=customer.wallet, site=SITE)


# --- Changed in Stripe's dashboard


@pytest.mark.parametrize(("metadata", "credits"), [({"credits": "250"}, 250), ({}, 100), ({"credits": "a lot"}, 100)])
def test_a_price_that_was_made_in_the_dashboard_is_known_by_its_product(
    customer: Customer, basic: Plan, desk: Desk, metadata: dict[str, str], credits: int
) -> None:
    customer.pay(basic)
    customer.follow()
    moved(live(customer), made_by_hand(basic, 1900, metadata=metadata), proration="none")
    customer.follow()
    assert (customer.plan, customer.subscription.amount, customer.subscription.credits) == (basic, 1900, credits)
    Plan.objects.filter(pk=basic.pk).update(credits=3)  # what was written down holds
    desk(f"subscriptions/{live(customer)}/renew")
    customer.follow()
    assert customer.balance == 3 + credits
    assert customer.wallet.payments.latest("pk").amount == 1900
    assert products.current_price(Plan.objects.get(pk=basic.pk)).amount == 900  # and nothing is sold at it here


def test_a_year_made_in_the_dashboard_brings_twelve_months(customer: Customer, basic: Plan) -> None:
    customer.pay(basic)
    customer.follow()
    moved(live(customer), made_by_hand(basic, 9000, recurring={"interval": "year"}))
    customer.follow()
    assert customer.subscription.credits == 1200
    assert 1203 <= customer.balance <= 1204  # a year less the month that had just begun, and that month


def sync() -> str:
    out = StringIO()
    call_command("sync_stripe", stdout=out)
    return out.getvalue()


def test_an_archived_price_is_sold_again(customer: Customer, pack: Pack) -> None:
    price = products.current_price(pack)
    gateway.offer_price(price.stripe_id, active=False)
    assert f"{pack.name}: {price.stripe_id} was archived at Stripe and is sold again" in sync()
    assert f"{pack.name}: {price.stripe_id} is up to date" in sync()
    assert checkout.start(wallet=customer.wallet, product=pack, site=SITE)


def test_who_buys_at_an_archived_price_is_sold_it_all_the_same(customer: Customer, basic: Plan, pack: Pack) -> None:
    for product in (basic, pack):
        price = products.current_price(product)
        gateway.offer_price(price.stripe_id, active=False)
        assert checkout.start(wallet=customer.wallet, product=product, site=SITE)
        assert products.current_price(product) == price
        assert customer.wallet.orders.exclude(stripe_session_id=None).filter(price=price).count() == 1


def test_an_archived_and_renamed_product_is_mended(customer: Customer, pack: Pack) -> None:
    home = products.current_price(pack).stripe_product_id
    gateway._client().v1.products.update(home, {"active": False, "name": "Something else"})
    said = sync()
    assert "its name was changed" in said
    assert "its product was archived at Stripe and is sold again" in said
    there = gateway.retrieve_product(home)
    assert (there["active"], there["name"]) == (True, pack.name)


def test_a_price_that_stripe_charges_otherwise_is_replaced(customer: Customer, basic: Plan) -> None:
    """The site says a year, Stripe takes it every month."""
    price = products.current_price(basic)
    Plan.objects.filter(pk=basic.pk).update(interval="year")
    Price.objects.filter(pk=price.pk).update(interval="year")
    assert f"replaces {price.stripe_id}" in sync()
    there = gateway.retrieve_price(products.current_price(Plan.objects.get(pk=basic.pk)).stripe_id)
    assert there["recurring"]
    assert there["recurring"]["interval"] == "year"


def test_a_price_that_stripe_does_not_have_any_more_is_made_anew(customer: Customer, pack: Pack, desk: Desk) -> None:
    price = products.current_price(pack)
    desk("reset")
    assert f"replaces {price.stripe_id}" in sync()
    customer.wallet.customers.update(gone_at=timezone.now())
    assert checkout.start(wallet=customer.wallet, product=pack, site=SITE)


# --- Events in any order


def test_a_debit_that_failed_is_not_on_its_way_again(customer: Customer, pack: Pack, desk: Desk) -> None:
    customer.pay(pack, "bank_debit_fails")
    desk("clock/advance", days=10)
    news = customer.news()
    deliver(of(news, "checkout.session.async_payment_failed"))
    deliver(news)
    assert Order.objects.get().status == Order.Status.FAILED
    assert customer.balance == 3
    assert mails(customer) == ["payment_failed"]


def test_a_late_invoice_of_a_plan_that_has_ended_brings_nothing_to_spend(
    customer: Customer, basic: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    desk(f"subscriptions/{live(customer)}/renew")
    late = of(customer.news(), "invoice.paid")
    gateway.cancel_subscription(live(customer))
    customer.follow()
    before = mails(customer)
    deliver(late)
    assert customer.balance == 3
    assert [payment.credits for payment in customer.wallet.payments.all()] == [100, 100]
    assert mails(customer) == before == ["receipt", "plan_ended"]


@pytest.mark.services
def test_what_is_paid_after_the_plan_has_ended_can_be_spent(customer: Customer, basic: Plan, desk: Desk) -> None:
    """Stripe gave up and ended the plan; then its open invoice is paid all the same."""
    customer.pay(basic)
    customer.follow()
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{live(customer)}/renew")
    desk("clock/advance", days=12)
    ended = customer.follow()
    assert customer.balance == 3
    desk(f"customers/{customer.id}/card", number=GOOD)
    customer.follow()
    assert customer.balance == 103
    deliver([{**event, "id": event["id"] + "again"} for event in ended])
    assert customer.balance == 103
    assert mails(customer)[-1] == "renewal"


def test_what_is_paid_after_its_period_can_be_spent_as_long_as_one(customer: Customer, basic: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{live(customer)}/renew")
    customer.follow()
    invoice = gateway.retrieve_subscription(live(customer))["latest_invoice"]
    gateway.cancel_subscription(live(customer))
    desk("clock/advance", days=70)
    customer.follow()
    desk(f"invoices/{invoice}/pay")
    paid_at = desk("clock/advance", seconds=0)["now"]
    assert customer.balance == 3
    desk(f"customers/{customer.id}/card", number=GOOD)
    customer.follow()
    assert customer.balance == 103
    grant = CreditGrant.objects.latest("pk")
    assert grant.period_end
    assert grant.period_end.timestamp() - paid_at > 27 * DAY


def test_a_payment_that_was_made_meanwhile_is_not_called_failed(customer: Customer, basic: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{live(customer)}/renew")
    late = of(customer.news(), "invoice.payment_failed")
    assert late
    desk(f"customers/{customer.id}/card", number=GOOD)
    customer.follow()
    deliver(late)
    assert mails(customer) == ["receipt", "renewal"]


def test_a_plan_that_has_ended_is_not_said_to_go_on(customer: Customer, basic: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{live(customer)}/renew")
    desk("clock/advance", days=30)
    customer.follow()
    assert mails(customer) == ["receipt", "plan_ended"]


@pytest.mark.parametrize("last", ["incomplete_expired", "canceled"])
def test_a_subscription_that_never_began_does_not_end_either(
    customer: Customer, basic: Plan, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    customer.pay(basic)
    [created] = of(customer.news(), "customer.subscription.created")
    there = gateway.retrieve_subscription(created["data"]["object"]["id"])
    for number, status in enumerate(["incomplete", last]):
        stands = {**there, "status": status, "ended_at": None if status == "incomplete" else 1_800_000_000}
        monkeypatch.setattr(gateway, "retrieve_subscription", lambda _, stands=stands: stands)
        deliver([{**created, "id": f"evt_{number}"}])
    assert customer.subscription.status == last
    assert mails(customer) == []


@pytest.mark.services
def test_looking_at_stripe_changes_no_credits(customer: Customer, basic: Plan) -> None:
    customer.pay(basic)
    customer.follow()
    gateway.cancel_subscription(live(customer))
    assert subscriptions.refresh(customer.wallet)
    assert (customer.subscription.status, customer.balance) == ("canceled", 103)
    customer.follow()
    assert customer.balance == 3
    assert mails(customer) == ["receipt", "plan_ended"]


def test_a_price_that_is_none_of_ours_brings_nothing_and_is_kept_in_sight(
    customer: Customer, basic: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    other = gateway.create_product(name="Consulting", metadata={})["id"]
    params: Any = {"product": other, "unit_amount": 50_000, "currency": "usd", "recurring": {"interval": "month"}}
    moved(live(customer), gateway.create_price(params)["id"], proration="none")
    desk(f"subscriptions/{live(customer)}/renew")
    with pytest.raises(AssertionError, match="no price of ours"):
        deliver(customer.news(), tries=1)
    assert customer.balance == 103


def test_a_plan_is_changed_to_one_whose_price_was_archived(customer: Customer, basic: Plan, bigger: Plan) -> None:
    customer.pay(basic)
    customer.follow()
    price = products.current_price(bigger)
    gateway.offer_price(price.stripe_id, active=False)
    checkout.change_plan(wallet=customer.wallet, plan=bigger)
    customer.follow()
    assert (customer.plan, customer.subscription.price) == (bigger, price)


def test_no_second_plan_is_sold_while_the_first_ones_news_are_on_their_way(customer: Customer, basic: Plan) -> None:
    customer.pay(basic)
    news = customer.news()
    deliver([event for event in news if event["type"] == "checkout.session.completed"])
    with pytest.raises(AlreadySubscribed):
        checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    deliver(news)
    gateway.cancel_subscription(customer.subscription.stripe_id)
    customer.follow()
    assert checkout.start(wallet=customer.wallet, product=basic, site=SITE)
