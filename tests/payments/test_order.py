"""Any order, duplication and concurrency of events and spends ends with the books of the tidy order."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import gateway, ledger
from billing.catalogue import products
from billing.errors import InsufficientCredits
from billing.models import CreditGrant, Order, OutgoingMail, Pack, Plan, StripeEvent
from billing.shapes import Event
from billing.staff import audit
from billing.stripe import inbox
from billing.stripe.events import HANDLERS
from tests.billing import books as purse
from tests.payments.conftest import FAILS_LATER, GOOD, Customer, Desk, deliver

pytestmark = pytest.mark.services


class Undo(Exception):
    """Ends an example's transaction, so that the next one begins with the same books."""


@pytest.fixture
def story(customer: Customer, basic: Plan, pack: Pack, desk: Desk) -> list[Event]:
    """A customer's events that nobody has heard of yet: plan, renewals, packs, refunds, disputes."""
    customer.pay(basic)
    subscription = next(event for event in customer.news() if event["type"] == "customer.subscription.created")
    name = subscription["data"]["object"]["id"]
    customer.taken.clear()
    desk(f"subscriptions/{name}/renew")
    sessions = [customer.pay(pack) for _ in range(3)]
    charges = {}
    for event in customer.news():
        if event["type"] == "charge.succeeded" and not event["data"]["object"].get("invoice"):
            charges[event["data"]["object"]["payment_intent"]] = event["data"]["object"]["id"]
    intents = [gateway.retrieve_checkout(session)["payment_intent"] for session in sessions]
    customer.taken.clear()
    desk(f"charges/{charges[intents[0]]}/refund", amount=200)
    desk(f"charges/{charges[intents[0]]}/refund", amount=100)
    won = desk(f"charges/{charges[intents[1]]}/dispute")
    desk(f"disputes/{won['id']}/close", won=True)
    lost = desk(f"charges/{charges[intents[2]]}/dispute")
    desk(f"disputes/{lost['id']}/close", won=False)
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{name}/renew")
    desk(f"customers/{customer.id}/card", number=GOOD)
    return customer.news()


@pytest.fixture
def eventful(customer: Customer, basic: Plan, bigger: Plan, pack: Pack, desk: Desk) -> list[Event]:
    """What can become of a plan: a year that is cancelled at once, then a month, bought twice, made bigger, moved to a
    price of the dashboard's, renewed, not paid and then paid; and a bank debit that fails."""
    year = Plan.objects.create(slug="year", name="Year", credits=1200, price=9000, interval="year", order=3)
    customer.pay(year)
    gateway.cancel_subscription(running(customer))
    Order.objects.update(status=Order.Status.PAID)  # so that the next one is sold, though nothing was heard
    customer.pay(basic)
    name = running(customer)
    monthly = products.current_price(basic)
    by_hand = gateway.create_price(
        {
            "product": monthly.stripe_product_id,
            "unit_amount": 1900,
            "currency": "usd",
            "recurring": {"interval": "month"},
            "metadata": {"credits": "250"},
        }
    )
    for days, price, quantity in ((10, monthly.stripe_id, 2), (5, products.current_price(bigger).stripe_id, 2)):
        desk("clock/advance", days=days)
        move(name, price, quantity=quantity, proration_behavior="always_invoice")
    desk(f"subscriptions/{name}/renew")
    move(name, by_hand["id"], quantity=1, proration_behavior="none")
    desk(f"subscriptions/{name}/renew")
    customer.pay(pack, "bank_debit_fails")
    desk("clock/advance", days=10)
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{name}/renew")
    desk(f"customers/{customer.id}/card", number=GOOD)
    return customer.news()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Ask Stripe each thing once: nothing changes there while the books hear the same story again and again."""

    def still() -> None:
        for name in ("checkout", "subscription", "invoice", "charge", "price"):
            monkeypatch.setattr(gateway, f"retrieve_{name}", cache(getattr(gateway, f"retrieve_{name}")))
        all_of = gateway.invoices_of
        monkeypatch.setattr(gateway, "invoices_of", cache(lambda name: list(all_of(name))))

    return still


def running(customer: Customer) -> str:
    return gateway.subscriptions_of(customer.id)[0]["id"]


def move(subscription: str, price: str, *, quantity: int, **how: Any) -> None:
    """What an operator does in Stripe's dashboard."""
    item = gateway.retrieve_subscription(subscription)["items"]["data"][0]["id"]
    changes: Any = {"items": [{"id": item, "price": price, "quantity": quantity}], **how}
    gateway.update_subscription(subscription, changes)


