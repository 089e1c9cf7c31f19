"""What each API key spends in a calendar month (UTC), counted in one row for both: the only writer of `KeyMonth`.

The row changes in the transaction of the credits, and after the ledger has taken the wallet's lock: so a cap is exact
under parallel calls, it costs the same after one image as after a million, and two transactions never wait for each
other. What fails returns its credit and leaves the count; what is deleted stays in it, for it was paid.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db.models import F, Sum
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey
from generator.models import Generation, KeyMonth


def month_of(at: datetime) -> date:
    """Return the first day of the month that `at` is in."""
    return at.astimezone(UTC).date().replace(day=1)


def month_start() -> datetime:
    """Return when the current calendar month began."""
    return timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def take(api_key: ApiKey, credits: int, at: datetime) -> None:
    """Count `credits` that `api_key` holds from `at` on."""
    month = month_of(at)
    if not KeyMonth.objects.filter(api_key=api_key, month=month).update(credits=F("credits") + credits):
        KeyMonth.objects.create(api_key=api_key, month=month, credits=credits)


def counted(*, source: str) -> str:
    """Return `take` as a part of a statement for PostgreSQL: it gives the row of `source` where it counted.

    It does not where the key's month has no row yet, or no room below the cap. Parameters: `key`, `month`, `cap`,
    `credits`.
    """
    table = f'"{KeyMonth._meta.db_table}"'
    return (
        f"UPDATE {table} SET credits = credits + %(credits)s::int FROM {source} "  # noqa: S608 (names of tables)
        f"WHERE {table}.api_key_id = %(key)s::bigint AND {table}.month = %(month)s::date "
        f"AND (%(cap)s::int IS NULL OR {table}.credits + %(credits)s::int <= %(cap)s::int) RETURNING {source}.id"
    )


def give_back(generation: Generation, credits: int) -> None:
    """Count `credits` of `generation` no longer: they returned. They leave the month that they were counted in."""
    if generation.api_key_id is not None:
        counted = KeyMonth.objects.filter(api_key=generation.api_key_id, month=month_of(generation.created_at))
        counted.filter(credits__gte=credits).update(credits=F("credits") - credits)


def spent_by_key(api_keys: Iterable[ApiKey]) -> dict[int, int]:
    """Return the credits that each of `api_keys` spent or holds this month, in one query; idle ones are left out."""
    rows = KeyMonth.objects.filter(api_key__in=[key.pk for key in api_keys], month=month_of(timezone.now()))
    return dict(rows.filter(credits__gt=0).values_list("api_key", "credits"))


def spent_against(key: ApiKey) -> int:
    """Return the credits that count against the cap of `key`: its own, and those of the keys it shares the cap with."""
    family = keys.sharing_a_cap(key, since=month_start())
    rows = KeyMonth.objects.filter(api_key__in=family, month=month_of(timezone.now()))
    return rows.aggregate(credits=Sum("credits"))["credits"] or 0
