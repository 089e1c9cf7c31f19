"""An installation with payments in every state migrates, and Stripe goes on where it was.

It is the same account with the same customers, and whatever was on its way ends in the right books.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from billing import gateway
from billing.models import CreditEntry, CreditGrant, Pack, Plan, StripeAccount, StripeEvent, Wallet
from billing.staff import audit
from billing.stripe import checkout, reconcile
from tests.environment import Server, free_port, stop
from tests.installations import prepared
from tests.installations.prepared import Installation
from tests.payments.conftest import GOOD, Customer, Desk, deliver

WHICH = "payments"
Whose = Callable[[str], Customer]


@pytest.fixture(scope="module")
def installation(
    django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with django_db_blocker.unblock(), prepared.migrated(WHICH, tmp_path_factory.mktemp("installation")) as found:
        yield found


class RunningDesk(Desk):
    """The desk of a stand-in that knows something."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture(scope="module")
def stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a stand-in of this module's own, and the file of what it knows."""
    port, folder = free_port(), tmp_path_factory.mktemp("stripe")
    options = {"SANDBOX_PORT": str(port), "SANDBOX_DIR": str(folder)}
    server = Server(f"stripe-{port}", port, [sys.executable, "-m", "sandbox"], options)
    server.ensure()
    url = f"http://127.0.0.1:{port}"
    Desk.http.get(f"{url}/sandbox/stripe/state").raise_for_status()  # it listens a moment before it is there
    yield url, folder / "stripe.sqlite3"
    assert server.process
    stop(server.process)


