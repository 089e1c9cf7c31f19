"""Comparing the books with Stripe's: one odd thing hides no other, and what is left says why."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from billing import gateway, ledger, tasks
from billing.models import Pack, Payment, StripeEvent
from billing.shapes import Event
from billing.stripe import events
from kit import nights
from tests.payments.conftest import Customer, Desk
from tests.payments.test_operators import failing, run


@pytest.fixture
def bob_buys(bob: User, desk: Desk) -> Customer:
    return Customer(ledger.wallet_of(bob.pk), desk)


@pytest.fixture
def odd(customer: Customer, bob_buys: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> str:
    """A paid checkout of Bob's that no handler gets into the books, and before it one of Alice's that is well."""
    customer.pay(pack)
    odd = bob_buys.pay(pack)
    real = events.HANDLERS["checkout.session.completed"]

    def handler(session: Any) -> Any:
        if session["id"] == odd:
            raise ValueError("a shape that nobody knows")
        return real(session)

    monkeypatch.setitem(events.HANDLERS, "checkout.session.completed", handler)
    return odd


def test_what_cannot_be_granted_is_listed_with_its_reason_and_the_rest_is_mended(customer: Customer, odd: str) -> None:
    out, error = failing("reconcile_stripe", repair=True)
    reason = "ValueError: a shape that nobody knows"
    assert f"checkout:{odd} of bob@example.com is paid and nothing was granted, and cannot be: {reason}" in out
    assert f"is not handled, and cannot be handled: {reason}" in out or f"cannot be handled: {reason}" in out
    assert customer.balance == 53
    assert error == "2 differences are left."


def test_a_payment_without_its_event_is_granted_behind_one_that_cannot_be(customer: Customer, odd: str) -> None:
    for event in gateway.events_since(0):
        if event["type"] in events.HANDLERS:
            StripeEvent.objects.create(id=event["id"], type=event["type"], payload=event, handled_at=timezone.now())
    out, error = failing("reconcile_stripe", repair=True)
    assert "cannot be: ValueError" in out
    assert customer.balance == 53
    assert error == "1 differences are left."


def test_what_cannot_be_compared_hides_nothing_that_comes_after(
    customer: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest payment is looked at first."""
    wallet = customer.wallet
    for name in ("checkout:cs_gone", "invoice:in_odd"):
        Payment.objects.create(wallet=wallet, reference=name, amount=500, currency="usd", description=name)

    def broken(_: str) -> Any:
        raise KeyError("status")

    monkeypatch.setattr(gateway, "retrieve_invoice", broken)
    out, error = failing("reconcile_stripe", repair=True)
    assert "invoice:in_odd could not be compared: KeyError: 'status'" in out
    assert "checkout:cs_gone of alice@example.com is in the books and not paid at Stripe" in out
    assert error == "2 differences are left."


def test_a_list_that_stripe_does_not_give_ends_it_with_what_was_found(
    customer: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.pay(pack)
    real = gateway.events_since

    def breaks_off(since: int) -> Iterator[Event]:
        yield from list(real(since))
        raise gateway.PaymentUnavailable("no answer")

    monkeypatch.setattr(gateway, "events_since", breaks_off)
    out, error = failing("reconcile_stripe")
    assert "was never received" in out
    left = len(out.splitlines())
    assert error == f"Stripe gave no more to compare with, and {left} differences were left until then: no answer"
    monkeypatch.setattr(gateway, "events_since", real)
    run("reconcile_stripe", repair=True)
    assert customer.balance == 53


def test_at_night_a_difference_is_told_once_and_not_each_minute(
    customer: Customer, odd: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: set[str] = set()
    monkeypatch.setattr(nights, "claim", lambda name, *, at: name not in done and not done.add(name))  # type: ignore[func-returns-value]
    monkeypatch.setattr(nights, "give_back", lambda name, *, at: done.discard(name))
    for _ in range(3):
        tasks.nightly()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len([words for words in told if odd in words and "cannot be" in words]) == 1
    assert customer.balance == 53


def test_at_night_it_is_tried_again_without_stripe(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[str] = []
    monkeypatch.setattr(nights, "claim", lambda name, *, at: name == "reconcile")
    monkeypatch.setattr(nights, "give_back", lambda name, *, at: given_back.append(name))

    def away(_: int) -> Any:
        raise gateway.PaymentUnavailable("no answer")

    monkeypatch.setattr(gateway, "events_since", away)
    tasks.nightly()
    assert given_back == ["reconcile"]