def books(customer: Customer) -> dict[str, Any]:
    """What must come out the same: the balance, what is left of what, and what was sold for how much."""
    grants = CreditGrant.objects.filter(wallet=customer.wallet)
    left = grants.filter(remaining__gt=0).values_list("source", "amount", "remaining", "expires_at")
    sold = ("reference", "amount", "refunded", "credits", "quantity", "grant__amount", "price__stripe_id")
    return {
        "balance": customer.balance,
        "plan": customer.plan,
        "left": Counter(left),
        "payments": sorted(map(str, customer.wallet.payments.values_list(*sold))),
        "orders": sorted(customer.wallet.orders.values_list("pk", "status")),
        "drift": list(audit.drifts()),
    }


def mails(customer: Customer) -> set[str]:
    """Who was told what. What comes late may go without a mail; no mail says anything else."""
    told = OutgoingMail.objects.filter(wallet=customer.wallet)
    return {f"{mail.reference}: {mail.template} {sorted(mail.context.items())}" for mail in told}


def told(customer: Customer, events: list[Event]) -> tuple[dict[str, Any], set[str]]:
    """Return the books and the mails after these events."""
    result: tuple[dict[str, Any], set[str]] = {}, set()
    try:
        around = transaction.atomic()
        vars(around)["_from_testcase"] = True  # it is none of the site's
        with around:
            deliver(events)
            result = books(customer), mails(customer)
            raise Undo
    except Undo:
        return result


def test_any_order_and_any_number_of_times_ends_in_the_same_books(
    customer: Customer, story: list[Event], still: Callable[[], None]
) -> None:
    still()
    # welcome, this period, a pack refunded by 3/5, one won, one lost
    any_order(customer, story, balance=3 + 100 + 20 + 50 + 0)


def test_any_order_of_all_that_can_become_of_a_plan_ends_in_the_same_books(
    customer: Customer, eventful: list[Event], still: Callable[[], None]
) -> None:
    still()
    # What the last period brought, and the welcome credits.
    any_order(customer, eventful, balance=3 + 250, examples=6)


def any_order(customer: Customer, story: list[Event], *, balance: int, examples: int = 12) -> None:
    tidy, letters = told(customer, story)
    assert tidy["drift"] == []
    assert tidy["balance"] == balance

    heard = [event for event in story if event["type"] in HANDLERS]  # the others are noted, whenever they come
    assert told(customer, heard) == (tidy, letters)
    places = range(len(heard))

    # On PostgreSQL only what the SQL says could differ: the orders themselves are tried on SQLite.
    @settings(
        max_examples=examples if connection.vendor == "sqlite" else 4,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.permutations(places), st.lists(st.sampled_from(places), max_size=6))
    def shuffled(order: list[int], again: list[int]) -> None:
        books, mails = told(customer, [heard[place] for place in [*order, *again]])
        assert books == tidy
        assert mails <= letters

    shuffled()


def test_two_workers_on_every_event_while_credits_are_spent_never_go_below_zero(
    customer: Customer, story: list[Event]
) -> None:
    for event in story:
        inbox.store(event)

    def work(number: int) -> int:
        spent = 0
        try:
            for event in story if number % 2 else reversed(story):
                inbox.handle(event["id"])
                reference = f"generation:{number}:{event['id']}"
                try:
                    purse.hold(wallet=customer.wallet, credits=2, reference=reference, cause="an image")
                except InsufficientCredits:
                    continue
                spent += 2
                if number == 0:
                    purse.release(reference=reference, cause="it failed")
                    spent -= 2
                else:
                    ledger.settle([reference])
        finally:
            close_old_connections()
        return spent

    with ThreadPoolExecutor(4) as pool:
        spent = sum(pool.map(work, range(4)))
    deliver([])
    assert not StripeEvent.objects.filter(handled_at=None).exists()
    assert customer.balance >= 0
    assert spent > 0
    assert list(audit.drifts()) == []
