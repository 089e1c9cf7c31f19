"""The operator's commands about money: `sync_stripe`, `reconcile_stripe`, `audit_ledger`."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing import gateway
from billing.catalogue import products
from billing.models import CreditGrant, Pack, Payment, Plan, Price, StripeEvent, Wallet
from tests.payments.conftest import Customer, Desk, deliver


def run(*command: Any, **options: Any) -> str:
    out = StringIO()
    call_command(*command, stdout=out, **options)
    return out.getvalue()


def failing(*command: Any, **options: Any) -> tuple[str, str]:
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*command, stdout=out, **options)
    return out.getvalue(), str(error.value)


def test_sync_says_what_it_did_and_does_nothing_the_second_time(customer: Customer) -> None:
    Plan.objects.filter(slug="basic").update(slug=f"basic-{customer.wallet.pk}", name="Fresh")
    first = run("sync_stripe")
    assert "Fresh: price_" in first
    assert "is new" in first
    assert run("sync_stripe").count("is up to date") == 4
    assert Price.objects.count() == 4


def test_a_changed_price_becomes_a_new_one_that_takes_over_the_lookup_key(customer: Customer) -> None:
    run("sync_stripe")
    old = Price.objects.get(pack__slug="pack-50", retired_at=None)
    Pack.objects.filter(slug="pack-50").update(price=old.amount + 100)
    assert f"replaces {old.stripe_id}" in run("sync_stripe")
    new = Price.objects.get(pack__slug="pack-50", retired_at=None)
    prices = gateway._client().v1.prices.list({"lookup_keys": [products.lookup_key(new.product)]}).data
    assert [price.id for price in prices] == [new.stripe_id]


@pytest.mark.services
def test_reconciling_finds_what_no_webhook_told_and_repairs_it(customer: Customer, pack: Pack) -> None:
    session = customer.pay(pack)
    out, _ = failing("reconcile_stripe")
    assert f"checkout:{session} of alice@example.com is paid and nothing was granted" in out
    assert "was never received" in out
    assert customer.balance == 3
    run("reconcile_stripe", repair=True)
    assert customer.balance == 53
    assert "The books agree" in run("reconcile_stripe")


def test_reconciling_repairs_a_payment_whose_event_is_marked_handled(customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    for event in customer.news():
        StripeEvent.objects.create(id=event["id"], type=event["type"], payload=event, handled_at="2026-01-01T00:00:00Z")
    out, _ = failing("reconcile_stripe")
    assert "nothing was granted" in out
    assert "mended" in run("reconcile_stripe", repair=True)
    assert customer.balance == 53


def test_reconciling_names_a_payment_that_stripe_does_not_have(customer: Customer) -> None:
    Payment.objects.create(
        wallet=customer.wallet, reference="checkout:cs_invented", amount=500, currency="usd", description="Invented"
    )
    out, error = failing("reconcile_stripe", repair=True)
    assert "checkout:cs_invented of alice@example.com is in the books and not paid at Stripe" in out
    assert error.endswith("differences are left.")


def test_reconciling_names_a_wrong_amount(customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    customer.follow()
    Payment.objects.update(amount=1)
    out, _ = failing("reconcile_stripe", repair=True)
    assert "Stripe has $5.00 USD, the books $0.01 USD" in out


def test_reconciling_names_other_credits_than_were_sold(
    customer: Customer, basic: Plan, pack: Pack, desk: Desk
) -> None:
    """By the prices that were paid, whatever the catalogue says today."""
    session = customer.pay(pack)
    customer.pay(basic)
    customer.follow()
    desk("clock/advance", days=32)
    customer.follow()
    Pack.objects.update(credits=1000)
    Plan.objects.filter(price__gt=0).update(credits=1000)
    assert "The books agree" in run("reconcile_stripe")
    sold = Payment.objects.get(reference=f"checkout:{session}")
    CreditGrant.objects.filter(payment=sold).update(amount=1000)
    out, error = failing("reconcile_stripe", repair=True)
    assert out == f"checkout:{session} of alice@example.com: 50 credits were sold, the books have 1000\n"
    assert error == "1 differences are left."


def test_reconciling_names_a_month_that_brought_nothing_unless_it_was_paid_back(
    customer: Customer, basic: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    payment = Payment.objects.get()
    Payment.objects.update(grant=None, credits=0)
    out, _ = failing("reconcile_stripe")
    assert f"{payment.reference} of alice@example.com: 100 credits were sold, the books have 0" in out
    desk(f"charges/{customer.charge(payment.reference)}/refund")
    customer.follow()
    assert "The books agree" in run("reconcile_stripe")


@pytest.mark.services
def test_the_audit_names_each_drift(customer: Customer) -> None:
    assert "no drift" in run("audit_ledger")
    Wallet.objects.update(balance=7)
    out, error = failing("audit_ledger")
    assert "(alice@example.com): balance 7, entries 3, grants 3" in out
    assert error == "1 drifts."


def test_the_catalogue_survives_a_stripe_that_is_away(customer: Customer, settings: Any, pack: Pack) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"
    gateway._client.cache_clear()
    try:
        _, error = failing("sync_stripe")
    finally:
        gateway._client.cache_clear()
    assert error.startswith("Stripe: ")
    deliver([])
