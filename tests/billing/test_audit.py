"""What `audit_ledger` sees: credits that do not follow from what was sold."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from billing.models import CreditGrant, Payment, Plan, Price, StripeAccount, Subscription, Wallet
from billing.staff import audit
from tests.billing.books import grant, hold, release

Source = CreditGrant.Source
MONTH = timedelta(days=30)


@pytest.fixture
def account(wallet: Wallet) -> StripeAccount:
    return StripeAccount.objects.create(stripe_id="acct_1", livemode=False)


@pytest.fixture
def price(account: StripeAccount) -> Price:
    plan = Plan.objects.create(slug="basic", name="Basic", credits=100, price=900, interval="month")
    terms = {"amount": 900, "currency": "usd", "interval": "month", "credits": 100}
    return Price.objects.create(stripe_id="price_1", account=account, plan=plan, **terms)


@pytest.fixture
def subscription(wallet: Wallet, price: Price) -> Subscription:
    return subscribed(wallet, price, "sub_1")


def subscribed(wallet: Wallet, price: Price, name: str) -> Subscription:
    return Subscription.objects.create(
        wallet=wallet, account=price.account, price=price, plan=price.plan, stripe_id=name, status="canceled"
    )


def period(subscription: Subscription, number: int = 0, credits: int = 100) -> CreditGrant:
    """Grant the credits of a subscription's month."""
    start = timezone.now() + number * MONTH
    terms = {"subscription": subscription, "period": (start, start + MONTH), "source": Source.PLAN}
    return grant(subscription.wallet, credits, reference=f"invoice:in_{subscription.pk}_{number}", **terms)


def pay(grant: CreditGrant, subscription: Subscription | None = None, credits: int = 100) -> Payment:
    return Payment.objects.create(
        wallet=grant.wallet,
        reference=f"invoice:in_{grant.pk}",
        amount=900,
        currency="usd",
        description="Basic",
        credits=credits,
        subscription=subscription,
        price=subscription.price if subscription else None,
        grant=grant,
    )


def test_a_month_that_was_paid_is_no_drift(subscription: Subscription) -> None:
    pay(period(subscription), subscription)
    assert list(audit.drifts()) == []


def test_more_credits_came_than_were_sold(subscription: Subscription) -> None:
    bucket = period(subscription, credits=1000)
    pay(bucket, subscription)
    [drift] = audit.drifts()
    assert drift == f"invoice:in_{bucket.pk} of account {bucket.wallet_id}: 100 credits were sold, 1000 came"


def test_something_was_paid_and_nothing_came(subscription: Subscription) -> None:
    payment = pay(period(subscription), subscription)
    Payment.objects.create(
        wallet=payment.wallet, reference="checkout:cs_1", amount=500, currency="usd", credits=50, description="50"
    )
    assert [drift.partition(": ")[2] for drift in audit.drifts()] == ["50 credits were sold, 0 came"]
    Payment.objects.filter(reference="checkout:cs_1").update(refunded=500)
    assert list(audit.drifts()) == []


def test_credits_of_a_pack_that_nobody_paid_for(wallet: Wallet) -> None:
    bucket = grant(wallet, 50, reference="checkout:cs_of_a_stranger")
    [drift] = audit.drifts()
    assert drift.startswith(f"grant {bucket.pk} of account {wallet.pk}: 50 credits of a pack, and no payment")


def test_credits_that_somebody_else_paid_for(wallet: Wallet, bob: User, subscription: Subscription) -> None:
    bucket = period(subscription)
    payment = pay(bucket, subscription)
    other = Wallet.objects.create(user=bob)
    Payment.objects.filter(pk=payment.pk).update(wallet=other)
    [drift] = audit.drifts()
    assert drift.startswith(f"grant {bucket.pk} of account {wallet.pk}: 100 credits of a plan, and no payment")


def test_credits_of_a_plan_belong_to_the_subscription_that_was_paid(
    subscription: Subscription, price: Price, wallet: Wallet
) -> None:
    bucket = period(subscription)
    pay(bucket, subscribed(wallet, price, "sub_2"))
    [drift] = audit.drifts()
    assert "which belong to sub_1 and were paid for another" in drift
    CreditGrant.objects.update(subscription=None)
    [drift] = audit.drifts()
    assert "which belong to no subscription" in drift


def test_a_period_ends_when_the_next_one_comes(subscription: Subscription) -> None:
    """Only what comes back later, from an image that failed, is there beside the next period's credits."""
    first = period(subscription)
    pay(first, subscription)
    hold(subscription.wallet, 5, reference="generation:1")  # 3 of them are the welcome credits
    pay(period(subscription, 1), subscription)
    [drift] = audit.drifts()
    assert f"grant {first.pk} of account {first.wallet_id}: 98 left of a period" in drift
    release("generation:1")
    assert list(audit.drifts()) == []
