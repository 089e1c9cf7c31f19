"""The offer of a new installation is not forced on one that has its own, or that has sold."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import Order, Pack, Plan, Price, StripeAccount, Subscription, Wallet
from billing.staff import acts
from tests.payments.conftest import seed_catalogue

SEEDED = {
    "free": (3, 0, None, None),
    "basic": (100, 900, None, None),
    "pack-50": (50, 500),
    "pack-200": (200, 1800),
    "pack-1000": (1000, 8000),
}
RENEWED = {
    "free": (3, 0, None, 10),
    "basic": (100, 900, 30, None),
    "basic-yearly": (1200, 9000, 30, None),
    "pack-50": (50, 600),
    "pack-200": (200, 2200),
    "pack-1000": (1000, 9500),
}


def catalogue() -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {
        plan.slug: (plan.credits, plan.price, plan.rate_limit, plan.max_in_flight) for plan in Plan.objects.all()
    }
    return found | {pack.slug: (pack.credits, pack.price) for pack in Pack.objects.all()}


def renew() -> None:
    importlib.import_module("billing.migrations.0020_renew_the_offer").renew(apps, None)


@pytest.fixture
def wallet(alice: User) -> Wallet:
    seed_catalogue()
    assert catalogue() == SEEDED
    return ledger.wallet_of(alice.pk)


def reprice(plan: Plan, price: int) -> None:
    plan.price = price
    acts.save_product(actor=None, product=plan, reason="A try")


def reprice_and_back(_: Wallet) -> None:
    reprice(Plan.objects.get(slug="basic"), 1000)
    reprice(Plan.objects.get(slug="basic"), 900)


def account() -> StripeAccount:
    return StripeAccount.objects.create(stripe_id="acct_1", livemode=False, key_digest="x")


def at_stripe(plan: Plan) -> None:
    terms = {"amount": plan.price, "currency": plan.currency, "interval": plan.interval, "credits": plan.credits}
    Price.objects.create(plan=plan, account=account(), stripe_id="price_1", stripe_product_id="prod_1", **terms)


def begin(wallet: Wallet) -> None:
    Order.objects.create(wallet=wallet, account=account(), pack=Pack.objects.get(slug="pack-50"))


def subscribe(wallet: Wallet) -> None:
    plan = Plan.objects.get(slug="basic")
    ended = {"status": "canceled", "ended_at": timezone.now()}
    Subscription.objects.create(wallet=wallet, account=account(), plan=plan, stripe_id="sub_1", **ended)


TOUCHES: dict[str, Callable[[Wallet], object]] = {
    "a price was changed": lambda _: Pack.objects.filter(slug="pack-50").update(price=400),
    "a price was changed and changed back": reprice_and_back,
    "a name was changed": lambda _: Plan.objects.filter(slug="basic").update(name="Starter"),
    "a limit was set": lambda _: Plan.objects.filter(slug="free").update(rate_limit=5),
    "a currency was changed": lambda _: Pack.objects.filter(slug="pack-1000").update(currency="eur"),
    "a pack is no longer sold": lambda _: Pack.objects.filter(slug="pack-200").update(active=False),
    "a plan was added": lambda _: Plan.objects.create(slug="pro", name="Pro", credits=400, price=2900),
    "a pack was removed": lambda _: Pack.objects.filter(slug="pack-200").delete(),
    "Stripe knows a price": lambda _: at_stripe(Plan.objects.get(slug="basic")),
    "a checkout was begun": begin,
    "somebody once subscribed": subscribe,
    "a plan was given": lambda wallet: Wallet.objects.filter(pk=wallet.pk).update(plan=Plan.objects.get(slug="basic")),
}


def test_a_new_installation_has_the_new_offer(db: None) -> None:
    seed_catalogue(renewed=True)
    assert catalogue() == RENEWED


def test_an_untouched_catalogue_is_renewed_and_whoever_is_there_may_do_what_they_could(wallet: Wallet) -> None:
    assert wallet.plan is not None
    assert wallet.plan.slug == "free"
    renew()
    assert catalogue() == {**RENEWED, "free": SEEDED["free"]}
    yearly = Plan.objects.get(slug="basic-yearly")
    assert (yearly.name, yearly.interval, yearly.currency, yearly.active) == ("Basic yearly", "year", "usd", True)


@pytest.mark.services
@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_a_catalogue_of_an_operators_own_is_left_alone(wallet: Wallet, touch: Callable[[Wallet], object]) -> None:
    touch(wallet)
    before = catalogue()
    renew()
    assert catalogue() == before


def test_a_catalogue_is_renewed_once(wallet: Wallet) -> None:
    renew()
    reprice(Plan.objects.get(slug="basic-yearly"), 9900)
    before = catalogue()
    renew()
    assert catalogue() == before


def test_an_empty_catalogue_stays_empty(db: None) -> None:
    renew()
    assert catalogue() == {}
