"""The page on which staff pay a payment back: what it will do first, then that, and the truth afterwards."""

import re
from typing import Any

import pytest

from accounts.models import User
from billing import gateway, ledger
from billing.models import AuditRecord, Pack, Payment, StaffRefund
from tests.admin.conftest import REASON, Staff
from tests.payments.conftest import Customer, Desk, clean_desk, seed_catalogue

REFUND, PERSON = "person_refund", "accounts_user_change"


@pytest.fixture
def desk(sandbox: str) -> Desk:
    return clean_desk(sandbox)


@pytest.fixture
def customer(alice: User, desk: Desk) -> Customer:
    seed_catalogue()
    return Customer(ledger.wallet_of(alice.pk), desk)


@pytest.fixture
def paid(customer: Customer) -> Payment:
    """9.00 that Alice paid for 100 credits, of which 57 are left."""
    with ledger.books(customer.wallet) as books:
        books.take(credits=3, reference="staff:welcome", cause="so that the pack's are spent")
    Pack.objects.filter(slug="pack-50").update(price=900, credits=100)
    customer.pay(Pack.objects.get(slug="pack-50"))
    customer.follow()
    with ledger.books(customer.wallet) as books:
        books.hold(credits=43, reference="generation:1", cause="images")
    ledger.settle(["generation:1"])
    return customer.wallet.payments.get()


