"""Ways to get credits for nothing that once worked, and ways to lose them."""

import pytest
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import ChangeUnderWay, NotForSale
from billing.models import CreditGrant, Pack, Plan, Subscription
from billing.staff import audit
from billing.stripe import checkout
from tests.billing import books
from tests.payments.conftest import Customer, Desk


@pytest.fixture(autouse=True)
def _books_balance(customer: Customer) -> object:
    yield
    assert list(audit.drifts()) == []


def test_two_quick_changes_of_plan_pay_nothing_back(customer: Customer, basic: Plan, bigger: Plan) -> None:
    largest = Plan.objects.create(slug="max", name="Max", credits=2000, price=9900, interval="month", order=3)
    customer.pay(basic)
    customer.follow()
    checkout.change_plan(wallet=customer.wallet, plan=largest)
    checkout.change_plan(wallet=customer.wallet, plan=bigger)  # before any webhook of the first one
    customer.follow()
    assert customer.plan == bigger
    assert all(payment.amount > 0 for payment in customer.wallet.payments.all())
    assert sum(payment.amount for payment in customer.wallet.payments.all()) == pytest.approx(9900, abs=20)


@pytest.mark.services
def test_changes_of_one_plan_go_one_at_a_time(customer: Customer, basic: Plan, bigger: Plan) -> None:
    customer.pay(basic)
    customer.follow()
    Subscription.objects.update(changing_at=timezone.now())
    with pytest.raises(ChangeUnderWay):
        checkout.change_plan(wallet=customer.wallet, plan=bigger)


def test_a_cheaper_plan_of_another_interval_is_not_sold_as_a_change(customer: Customer, basic: Plan) -> None:
    yearly = Plan.objects.create(slug="lite", name="Lite", credits=50, price=500, interval="year", order=4)
    customer.pay(basic)
    customer.follow()
    with pytest.raises(NotForSale):
        checkout.change_plan(wallet=customer.wallet, plan=yearly)


@pytest.mark.services
def test_a_refund_that_fails_and_is_made_again_takes_the_credits_again(
    customer: Customer, pack: Pack, desk: Desk
) -> None:
    session = customer.pay(pack)
    customer.follow()
    charge = customer.charge(f"checkout:{session}")
    for _ in range(2):
        refund = desk(f"charges/{charge}/refund")
        customer.follow()
        assert customer.balance == 3
        desk(f"refunds/{refund['id']}/fail")
        customer.follow()
        assert customer.balance == 53


def test_what_was_on_its_way_when_all_was_refunded_does_not_come_back(
    customer: Customer, pack: Pack, desk: Desk
) -> None:
    session = customer.pay(pack)
    customer.follow()
    books.hold(wallet=customer.wallet, credits=8, reference="generation:away", cause="an image")
    from_pack = 50 - CreditGrant.objects.get(source="pack").remaining
    refund = desk(f"charges/{customer.charge(f'checkout:{session}')}/refund")
    customer.follow()
    books.release(reference="generation:away", cause="it failed")
    assert customer.balance == 3
    desk(f"refunds/{refund['id']}/fail")
    customer.follow()
    assert customer.balance == 53
    assert from_pack >= 5


def test_what_was_spent_before_all_was_refunded_does_not_come_back_when_staff_return_it(
    customer: Customer, pack: Pack, desk: Desk
) -> None:
    session = customer.pay(pack)
    customer.follow()
    books.hold(wallet=customer.wallet, credits=8, reference="generation:spent", cause="an image")
    ledger.settle(["generation:spent"])
    desk(f"charges/{customer.charge(f'checkout:{session}')}/refund")
    customer.follow()
    assert customer.balance == 0
    books.give_back(reference="generation:spent", cause="a bad image")
    assert customer.balance == 3  # what was never paid for


def test_a_new_address_brings_no_second_welcome(customer: Customer) -> None:
    User.objects.filter(pk=customer.wallet.user_id).update(email="elsewhere@example.org")
    ledger.welcome(ledger.wallet_of(customer.wallet.user_id))
    assert customer.balance == 3
