"""What an account may do at a time comes from its key, itself, its plan, and then the site."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import close_old_connections

from accounts import keys
from billing import ledger
from billing.models import Plan, Wallet
from generator.ask import admission, limits
from generator.errors import TooManyAtOnce
from generator.jobs import lifecycle
from generator.models import Generation


@pytest.fixture
def plan(wallet: Wallet) -> Plan:
    plan = Plan.objects.create(slug="p", name="P", credits=10, price=0, interval="", rate_limit=33, max_in_flight=2)
    Wallet.objects.update(plan=plan)
    return plan


def again(wallet: Wallet) -> Wallet:
    return ledger.wallet_of(wallet.user_id)


def test_the_nearest_rate_limit_counts(wallet: Wallet, plan: Plan, settings: Any) -> None:
    key, _ = keys.mint(user=wallet.user, name="k", rate_limit=55)
    assert limits.generate_window(again(wallet), key).per_minute == 55
    assert limits.generate_window(again(wallet), None).per_minute == 33
    Wallet.objects.update(rate_limit=44)
    assert limits.generate_window(again(wallet), None).per_minute == 44
    Wallet.objects.update(rate_limit=None, plan=None)
    assert limits.generate_window(again(wallet), None).per_minute == settings.RATE_LIMIT_PER_MINUTE


@pytest.mark.services
def test_no_more_images_are_in_flight_than_the_plan_allows(
    wallet: Wallet, plan: Plan, give: Callable[[int], None]
) -> None:
    give(20)

    def ask(number: int) -> bool:
        try:
            admission.admit(wallet=again(wallet), request=admission.ImageRequest(prompt=f"image {number}"))
        except TooManyAtOnce:
            return False
        else:
            return True
        finally:
            close_old_connections()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 2
    assert again(wallet).balance == 23 - 2
    first = Generation.objects.order_by("pk")[0]
    lifecycle.fail(first, code="upstream_failed", message="It broke.")
    assert ask(9)


def test_the_api_says_when_to_come_back(api: Any, plan: Plan) -> None:
    codes = [api.post({"prompt": "x", "async": True}) for _ in range(3)]
    assert [answer.status_code for answer in codes] == [202, 202, 429]
    assert codes[2].json()["error"]["code"] == "too_many_unfinished"
    assert codes[2].headers["Retry-After"] == "2"
    assert codes[2].headers["X-Credits-Charged"] == "0"
