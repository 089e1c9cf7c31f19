"""The figures of the first page: how images end and how long they take, what credits and money did, who came.

Quick however many rows there are: an hour or a day that is over never changes again, so what it came to is kept on the
shared cache, and only the present one is counted. Without the cache they are counted anew, as many as a page may wait
for; a figure that is not whole yet says so.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from billing.models import CreditEntry, CreditGrant, CreditLine, Payment
from generator.models import CANCELLED, PROMPT_REFUSED, Generation

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURS, DAYS = 7 * 24, 30  # that are looked back on
LATE = timedelta(minutes=2)  # after which nothing of an hour or a day is still being written
PATIENCE_SECONDS = 0.08  # for which one page counts what is over and nobody has counted yet
FRESH_SECONDS = 10.0  # what one page counted is another's for so long
KEPT_SECONDS = 40 * 86_400
STEP = math.log(1.04)  # durations are told apart by four percent

Kind, Source = CreditEntry.Kind, CreditGrant.Source
_SOLD = (Source.PLAN, Source.PACK)


@dataclass(frozen=True)
class Ends:
    """How images ended: `drawn`, or `failed` for our own or an upstream's reasons; and how long those drawn took."""

    drawn: int = 0
    failed: int = 0
    seconds: Counter[int] = field(default_factory=Counter)  # by the logarithm of how long they took, in `STEP`s

    @property
    def count(self) -> int:
        return self.drawn + self.failed

    @property
    def rate(self) -> float | None:
        """The share that was drawn, 0 to 1; None where nothing ended."""
        return self.drawn / self.count if self.count else None

    def within(self, share: float) -> float | None:
        """Return in how many seconds this share of them was drawn; None without any."""
        wanted, seen = share * self.drawn, 0
        for step in sorted(self.seconds):
            seen += self.seconds[step]
            if seen >= wanted:
                return math.exp(step * STEP)
        return None


@dataclass(frozen=True)
class Moved:
    """What happened with credits: what was `sold`, `granted` as a gift, `spent` or set aside, and `expired`."""

    sold: int = 0
    granted: int = 0
    spent: int = 0
    expired: int = 0


@dataclass(frozen=True)
class Week:
    """The last seven days by the hour, the oldest first; `is_whole` unless some are still to be counted."""

    hours: list[tuple[datetime, Ends]]
    is_whole: bool

    def last(self, hours: int) -> Ends:
        """Return what the last so many hours came to, the present one with them."""
        return _added(ends for _, ends in self.hours[-hours:])


@dataclass(frozen=True)
class Month:
    """Credits, money and people of today, and of the last thirty days, today with them."""

    today: Moved
    month: Moved
    taken_today: dict[str, int]  # minor units by currency, less what was paid back
    taken: dict[str, int]
    came_today: int
    came: int
    is_whole: bool


def last_hour() -> Ends:
    """Return how images ended in the last sixty minutes."""
    now = timezone.now()
    return _ends_of(shared("hour", FRESH_SECONDS, lambda: _told(_count(now - HOUR, now))))


def week() -> Week:
    """Return the last seven days by the hour."""
    now = timezone.now()
    present = now.replace(minute=0, second=0, microsecond=0)
    starts = [present - HOUR * number for number in range(HOURS - 1, 0, -1)]
    known, is_whole = _remembered("hour", starts, HOUR, now, lambda at: _told(_count(at, at + HOUR)))
    hours = [(at, _ends_of(known[at])) for at in starts if at in known]
    began = shared("present", FRESH_SECONDS, lambda: _told(_count(present, now)))
    return Week([*hours, (present, _ends_of(began))], is_whole)


def month() -> Month:
    """Return what thirty days came to."""
    now = timezone.now()
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - DAY * number for number in range(DAYS - 1, 0, -1)]
    known, is_whole = _remembered("day", starts, DAY, now, lambda at: vars(_moved(at, at + DAY)))
    present = Moved(**shared("today", FRESH_SECONDS, lambda: vars(_moved(today, now))))
    days = [Moved(**told) for told in known.values()] + [present]
    whole = Moved(*(sum(getattr(day, name) for day in days) for name in vars(present)))
    taken_today, taken, came_today, came = shared("people", FRESH_SECONDS, lambda: _people(today, starts[0]))
    return Month(present, whole, taken_today, taken, came_today, came, is_whole)