@pytest.fixture
def desk(
    installation: Installation, stripe: tuple[str, Path], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """The stand-in as it was, at the moment at which the installation was stopped; what a test changes is undone."""
    at = datetime.fromisoformat(installation.facts["at"])
    monkeypatch.setattr(timezone, "now", lambda: at)
    settings.STRIPE_API_BASE, store = stripe
    prepared.remember(WHICH, store)
    gateway._client.cache_clear()
    block = transaction.atomic()
    vars(block)["_from_testcase"] = True  # as in Django's own: what is tested may wait for others within it
    try:
        with block:
            StripeEvent.objects.filter(pk="evt_odd").delete()  # of an invoice that there never was
            yield RunningDesk(settings.STRIPE_API_BASE)
            transaction.set_rollback(True)
    finally:
        gateway._client.cache_clear()


@pytest.fixture
def whose(desk: Desk) -> Iterator[Whose]:
    """Find people by their names; the books are clean when all is over."""

    def find(name: str) -> Customer:
        return Customer(Wallet.objects.get(user__email=f"{name}@example.com"), desk)

    yield find
    assert list(audit.drifts()) == []


def left(customer: Customer, source: str = "plan") -> list[int]:
    """What is left of a customer's grants, newest first, without those that are used up."""
    grants = customer.wallet.grants.filter(source=source, remaining__gt=0)
    return list(grants.order_by("-pk").values_list("remaining", flat=True))


def test_it_is_the_same_account_with_the_same_customers(whose: Whose) -> None:
    theo = whose("theo")
    was = theo.id
    session = theo.pay(Pack.objects.get(slug="pack-50"))
    theo.follow()
    assert gateway.retrieve_checkout(session)["customer"] == was
    assert theo.id == was
    assert (theo.balance, StripeAccount.objects.count()) == (143 + 50, 1)


def test_all_that_stripe_ever_told_told_again_changes_nothing(whose: Whose) -> None:
    entries = list(CreditEntry.objects.values_list("pk", flat=True))
    handled = StripeEvent.objects.exclude(handled_at=None)
    again = [event.payload for event in handled.order_by("received_at", "pk") if event.pk != "evt_new"]
    waiting = StripeEvent.objects.filter(handled_at=None).update(handled_at=timezone.now())
    assert waiting
    StripeEvent.objects.filter(pk__in=[event["id"] for event in again]).update(handled_at=None)
    deliver(again)
    assert list(CreditEntry.objects.values_list("pk", flat=True)) == entries


def test_what_differs_from_stripe_is_what_was_not_heard_of(whose: Whose) -> None:
    """Uma's and Ada's, and it is mended."""
    found = list(reconcile.compare(since=0, repair=True))
    assert found
    assert [drift.words for drift in found if not drift.mended] == []
    assert list(reconcile.compare(since=0, repair=False)) == []
    assert left(whose("uma"), "pack") == [200, 25]


def test_a_plan_renews(whose: Whose, desk: Desk) -> None:
    """The price that was retired stays Ada's; it brings what its plan brought when the installation migrated."""
    ada = whose("ada")
    Plan.objects.filter(slug="basic").update(credits=1000, price=9000)
    ada.follow()
    desk(f"subscriptions/{ada.subscription.stripe_id}/renew")
    ada.follow()
    assert left(ada) == [150, 1]  # and one that staff gave back to an earlier period
    [grant] = ada.wallet.grants.filter(source="plan", remaining=150)
    assert (grant.subscription, grant.payment.amount, grant.payment.credits) == (ada.subscription, 900, 150)


def test_a_year_renews(whose: Whose, desk: Desk) -> None:
    wim = whose("wim")
    desk(f"subscriptions/{wim.subscription.stripe_id}/renew")
    wim.follow()
    assert (left(wim), wim.balance) == ([9000], 9003)


def test_a_plan_after_a_year_that_was_ended_at_once_brings_its_credits(whose: Whose, desk: Desk) -> None:
    nora = whose("nora")
    live = checkout.live_subscription(nora.wallet)
    assert live
    desk(f"subscriptions/{live.stripe_id}/renew")
    nora.follow()
    assert (left(nora), nora.balance) == ([150], 153)


def test_a_plan_that_was_cancelled_ends(whose: Whose, desk: Desk) -> None:
    ben = whose("ben")
    kept = sum(left(ben, "staff")) + sum(left(ben, "welcome"))
    desk(f"subscriptions/{ben.subscription.stripe_id}/renew")
    ben.follow()
    assert ben.subscription.status == "canceled"
    assert (left(ben), ben.balance) == ([], kept)


def test_a_plan_that_was_past_due_is_paid(whose: Whose, desk: Desk) -> None:
    cleo = whose("cleo")
    assert cleo.subscription.status == "past_due"
    desk(f"customers/{cleo.id}/card", number=GOOD)
    cleo.follow()
    assert (cleo.subscription.status, left(cleo), cleo.balance) == ("active", [150], 153)


def test_the_rest_of_a_payment_is_refunded(whose: Whose, desk: Desk) -> None:
    rita = whose("rita")
    [payment] = rita.wallet.payments.all()
    desk(f"charges/{rita.charge(payment.reference)}/refund")
    rita.follow()
    payment.refresh_from_db()
    assert (payment.refunded, left(rita, "pack"), rita.balance) == (500, [], 3)


def test_a_plan_is_refunded_after_a_part_of_it_was(whose: Whose, desk: Desk) -> None:
    theo = whose("theo")
    payment = theo.wallet.payments.get(reference__startswith="invoice:")
    assert left(theo) == [90]
    desk(f"charges/{theo.charge(payment.reference)}/refund", amount=450)
    theo.follow()
    assert left(theo) == [45]


@pytest.mark.parametrize(("won", "credits"), [(True, 50), (False, 0)])
def test_a_dispute_ends(whose: Whose, desk: Desk, won: bool, credits: int) -> None:
    fay = whose("fay")
    [dispute] = [one for payment in fay.wallet.payments.all() for one in payment.disputes.filter(closed_at=None)]
    before = fay.balance
    desk(f"disputes/{dispute.stripe_id}/close", won=won)
    fay.follow()
    assert fay.balance == before + credits
    dispute.refresh_from_db()
    assert dispute.status == ("won" if won else "lost")


def test_what_was_never_heard_of_is_caught_up_with(whose: Whose) -> None:
    """A quarter of an hour late: half of one pack paid back, one disputed, one bought."""
    uma = whose("uma")
    uma.follow()
    assert left(uma, "pack") == [200, 25]
    [frozen] = uma.wallet.grants.exclude(dispute=None)
    assert frozen.amount == 50


def test_a_debit_that_was_on_its_way_arrives(whose: Whose, desk: Desk) -> None:
    gil = whose("gil")
    before = gil.balance
    desk("clock/advance", days=10)
    gil.follow()
    assert gil.balance == before + 200
    assert set(gil.wallet.orders.values_list("status", flat=True)) == {"paid", "failed", "expired"}


def test_an_open_checkout_is_paid(whose: Whose, desk: Desk) -> None:
    """Its price is kept; the credits are those that the pack brought when the installation migrated."""
    gil = whose("gil")
    order = gil.wallet.orders.get(status="open", pack__slug="pack-1000")
    Pack.objects.filter(prices=order.price).update(credits=5000)
    desk(f"checkout/{order.stripe_session_id}/pay", method=GOOD)
    gil.follow()
    payment = gil.wallet.payments.get(reference=f"checkout:{order.stripe_session_id}")
    assert (payment.amount, payment.credits, payment.grant and payment.grant.amount) == (8000, 1200, 1200)


def test_a_subscription_has_what_it_brought(installation: Installation, desk: Desk) -> None:
    """Told from Stripe itself: each invoice is its subscription's, and each period begins and ends as it says there."""
    odd = []
    for grant in CreditGrant.objects.filter(source="plan").select_related("payment", "subscription"):
        invoice = gateway.retrieve_invoice(grant.payment.stripe_invoice_id)
        parent = invoice["parent"]
        assert parent
        details = parent["subscription_details"]
        assert details
        assert grant.subscription
        line = max(
            (one for one in invoice["lines"]["data"] if one["amount"] >= 0), key=lambda one: one["period"]["end"]
        )
        assert grant.period_start
        assert grant.period_end
        period = [int(moment.timestamp()) for moment in (grant.period_start, grant.period_end)]
        expected = [details["subscription"], line["period"]["start"], line["period"]["end"]]
        if [grant.subscription.stripe_id, *period] != expected:
            odd.append((grant, grant.subscription.stripe_id, period, expected))
    assert odd == []
