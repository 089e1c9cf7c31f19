"""What was asked for with a wallet, counted per day for its dashboard. All reading, nothing else.

Days are UTC's. An image that was deleted still counts: it was made and paid for. Samples of test keys do not.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Q, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce, Substr
from django.utils import timezone

from accounts.models import ApiKey
from billing.models import Wallet
from generator.errors import TooManyParts
from generator.models import DEFAULT_MODEL, Generation
from kit.http.csv_export import to_csv
from kit.threads import in_thread

RANGES = (7, 30, 90)  # days that one can look back, today included
USUAL_RANGE = 30
MOST_PARTS = 10_000
CSV_HEAD = ("day", "studio_images", "api_images", "failed", "credits")

# The day as text: connections speak UTC and ISO 8601, and on SQLite this is ten times as fast as a date function.
_DAY = Substr(Cast("created_at", TextField()), 1, 10)
_CHARGED = ~Q(status=Generation.Status.FAILED)


@dataclass(frozen=True)
class Day:
    """One day's images by where they were asked for, made or on their way, and the credits spent on them or set aside.

    `failed` ones cost nothing.
    """

    day: date
    studio: int = 0
    api: int = 0
    failed: int = 0
    credits: int = 0

    @property
    def images(self) -> int:
        return self.studio + self.api


@dataclass(frozen=True)
class Usage:
    """Every day of a range, oldest first, today last."""

    days: list[Day]

    @property
    def studio(self) -> int:
        return sum(day.studio for day in self.days)

    @property
    def api(self) -> int:
        return sum(day.api for day in self.days)

    @property
    def failed(self) -> int:
        return sum(day.failed for day in self.days)

    @property
    def images(self) -> int:
        return self.studio + self.api

    @property
    def credits(self) -> int:
        return sum(day.credits for day in self.days)

    @property
    def newest_first(self) -> list[Day]:
        return self.days[::-1]

    @property
    def is_empty(self) -> bool:
        return not self.images and not self.failed


def of_days(wallet: Wallet, days: int) -> Usage:
    """Count the wallet's last `days` days, in one query."""
    first = timezone.now().astimezone(UTC).date() - timedelta(days=days - 1)
    asked = Generation.objects.real().filter(wallet=wallet, created_at__gte=datetime.combine(first, time(), tzinfo=UTC))
    counted = (
        asked.values(on=_DAY)
        .annotate(
            studio=Count("pk", filter=_CHARGED & Q(api_key=None)),
            api=Count("pk", filter=_CHARGED & Q(api_key__isnull=False)),
            failed=Count("pk", filter=~_CHARGED),
            cost=Sum("credits", filter=_CHARGED, default=0),
        )
        .order_by()
    )
    by_day = {row["on"]: (row["studio"], row["api"], row["failed"], row["cost"]) for row in counted}
    wanted = (first + timedelta(days=number) for number in range(days))
    return Usage([Day(day, *by_day.get(day.isoformat(), ())) for day in wanted])


@dataclass(frozen=True)
class Part:
    """What was asked for on one day, with one key, or of one model, as far as it is told apart by these.

    No `key`: in the studio. `images` are made or on their way; `failed` ones cost nothing.
    """

    day: str = ""
    key: ApiKey | None = None
    model: str = ""
    images: int = 0
    credits: int = 0
    failed: int = 0


def parts(wallet: Wallet, first: date, last: date, by: Collection[str]) -> list[Part]:
    """Count what the wallet asked for from `first` to `last`, told apart `by` "day", "key" and "model".

    In one query for the counts. Raises TooManyParts, for nobody reads that many at once.
    """
    fields = {"day": "on", "key": "api_key", "model": "asked_of"}
    begin, end = (datetime.combine(day, time(), tzinfo=UTC) for day in (first, last + timedelta(days=1)))
    counted = (
        Generation.objects.filter(wallet=wallet, is_test=False, created_at__gte=begin, created_at__lt=end)
        .annotate(on=_DAY, asked_of=Coalesce("image_model__slug", Value(DEFAULT_MODEL)))
        .values(*(fields[one] for one in by))
        .annotate(
            images=Count("pk", filter=_CHARGED),
            failed=Count("pk", filter=~_CHARGED),
            cost=Sum("credits", filter=_CHARGED, default=0),
        )
        .order_by(*(fields[one] for one in by))
    )
    rows = list(counted[: MOST_PARTS + 1])
    if len(rows) > MOST_PARTS:
        raise TooManyParts(MOST_PARTS)
    keys = ApiKey.objects.in_bulk({row["api_key"] for row in rows if row.get("api_key")})
    return [
        Part(
            day=row.get("on", ""),
            key=keys.get(row.get("api_key", 0)),
            model=row.get("asked_of", ""),
            images=row["images"],
            credits=row["cost"],
            failed=row["failed"],
        )
        for row in rows
        if row["images"] or row["failed"]
    ]


async def csv_lines(wallet: Wallet, days: int) -> AsyncIterator[str]:
    """Yield the last `days` days as CSV, oldest first.

    A row a day: the day as YYYY-MM-DD, images asked for in the studio, over the API, those that failed (they are in
    neither of the two and cost nothing), and the credits that were spent or set aside.
    """
    yield to_csv([CSV_HEAD])
    usage = await in_thread(lambda: of_days(wallet, days))
    yield to_csv((day.day.isoformat(), day.studio, day.api, day.failed, day.credits) for day in usage.days)
