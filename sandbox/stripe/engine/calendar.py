"""Billing periods: months and years keep the day of the anchor, and end early in short months, as Stripe's do."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

_SECONDS = {"day": 86_400, "week": 7 * 86_400}


def period_after(start: int, *, anchor: int, interval: str, count: int) -> int:
    """Return the end of the period that begins at `start`; all in Unix seconds."""
    if interval in _SECONDS:
        return start + _SECONDS[interval] * count
    step = count * (12 if interval == "year" else 1)
    months = 0
    while (end := add_months(anchor, months)) <= start:
        months += step
    return end


def add_months(moment: int, months: int) -> int:
    """Return the same day and time so many months later, or the month's last day if it is shorter."""
    first = datetime.fromtimestamp(moment, UTC)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    day = min(first.day, calendar.monthrange(year, month + 1)[1])
    return int(first.replace(year=year, month=month + 1, day=day).timestamp())
