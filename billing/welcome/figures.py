"""How many welcome credits were given and held back; each number comes from an index."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum

from billing.models import CreditGrant, HeldWelcome


@dataclass(frozen=True)
class Welcomes:
    """People, and the credits that they got or did not get."""

    label: str
    people: int
    credits: int


def given(since: datetime) -> Welcomes:
    """Return what was given since then."""
    found = CreditGrant.objects.filter(source=CreditGrant.Source.WELCOME, created_at__gte=since)
    counted = found.aggregate(people=Count("pk"), credits=Sum("amount"))
    return Welcomes("Given", counted["people"], counted["credits"] or 0)


def given_after_all(since: datetime) -> Welcomes:
    """Return what was held back since then and is not any more: staff gave it, or there is another address."""
    found = HeldWelcome.objects.filter(given_at__isnull=False, held_at__gte=since)
    counted = found.aggregate(people=Count("pk"), credits=Sum("credits"))
    return Welcomes("Held back at first, and given after all", counted["people"], counted["credits"] or 0)


def held_back(since: datetime) -> list[Welcomes]:
    """Return what was held back since then and still is, by reason, those without anybody included."""
    found = HeldWelcome.objects.filter(given_at=None, held_at__gte=since).order_by()
    counted = {row["reason"]: row for row in found.values("reason").annotate(people=Count("pk"), sum=Sum("credits"))}
    nothing = {"people": 0, "sum": 0}
    rows = ((reason.label, counted.get(reason.value, nothing)) for reason in HeldWelcome.Reason)
    return [Welcomes(str(label), row["people"], row["sum"]) for label, row in rows]
