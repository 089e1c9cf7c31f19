"""The first page's figures: they are those of the rows, and what is over is counted once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Payment, Wallet
from generator.models import CANCELLED, Generation
from reveweb.watch import figures

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(figures, "PATIENCE_SECONDS", 30)


@pytest.fixture
def ended(wallet: Wallet) -> Callable[..., None]:
    """Put down images that ended `ago`, after `seconds`."""

    def put(ago: timedelta, *seconds: float, failed: int = 0, code: str = "upstream_failed", **more: Any) -> None:
        at = timezone.now() - ago
        rows = [("completed", "", took) for took in seconds] + [("failed", code, 1.0)] * failed
        Generation.objects.bulk_create(
            Generation(
                wallet=wallet,
                prompt="x",
                aspect_ratio="1:1",
                request_digest="x",
                status=status,
                error_code=error,
                created_at=at - timedelta(seconds=took),
                finished_at=at,
                deadline_at=at,
                **more,
            )
            for status, error, took in rows
        )

    return put


def test_they_say_how_images_ended_and_how_long_they_took(ended: Callable[..., None]) -> None:
    ended(timedelta(minutes=5), *(range(1, 101)), failed=25)
    ended(timedelta(hours=30), 500.0)
    ended(timedelta(days=8), 900.0, failed=9)
    hour, week = figures.last_hour(), figures.week()
    assert (hour.drawn, hour.failed, hour.rate) == (100, 25, 0.8)
    assert hour.within(0.5) == pytest.approx(50, rel=0.05)
    assert hour.within(0.95) == pytest.approx(95, rel=0.05)
    assert (week.last(24).count, week.last(figures.HOURS).drawn) == (125, 101)
    assert week.is_whole
    assert len(week.hours) == figures.HOURS


def test_what_its_owner_caused_and_what_is_a_test_does_not_count(ended: Callable[..., None]) -> None:
    ended(timedelta(minutes=5), failed=2, code=CANCELLED)
    ended(timedelta(minutes=5), 1.0, failed=1, is_test=True)
    assert figures.last_hour().count == 0
    assert (figures.last_hour().rate, figures.last_hour().within(0.5)) == (None, None)


def test_an_hour_that_is_over_is_counted_once(ended: Callable[..., None]) -> None:
    ended(timedelta(hours=5), 1.0)
    figures.week()
    with CaptureQueriesContext(connection) as queries:
        assert figures.week().last(24).drawn == 1
    assert len(queries) <= 1


def test_what_takes_too_long_is_counted_by_the_next_pages(
    ended: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "PATIENCE_SECONDS", 0)
    ended(timedelta(hours=100), 1.0)
    first = figures.week()
    assert not first.is_whole
    monkeypatch.setattr(figures, "PATIENCE_SECONDS", 30)
    whole = figures.week()
    assert (whole.is_whole, whole.last(figures.HOURS).drawn) == (True, 1)


def test_credits_money_and_people_of_today_and_of_a_month(
    wallet: Wallet, give: Callable[[int], None], generation: Generation
) -> None:
    give(40)
    for reference, days, amount, refunded in (("a", 0, 900, 100), ("b", 10, 500, 0), ("c", 40, 700, 0)):
        at = timezone.now() - timedelta(days=days)
        Payment.objects.create(
            wallet=wallet, reference=reference, amount=amount, currency="usd", refunded=refunded, created_at=at
        )
    month = figures.month()
    assert (month.taken_today, month.taken) == ({"usd": 800}, {"usd": 1300})
    assert (month.today.granted + month.today.sold, month.today.spent, month.today.expired) == (43, 1, 0)
    assert month.today == month.month
    assert month.came_today == month.came >= 1
    assert month.is_whole