def hidden(response: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', response.content.decode())
    assert found, name
    return found[1].replace("&#x27;", "'")


def confirm(who: Staff, payment: Payment, shown: Any, **data: str) -> Any:
    """Send the page that shows what the refund does."""
    names = ("nonce", "amount", "reason", "confirmed")
    fields = {name: hidden(shown, name) for name in names} | data
    return who.post(REFUND, payment.wallet.user_id, payment.pk, **fields)


@pytest.mark.services
def test_it_shows_what_it_does_and_does_that(finance: Staff, alice: User, customer: Customer, paid: Payment) -> None:
    assert 'name="amount" value="9.00"' in finance.text(REFUND, alice.pk, paid.pk)
    shown = finance.act(REFUND, alice.pk, paid.pk, amount="4.50")
    words = shown.content.decode()
    assert "Refunds $4.50 USD of $9.00 USD." in words
    assert "Of the 57 credits left of the 100 that this payment brought, 29 are taken back." in words
    assert not StaffRefund.objects.exists()
    assert gateway.refunds_of(str(paid.payment_intent)) == []

    done = confirm(finance, paid, shown)
    assert done.status_code == 302
    assert done.url.endswith(f"/{alice.pk}/change/#payments")
    assert customer.balance == 57  # the books follow Stripe's word
    page = finance.text(PERSON, alice.pk)
    assert "On its way" in page
    state = finance.get("person_refunds", alice.pk).json()["state"]
    assert f'data-state="{state}"' in page

    customer.follow()
    assert customer.balance == 28
    assert finance.get("person_refunds", alice.pk).json()["state"] != state  # by which the page wakes
    page = finance.text(PERSON, alice.pk)
    assert "On its way" not in page
    assert "data-news" not in page
    assert "$4.50 USD" in page
    record = AuditRecord.objects.get(action="Refunded a payment")
    assert (record.actor, record.reason, record.after["amount"]) == (finance.user, REASON, 450)


def test_a_second_click_refunds_nothing_more(finance: Staff, customer: Customer, paid: Payment) -> None:
    shown = finance.act(REFUND, paid.wallet.user_id, paid.pk, amount="9")
    assert [confirm(finance, paid, shown).status_code for _ in range(3)] == [302, 302, 302]
    customer.follow()
    assert confirm(finance, paid, shown).status_code == 302
    assert [refund.amount for refund in StaffRefund.objects.all()] == [900]
    assert len(gateway.refunds_of(str(paid.payment_intent))) == 1
    assert customer.balance == 0


def test_what_has_changed_since_is_shown_anew(finance: Staff, customer: Customer, paid: Payment) -> None:
    shown = finance.act(REFUND, paid.wallet.user_id, paid.pk, amount="4.50")
    with ledger.books(customer.wallet) as books:
        books.take(credits=7, reference="staff:1", cause="x")
    again = confirm(finance, paid, shown)
    assert again.status_code == 200
    assert "Of the 50 credits left of the 100 that this payment brought, 25 are taken back." in again.content.decode()
    assert confirm(finance, paid, again).status_code == 302
    customer.follow()
    assert customer.balance == 25


def test_another_amount_than_was_shown_is_not_refunded(finance: Staff, paid: Payment) -> None:
    shown = finance.act(REFUND, paid.wallet.user_id, paid.pk, amount="1")
    assert confirm(finance, paid, shown, amount="9").status_code == 200
    changed = confirm(finance, paid, shown, change="1").content.decode()
    assert 'name="amount" value="1"' in changed
    assert "taken back" not in changed
    assert not StaffRefund.objects.exists()


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "More than nothing, and at most $9.00 USD"),
        ("9.01", "More than nothing, and at most $9.00 USD"),
        ("4.505", "USD is paid in steps of 0.01"),
        ("-1", "Write a number, as in 9.00"),
        ("", "This field is required"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_in_words(finance: Staff, paid: Payment, amount: str, words: str) -> None:
    assert words in finance.act(REFUND, paid.wallet.user_id, paid.pk, amount=amount).content.decode()
    assert not StaffRefund.objects.exists()


@pytest.mark.parametrize(("currency", "half", "minor"), [("jpy", "450", 450), ("kwd", "0.450", 450)])
def test_an_amount_is_of_the_payments_currency(
    finance: Staff, paid: Payment, currency: str, half: str, minor: int
) -> None:
    Payment.objects.update(currency=currency)
    shown = finance.act(REFUND, paid.wallet.user_id, paid.pk, amount=half)
    assert "29 are taken back" in shown.content.decode()
    confirm(finance, paid, shown)
    assert StaffRefund.objects.get().amount == minor


def test_while_stripe_is_away_it_waits_and_says_so(finance: Staff, alice: User, paid: Payment, desk: Desk) -> None:
    shown = finance.act(REFUND, alice.pk, paid.pk, amount="9")
    desk("api/fail", status=503, times=3)
    confirm(finance, paid, shown)
    page = finance.text(PERSON, alice.pk)
    assert "Stripe has not answered yet" in page
    assert "Waits for Stripe" in page
    assert "waits for Stripe’s answer" in finance.text(REFUND, alice.pk, paid.pk)
    numbers = {number.label: number for number in finance.get("index").context["numbers"]}
    assert numbers["Refunds that wait for Stripe"].value == 1
    assert finance.client.get(numbers["Refunds that wait for Stripe"].url).status_code == 200


def test_what_stripe_refuses_is_said_in_words_and_can_be_tried_otherwise(
    finance: Staff, customer: Customer, paid: Payment, desk: Desk
) -> None:
    desk(f"charges/{customer.charge(paid.reference)}/refund", amount=500)
    shown = finance.act(REFUND, paid.wallet.user_id, paid.pk, amount="9")
    refused = confirm(finance, paid, shown)
    assert "Stripe has less than $9.00 USD left of this payment" in refused.content.decode()
    less = finance.post(REFUND, paid.wallet.user_id, paid.pk, amount="4", reason=REASON, nonce=hidden(refused, "nonce"))
    assert confirm(finance, paid, less).status_code == 302
    assert [refund.status for refund in StaffRefund.objects.order_by("pk")] == ["refused", "made"]
    customer.follow()
    assert customer.balance == 0


def test_somebody_elses_payment_is_not_found(boss: Staff, bob: User, paid: Payment) -> None:
    assert boss.get(REFUND, bob.pk, paid.pk).status_code == 404
    assert boss.act(REFUND, bob.pk, paid.pk, amount="1").status_code == 404
