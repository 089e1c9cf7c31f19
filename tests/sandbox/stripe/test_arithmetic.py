"""Periods and shares, by themselves."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.stripe.amounts import in_words
from sandbox.stripe.engine.calendar import add_months, period_after
from sandbox.stripe.engine.changes import share


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_months_keep_the_day_of_the_anchor() -> None:
    anchor = start = _at("2027-01-31T10:00")
    ends = []
    for _ in range(4):
        start = period_after(start, anchor=anchor, interval="month", count=1)
        ends.append(start)
    assert ends == [_at(f"2027-{day}T10:00") for day in ("02-28", "03-31", "04-30", "05-31")]


def test_a_leap_day_comes_back() -> None:
    anchor = _at("2028-02-29")
    year = period_after(anchor, anchor=anchor, interval="year", count=1)
    assert year == _at("2029-02-28")
    assert add_months(anchor, 48) == _at("2032-02-29")


@pytest.mark.parametrize(("interval", "days"), [("day", 2), ("week", 14)])
def test_days_and_weeks_are_counted(interval: str, days: int) -> None:
    assert period_after(100, anchor=0, interval=interval, count=2) == 100 + days * 86_400


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(st.integers(0, 10**7), st.integers(0, 10**9), st.integers(1, 10**7), st.floats(0, 1))
def test_a_share_is_never_more_than_the_whole(amount: int, start: int, length: int, part: float) -> None:
    now = start + int(length * part)
    left = share(amount, start=start, end=start + length, now=now)
    assert 0 <= left <= amount
    assert abs(left - amount * (start + length - now) / length) <= 0.5 + 1e-6


def test_amounts_in_words() -> None:
    assert in_words(-1905, "usd") == "−19.05 USD"
    assert in_words(500, "jpy") == "500 JPY"
    assert in_words(-500, "krw") == "−500 KRW"
    assert in_words(9500, "kwd") == "9.500 KWD"
    assert in_words(370000, "ugx") == "3700.00 UGX"
