"""What is counted per day and per key: all that was asked for, what failed apart, days of UTC."""

import asyncio
import csv
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing import ledger
from billing.models import Wallet
from generator.library import usage
from generator.models import Generation

pytestmark = pytest.mark.services

Status = Generation.Status


@pytest.fixture
def key(alice: User) -> ApiKey:
    return keys.mint(user=alice, name="test")[0]


def ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def asked(wallet: Wallet, at: datetime, status: str = Status.COMPLETED, **fields: Any) -> Generation:
    return Generation.objects.create(
        wallet=wallet, prompt="x", aspect_ratio="1:1", created_at=at, deadline_at=at, status=status, **fields
    )


def test_each_day_counts_studio_api_and_failed_apart(wallet: Wallet, key: ApiKey) -> None:
    asked(wallet, ago(0))
    asked(wallet, ago(0), Status.DRAWING)
    asked(wallet, ago(0), api_key=key)
    asked(wallet, ago(0), Status.FAILED, api_key=key)
    asked(wallet, ago(2), Status.FAILED)
    days = usage.of_days(wallet, 7).days
    today, before = days[-1], days[-3]
    assert (today.studio, today.api, today.failed, today.images, today.credits) == (2, 1, 1, 3, 3)
    assert (before.studio, before.api, before.failed, before.credits) == (0, 0, 1, 0)


@pytest.mark.parametrize("days", usage.RANGES)
def test_a_range_has_every_day_until_today(wallet: Wallet, days: int) -> None:
    found = usage.of_days(wallet, days).days
    today = timezone.now().date()
    assert [day.day for day in found] == [today - timedelta(days=days - 1 - number) for number in range(days)]


def test_what_is_older_than_the_range_is_left_out(wallet: Wallet) -> None:
    asked(wallet, ago(7))
    assert usage.of_days(wallet, 7).is_empty
    assert usage.of_days(wallet, 30).images == 1


def test_days_begin_at_midnight_utc(wallet: Wallet) -> None:
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asked(wallet, midnight)
    asked(wallet, midnight - timedelta(microseconds=1))
    days = usage.of_days(wallet, 7).days
    assert [day.images for day in days[-2:]] == [1, 1]


def test_deleted_images_count_and_others_images_do_not(wallet: Wallet, bob: User) -> None:
    asked(wallet, ago(1), deleted_at=timezone.now())
    asked(ledger.wallet_of(bob.pk), ago(1))
    assert usage.of_days(wallet, 7).images == 1


def test_totals_are_the_sums_of_the_days(wallet: Wallet, key: ApiKey) -> None:
    for days in (0, 3, 20):
        asked(wallet, ago(days))
        asked(wallet, ago(days), api_key=key)
        asked(wallet, ago(days), Status.FAILED)
    total = usage.of_days(wallet, 30)
    assert (total.studio, total.api, total.failed, total.images) == (3, 3, 3, 6)


def test_it_is_one_query_however_much_there_is(wallet: Wallet, django_assert_num_queries: Any) -> None:
    for days in range(60):
        asked(wallet, ago(days))
    with django_assert_num_queries(1):
        assert usage.of_days(wallet, 90).images == 60


def test_the_file_has_a_row_a_day_oldest_first(wallet: Wallet, key: ApiKey) -> None:
    asked(wallet, ago(0))
    asked(wallet, ago(0), api_key=key)
    asked(wallet, ago(0), Status.FAILED)

    async def lines() -> str:
        return "".join([line async for line in usage.csv_lines(wallet, 7)])

    rows = list(csv.reader(asyncio.run(lines()).splitlines()))
    assert rows[0] == ["day", "studio_images", "api_images", "failed", "credits"]
    assert len(rows) == 8
    assert rows[-1] == [timezone.now().date().isoformat(), "1", "1", "1", "2"]
    assert rows[1][1:] == ["0", "0", "0", "0"]
