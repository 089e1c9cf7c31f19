"""What each API key spends in a day, in a calendar month (UTC) and in all: the only writer of `KeyMonth`.

A key's month is one row, and so is what it spent on the last day that it was used on: counting changes one row, however
many images there are. It changes in the transaction of the credits, and after the ledger has taken the wallet's lock:
so a cap is exact under parallel calls, it costs the same after one image as after a million, and two transactions never
wait for each other. What fails returns its credit and leaves the count; what is deleted stays in it, for it was paid.
What a browser token spends is counted in its own row as well, in the same way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Case, F, PositiveIntegerField, Q, Sum, Value, When
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, BrowserToken
from generator.errors import CapPeriod
from generator.models import Generation, KeyMonth


@dataclass(frozen=True)
class Cap:
    """How many credits may be spent in a period, of which `spent` are, and when it begins anew, if ever.

    No `credits`: as many as there are.
    """

    period: CapPeriod
    credits: int | None
    spent: int
    resets_at: datetime | None

    @property
    def left(self) -> int | None:
        return None if self.credits is None else max(0, self.credits - self.spent)

    def lacks(self, credits: int) -> bool:
        """Tell whether it has no room for `credits` more."""
        return self.left is not None and self.left < credits

    @property
    def is_exceeded(self) -> bool:
        return self.credits is not None and self.spent > self.credits


def month_of(at: datetime) -> date:
    """Return the first day of the month that `at` is in."""
    return at.astimezone(UTC).date().replace(day=1)


def day_of(at: datetime) -> date:
    """Return the day of UTC that `at` is in."""
    return at.astimezone(UTC).date()


def month_start() -> datetime:
    """Return when the current calendar month began."""
    return timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def take(api_key: ApiKey, credits: int, at: datetime) -> None:
    """Count `credits` that `api_key` holds from `at` on."""
    month, day = month_of(at), day_of(at)
    # Whoever waited for the lock over midnight may come after one of the new day: that one's count goes on.
    counted = KeyMonth.objects.filter(api_key=api_key, month=month).update(
        credits=F("credits") + credits,
        day_credits=Case(When(day__gte=day, then=F("day_credits") + credits), default=Value(credits)),
        day=Case(When(day__gt=day, then=F("day")), default=Value(day)),
    )
    if not counted:
        KeyMonth.objects.create(api_key=api_key, month=month, credits=credits, day=day, day_credits=credits)


def take_of_token(token: BrowserToken, credits: int) -> bool:
    """Count `credits` that `token` holds; False when its cap has no room for them, or it has ended."""
    live = BrowserToken.objects.filter(pk=token.pk, revoked_at=None, expires_at__gt=timezone.now())
    room = live.filter(credits_spent__lte=F("credit_cap") - credits)
    return bool(room.update(credits_spent=F("credits_spent") + credits))


def counted(*, source: str) -> str:
    """Return `take` as a part of a statement for PostgreSQL: it gives the row of `source` where it counted.

    It does not where the key's month has no row yet, or no room below the cap. Parameters: `key`, `month`, `day`,
    `cap`, `credits`.
    """
    table = f'"{KeyMonth._meta.db_table}"'
    day = "%(day)s::date"
    return (
        f"UPDATE {table} SET credits = credits + %(credits)s::int, "  # noqa: S608 (names of tables)
        f"day_credits = CASE WHEN {table}.day >= {day} THEN {table}.day_credits ELSE 0 END + %(credits)s::int, "
        f"day = CASE WHEN {table}.day > {day} THEN {table}.day ELSE {day} END FROM {source} "
        f"WHERE {table}.api_key_id = %(key)s::bigint AND {table}.month = %(month)s::date "
        f"AND (%(cap)s::int IS NULL OR {table}.credits + %(credits)s::int <= %(cap)s::int) RETURNING {source}.id"
    )


def give_back(generation: Generation, credits: int) -> None:
    """Count `credits` of `generation` no longer: they returned. They leave the month that they were counted in, and the
    day while that is the last one."""
    if generation.api_key_id is not None:
        month, day = month_of(generation.created_at), day_of(generation.created_at)
        counted = KeyMonth.objects.filter(api_key=generation.api_key_id, month=month, credits__gte=credits)
        same_day = When(day=day, day_credits__gte=credits, then=F("day_credits") - credits)
        counted.update(
            credits=F("credits") - credits,
            day_credits=Case(same_day, default=F("day_credits"), output_field=PositiveIntegerField()),
        )
    if generation.browser_token_id is not None:
        of_token = BrowserToken.objects.filter(pk=generation.browser_token_id, credits_spent__gte=credits)
        of_token.update(credits_spent=F("credits_spent") - credits)


@dataclass(frozen=True)
class Spent:
    """Credits spent or held today, this month and in all."""

    day: int = 0
    month: int = 0
    lifetime: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.day + other.day, self.month + other.month, self.lifetime + other.lifetime)


def spent_by_key(api_keys: Iterable[ApiKey]) -> dict[int, Spent]:
    """Return what each of `api_keys` spent, alone, in one query; those that never spent anything are left out."""
    rows = KeyMonth.objects.filter(api_key__in=[key.pk for key in api_keys], credits__gt=0)
    found: Any = rows.values("api_key").annotate(**_sums()).order_by()  # whose columns its type does not know
    return {row["api_key"]: Spent(row["day"], row["month"], row["lifetime"]) for row in found}


def _sums() -> dict[str, Sum]:
    now = timezone.now()
    this_month = Q(month=month_of(now))
    return {
        "day": Sum("day_credits", filter=this_month & Q(day=day_of(now)), default=0),
        "month": Sum("credits", filter=this_month, default=0),
        "lifetime": Sum("credits", default=0),
    }


def of(key: ApiKey) -> tuple[Cap, Cap, Cap]:
    """Return what `key` may spend in a day, a month and in all, and what it did: together with the keys that it shares
    its caps with, for they replaced one another."""
    # In all: of the whole family, and otherwise only of those that may have spent something this month.
    family = keys.family(key) if key.lifetime_credit_cap is not None else keys.sharing_a_cap(key, since=month_start())
    return against(key, Spent(**KeyMonth.objects.filter(api_key__in=family).aggregate(**_sums())))


def against(key: ApiKey, spent: Spent) -> tuple[Cap, Cap, Cap]:
    """Return the caps of `key` as they stand with what it spent, together with those that it shares them with."""
    today = day_of(timezone.now())
    tomorrow = datetime.combine(today + timedelta(days=1), time(), tzinfo=UTC)
    next_month = datetime.combine((today.replace(day=1) + timedelta(days=31)).replace(day=1), time(), tzinfo=UTC)
    return (
        Cap("day", key.daily_credit_cap, spent.day, tomorrow),
        Cap("month", key.monthly_credit_cap, spent.month, next_month),
        Cap("lifetime", key.lifetime_credit_cap, spent.lifetime, None),
    )


def is_capped(key: ApiKey) -> bool:
    """Tell whether `key` has a cap of its own."""
    caps = (key.daily_credit_cap, key.monthly_credit_cap, key.lifetime_credit_cap)
    return any(cap is not None for cap in caps)


def exceeded(key: ApiKey) -> Cap | None:
    """Return the cap of `key` that is exceeded, of several the one that lasts the longest; one query, or none."""
    if not is_capped(key):
        return None
    return next((cap for cap in reversed(of(key)) if cap.is_exceeded), None)


def of_token(token: BrowserToken) -> Cap:
    """Return what `token` may spend, and what it did."""
    spent = BrowserToken.objects.values_list("credits_spent", flat=True).filter(pk=token.pk).first()
    return Cap("token", token.credit_cap, token.credit_cap if spent is None else spent, None)
