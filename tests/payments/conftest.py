"""A customer of the stand-in for Stripe, reached by the real gateway over a real socket.

Webhooks are not delivered here: tests take events from Stripe's own list and choose in which order, and how often, the
books hear of them.
"""

import importlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.apps import apps

from accounts.models import User
from billing import gateway, ledger
from billing.catalogue import products
from billing.models import Order, Pack, Plan, StripeEvent, Subscription, Wallet
from billing.shapes import Event
from billing.stripe import checkout, inbox

GOOD, DECLINED, FAILS_LATER = "4242424242424242", "4000000000000002", "4000000000000341"
SITE = "http://shop.example"


class Customer:
    """Somebody with an account, and what they and their bank do at the stand-in."""

    def __init__(self, wallet: Wallet, desk: "Desk") -> None:
        self.wallet = wallet
        self.desk = desk
        self.taken: set[str] = set()

    def pay(self, product: Plan | Pack, method: str = GOOD) -> str:
        """Go through the hosted checkout and return its session id."""
        url = checkout.start(wallet=self.wallet, product=product, site=SITE)
        session = Order.objects.get(url=url).stripe_session_id
        assert session
        self.desk(f"checkout/{session}/pay", method=method)
        return session

    @property
    def id(self) -> str:
        row = self.wallet.customers.filter(gone_at=None).exclude(stripe_id=None).first()
        return (row.stripe_id if row else None) or ""

    @property
    def balance(self) -> int:
        self.wallet.refresh_from_db()
        return self.wallet.balance

    @property
    def plan(self) -> Plan | None:
        return Wallet.objects.select_related("plan").get(pk=self.wallet.pk).plan

    @property
    def subscription(self) -> Subscription:
        return self.wallet.subscriptions.get()

    def charge(self, reference: str) -> str:
        """Return the charge behind a payment in the books."""
        intent = self.wallet.payments.get(reference=reference).payment_intent
        return next(charge["id"] for charge in gateway.charges_since(0) if charge["payment_intent"] == intent)

    def news(self) -> list[Event]:
        """Return this customer's events that were not asked for before, oldest first."""
        mine_id = self.id
        mine = [event for event in gateway.events_since(0) if event["id"] not in self.taken and _is_of(event, mine_id)]
        self.taken |= {event["id"] for event in mine}
        return mine[::-1]

    def follow(self) -> list[Event]:
        """Let the books hear of everything new, in order, and return it."""
        news = self.news()
        deliver(news)
        return news


class Desk:
    """The operator's desk of the stand-in."""

    # One for all: each reads the certificates anew, which takes 80 ms. A year of renewals may take its time.
    http = httpx.Client(timeout=60)

    def __init__(self, url: str) -> None:
        """Tidy the desk: customers of the tests before would renew, and be listed, with every step of this one."""
        self.url = url
        self("reset")

    def __call__(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"{self.url}/sandbox/stripe/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()


def deliver(events: list[Event], tries: int = 12) -> None:
    """Store the events in this order and handle them until all are handled, as the scheduler would."""
    for event in events:
        inbox.store(event)
    for _ in range(tries):
        StripeEvent.objects.filter(handled_at=None).update(due_at="2000-01-01T00:00:00Z")
        inbox.handle_due()
        if not StripeEvent.objects.filter(handled_at=None).exists():
            return
    raise AssertionError([(event.type, event.last_error) for event in StripeEvent.objects.filter(handled_at=None)])


def clean_desk(url: str) -> Desk:
    """The desk of a stand-in that has forgotten all tests before: whoever lists its events would read all of theirs."""
    desk = Desk(url)
    desk("reset")
    return desk


def seed_catalogue(*, renewed: bool = False) -> None:
    """Put in the plans and packs of an installation that sells since long, or with `renewed` of a new one."""
    importlib.import_module("billing.migrations.0003_seed_catalogue").seed(apps, None)
    if renewed:
        importlib.import_module("billing.migrations.0020_renew_the_offer").renew(apps, None)


@pytest.fixture
def desk(sandbox: str) -> Desk:
    return clean_desk(sandbox)


@pytest.fixture
def customer(alice: User, desk: Desk, settings: Any) -> Customer:
    seed_catalogue()
    return Customer(ledger.wallet_of(alice.pk), desk)


@pytest.fixture
def basic(customer: Customer) -> Plan:
    return Plan.objects.get(slug="basic")


@pytest.fixture
def pack(customer: Customer) -> Pack:
    return Pack.objects.get(slug="pack-50")


@pytest.fixture
def bigger(customer: Customer) -> Plan:
    """A plan beside Basic, 400 credits for four times its price."""
    return Plan.objects.create(slug="pro", name="Pro", credits=400, price=3600, interval="month", order=2)


@pytest.fixture
def lookup_key() -> Callable[[Plan | Pack], str]:
    return products.lookup_key


def _is_of(event: Event, customer: str) -> bool:
    data = event["data"]["object"]
    if data.get("customer"):
        return bool(data["customer"] == customer)
    charge = data.get("charge")
    return bool(charge and gateway.retrieve_charge(charge)["customer"] == customer)
