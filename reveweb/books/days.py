"""The sums of one day, and those of days that are over, which are kept.

A day is counted from indexes on the time of what happened then. Each of those times is set by whoever writes the row,
as they do: so nothing comes to a day that is over but what a transaction began before midnight and ended after it. For
that a day is kept only once it has been over for a while, and the night counts the latest ones again.
"""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any

from django.db.models import F, Max, Min, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.models import BooksDay, CreditEntry, CreditGrant, CreditLine, Payment
from generator.library import margin_days
from generator.models import Attempt

Kind = CreditEntry.Kind
Source = CreditGrant.Source
DAY = timedelta(days=1)
SETTLED = timedelta(hours=1)  # how long a day has been over before it is kept
AGAIN = 2  # of the latest kept days, which the night counts once more
SOURCES = {
    Source.PLAN.value: "sold",
    Source.PACK.value: "sold",
    Source.STAFF.value: "staff",
    Source.WELCOME.value: "welcome",
}


def start_of(day: date) -> datetime:
    """Return when a day begins, in UTC."""
    return datetime.combine(day, clock(), UTC)


def today() -> date:
    """Return the day that it is, in UTC."""
    return timezone.now().astimezone(UTC).date()


def count(day: date) -> BooksDay:
    """Add up what happened on a day; nothing is kept."""
    since, until = start_of(day), start_of(day + DAY)
    during: dict[str, Any] = {"created_at__gte": since, "created_at__lt": until}
    counted = BooksDay(day=day, counted_at=timezone.now())
    granted = CreditLine.objects.filter(
        entry__kind=Kind.GRANT, entry__created_at__gte=since, entry__created_at__lt=until
    )
    for source, credits in granted.order_by().values_list("grant__source").annotate(Sum("amount")):
        column = SOURCES.get(source, "other")
        setattr(counted, column, getattr(counted, column) + credits)
    moved = CreditEntry.objects.filter(**during).exclude(kind=Kind.GRANT).order_by()
    grouped = moved.values_list("kind", "of__kind").annotate(Sum("amount"), Sum("of__amount"))
    for kind, ended, amount, of_amount in grouped:
        _add(counted, kind, ended, amount, of_amount or 0)
    before = CreditEntry.objects.filter(wallet=OuterRef("wallet"), pk__lt=OuterRef("pk")).order_by("-pk")
    steps = CreditEntry.objects.filter(**during).order_by()
    off = F("balance_after") - F("amount") - Coalesce(Subquery(before.values("balance_after")[:1]), 0)
    counted.astray = steps.aggregate(s=Sum(off))["s"] or 0
    counted.took = dict(Payment.objects.filter(**during).order_by().values_list("currency").annotate(Sum("amount")))
    tries = Attempt.objects.filter(ended_at__gte=since, ended_at__lt=until, cost_micros__isnull=False).order_by()
    counted.costs = dict(tries.values_list("cost_currency").annotate(Sum("cost_micros")))
    return counted


def kept(since: date, until: date) -> dict[date, BooksDay]:
    """Return the kept days from `since` to `until`, both of them included."""
    return {row.day: row for row in BooksDay.objects.filter(day__gte=since, day__lte=until)}


def missing() -> Iterator[date]:
    """Yield the days that are over and not kept, the latest first."""
    first = first_day()
    if first is None:
        return
    known = set(BooksDay.objects.values_list("day", flat=True))
    day = _latest()
    while day >= first:
        if day not in known:
            yield day
        day -= DAY


def first_day() -> date | None:
    """Return the day of the first entry, payment or try; None where nothing has happened yet."""
    times = (
        CreditEntry.objects.aggregate(t=Min("created_at"))["t"],
        Payment.objects.aggregate(t=Min("created_at"))["t"],
        Attempt.objects.filter(ended_at__isnull=False).aggregate(t=Min("ended_at"))["t"],
    )
    return min((each.astimezone(UTC).date() for each in times if each), default=None)


def keep(seconds: float | None = None) -> int:
    """Count the days that are over and not kept, for so many seconds at most, and return how many are left."""
    end = None if seconds is None else time.monotonic() + seconds
    todo = list(missing())
    for at, day in enumerate(todo):
        if end is not None and time.monotonic() >= end:
            return len(todo) - at
        _keep(day)
    return 0


def keep_margins() -> None:
    """Count the margin of the kept days that were written by a version that did not."""
    for row in BooksDay.objects.filter(margin__isnull=True).order_by("-day"):
        BooksDay.objects.filter(pk=row.pk).update(margin=_margin(row.day))


def keep_again() -> None:
    """Count the latest kept days once more, for what came to them late."""
    latest = BooksDay.objects.aggregate(day=Max("day"))["day"]
    for back in range(AGAIN if latest else 0):
        _keep(latest - back * DAY)


def _keep(day: date) -> None:
    counted = count(day)
    counted.margin = _margin(day)
    values = {field.name: getattr(counted, field.name) for field in BooksDay._meta.concrete_fields}
    del values["id"], values["day"]
    BooksDay.objects.update_or_create(day=day, defaults=values)


def _margin(day: date) -> list[Any]:
    return margin_days.count(start_of(day), start_of(day + DAY)).told()


def _latest() -> date:
    return (timezone.now() - SETTLED).astimezone(UTC).date() - DAY


def _add(counted: BooksDay, kind: str, ended: str | None, amount: int, of_amount: int) -> None:
    """Add the entries of one kind that end entries of another; what is set aside is neither spent nor gone."""
    match kind, ended:
        case Kind.HOLD, _:
            counted.aside -= amount
        case Kind.SETTLE, _:
            counted.aside += of_amount  # of the hold, which took it
            counted.spent -= of_amount
        case Kind.RELEASE, Kind.SETTLE:
            counted.returned += amount
        case Kind.RELEASE, _:
            counted.aside -= amount
        case Kind.EXPIRE, _:
            counted.expired -= amount
        case _:
            counted.taken -= amount
