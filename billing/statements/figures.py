"""What happened to an account's credits in a month, as a statement says it: read in a few queries, however much it was.

A month is UTC's. Its movements are a whole stretch of the ledger, which begins where that of the month before ends: so
they lead exactly from the opening balance to the closing one, and no two statements tell of the same entry. At midnight
the order of entries may be another than that of their times, by as long as one of them waited for the wallet. Balances
are sums of entries: what an entry says of the balance then stays off where the kept one was, until it was repaired.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone

from billing.catalogue import money
from billing.models import CreditEntry, Payment, Wallet

Kind = CreditEntry.Kind
SINGLE = (Kind.GRANT, Kind.TAKE, Kind.CLAW_BACK, Kind.RESTORE, Kind.EXPIRE)  # told one by one, with their causes
MOST_SINGLE = 500  # beyond that by the day, too
NAMES: dict[str, str] = {
    Kind.HOLD: "Images",
    Kind.RELEASE: "Returned",
    Kind.GRANT: "Granted",
    Kind.EXPIRE: "Expired",
    Kind.TAKE: "Taken",
    Kind.CLAW_BACK: "Taken back after a refund or dispute",
    Kind.RESTORE: "Restored",
}


@dataclass(frozen=True)
class Movement:
    """A line: what, when, of how many entries, and the credits, signed."""

    day: date
    words: str
    count: int
    credits: int


@dataclass(frozen=True)
class Paid:
    """A payment, in words: its amount, and what of it was paid back by now."""

    day: date
    words: str
    amount: str
    refunded: str
    reference: str
    path: str  # of the site's page that leads to its invoice


@dataclass(frozen=True)
class Statement:
    """A month of an account. `opening` and `closing` are balances; `until` is its last day, or today."""

    name: str
    email: str
    first: date
    until: date
    opening: int
    closing: int
    movements: list[Movement] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    payments: list[Paid] = field(default_factory=list)


def months(wallet: Wallet) -> list[date]:
    """Return the first days of the months that a wallet has statements of, the newest first."""
    first, month = wallet.created_at.astimezone(UTC).date().replace(day=1), timezone.now().date().replace(day=1)
    found = []
    while month >= first:
        found.append(month)
        month = (month - timedelta(days=1)).replace(day=1)
    return found


def statement(wallet: Wallet, year: int, month: int) -> Statement:
    """Return a month of `wallet`. Raises ValueError for one that it has none of."""
    first = date(year, month, 1)
    if first not in months(wallet):
        raise ValueError(f"There is no statement of {first:%B %Y}.")
    start = datetime(year, month, 1, tzinfo=UTC)
    end = (start + timedelta(days=32)).replace(day=1)
    entries = CreditEntry.objects.filter(wallet=wallet)
    before, last = _last_before(entries, start), _last_before(entries, end)
    opening = entries.filter(pk__lte=before).aggregate(sum=Sum("amount"))["sum"] or 0
    moved = entries.filter(pk__gt=before, pk__lte=last).exclude(kind=Kind.SETTLE).order_by()
    movements = _movements(moved)
    last_day = min((end - timedelta(days=1)).date(), timezone.now().date())
    return Statement(
        name=wallet.user.name,
        email=wallet.user.email,
        first=first,
        until=last_day,
        opening=opening,
        closing=opening + sum(movement.credits for movement in movements),
        movements=movements,
        totals=_totals(moved),
        payments=[_paid(payment) for payment in _payments(wallet, start, end)],
    )


def _last_before(entries: QuerySet[CreditEntry], moment: datetime) -> int:
    """Return the key of the last entry of a time before `moment`, 0 where there is none."""
    return entries.filter(created_at__lt=moment).aggregate(pk=Max("pk"))["pk"] or 0


def _movements(moved: QuerySet[CreditEntry]) -> list[Movement]:
    singles = list(moved.filter(kind__in=SINGLE).order_by("pk")[: MOST_SINGLE + 1])
    is_few = len(singles) <= MOST_SINGLE
    daily = moved.exclude(kind__in=SINGLE) if is_few else moved
    by_day = daily.annotate(day=TruncDate("created_at", tzinfo=UTC)).values("day", "kind")
    found = [
        Movement(row["day"], NAMES.get(row["kind"], row["kind"]), row["count"], row["sum"])
        for row in by_day.annotate(count=Count("pk"), sum=Sum("amount"))
    ]
    if is_few:
        found += [Movement(entry.created_at.astimezone(UTC).date(), entry.cause, 1, entry.amount) for entry in singles]
    return sorted(found, key=lambda movement: movement.day)


def _totals(moved: QuerySet[CreditEntry]) -> dict[str, int]:
    sums = dict(moved.values_list("kind").annotate(Sum("amount")))
    return {name: sums[kind] for kind, name in NAMES.items() if sums.get(kind)}


def _payments(wallet: Wallet, start: datetime, end: datetime) -> QuerySet[Payment]:
    return wallet.payments.filter(created_at__gte=start, created_at__lt=end, amount__gt=0).order_by("pk")


def _paid(payment: Payment) -> Paid:
    refunded = money.full(payment.refunded, payment.currency) if payment.refunded else ""
    day = payment.created_at.astimezone(UTC).date()
    amount = money.full(payment.amount, payment.currency)
    named = payment.stripe_invoice_id or payment.reference
    return Paid(day, payment.description, amount, refunded, named, path=reverse("billing_document", args=[payment.pk]))