def shared(name: str, seconds: float, count: Callable[[], Any]) -> Any:
    """Return what `count` came to `seconds` ago at most, whoever counted it; of all that ask at once one counts."""
    kept = cache.get(f"figures:{name}")
    if kept and time.time() - kept["at"] < seconds:
        return kept["value"]
    if kept and not cache.add(f"figures:{name}:counting", 1, 10):
        return kept["value"]  # somebody is at it
    value = count()
    cache.set(f"figures:{name}", {"at": time.time(), "value": value}, KEPT_SECONDS)
    cache.delete(f"figures:{name}:counting")
    return value


def _remembered(
    name: str,
    starts: list[datetime],
    length: timedelta,
    now: datetime,
    count: Callable[[datetime], Any],
) -> tuple[dict[datetime, Any], bool]:
    """Return what each of `starts` came to, in their order, and whether all of them are there."""
    keys = {at: f"figures:{name}:{at:%Y-%m-%dT%H}" for at in starts}
    kept = cache.get_many(keys.values())
    missing = [at for at in reversed(starts) if keys[at] not in kept]
    until = time.monotonic() + PATIENCE_SECONDS
    for at in missing:
        if time.monotonic() > until:
            break
        kept[keys[at]] = count(at)
        if at + length + LATE <= now:
            cache.set(keys[at], kept[keys[at]], KEPT_SECONDS)
    return {at: kept[keys[at]] for at in starts if keys[at] in kept}, all(key in kept for key in keys.values())


def _count(since: datetime, until: datetime) -> Ends:
    ended = Generation.objects.real().filter(finished_at__gte=since, finished_at__lt=until)
    ended = ended.exclude(error_code__in=(CANCELLED, PROMPT_REFUSED))
    drawn, failed, seconds = 0, 0, Counter[int]()
    for status, created_at, finished_at in ended.values_list("status", "created_at", "finished_at").iterator():
        if status == Generation.Status.COMPLETED and finished_at:
            drawn += 1
            took = max(0.001, (finished_at - created_at).total_seconds())
            seconds[round(math.log(took) / STEP)] += 1
        else:
            failed += 1
    return Ends(drawn, failed, seconds)


def _told(ends: Ends) -> list[Any]:
    """Return it as JSON."""
    return [ends.drawn, ends.failed, [list(pair) for pair in ends.seconds.items()]]


def _ends_of(told: Any) -> Ends:
    drawn, failed, seconds = told
    return Ends(drawn, failed, Counter(dict(seconds)))


def _added(all_of_them: Iterable[Ends]) -> Ends:
    drawn, failed, seconds = 0, 0, Counter[int]()
    for ends in all_of_them:
        drawn, failed = drawn + ends.drawn, failed + ends.failed
        seconds.update(ends.seconds)
    return Ends(drawn, failed, seconds)


def _moved(since: datetime, until: datetime) -> Moved:
    within = CreditEntry.objects.filter(created_at__gte=since, created_at__lt=until).order_by()
    kinds = within.filter(kind__in=(Kind.HOLD, Kind.RELEASE, Kind.EXPIRE)).values_list("kind").annotate(Sum("amount"))
    by_kind = dict(kinds)
    lines = CreditLine.objects.filter(
        entry__kind=Kind.GRANT, entry__created_at__gte=since, entry__created_at__lt=until
    ).order_by()
    by_source = dict(lines.values_list("grant__source").annotate(Sum("amount")))
    sold = sum(by_source.get(source, 0) for source in _SOLD)
    return Moved(
        sold=sold,
        granted=sum(by_source.values()) - sold,
        spent=-(by_kind.get(Kind.HOLD, 0) + by_kind.get(Kind.RELEASE, 0)),
        expired=-by_kind.get(Kind.EXPIRE, 0),
    )


def _people(today: datetime, since: datetime) -> list[Any]:
    def taken(begin: datetime) -> dict[str, int]:
        paid = Payment.objects.filter(created_at__gte=begin, amount__gt=0).order_by().values_list("currency")
        sums = paid.annotate(Sum("amount"), Sum("refunded"))
        return {currency: amount - refunded for currency, amount, refunded in sums}

    came = User.objects.filter(date_joined__gte=since)
    return [taken(today), taken(since), came.filter(date_joined__gte=today).count(), came.count()]
