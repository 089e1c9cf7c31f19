"""The books of a period, and how they stand now: nothing here writes but what `days` keeps of days that are over."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from django.db import connection
from django.db.models import F, Max, Q, Sum
from django.db.models.expressions import Combinable

from billing.catalogue import money
from billing.models import BooksDay, CreditEntry, Dispute, Payment, Refund, Wallet
from reveweb.books import days

Money = dict[str, Decimal]
LOST = "lost"  # Stripe's word for a dispute whose money is gone


@dataclass
class Line:
    """One day, or the sum of several. Money is in units of its currency, by the currency's code."""

    day: date | None
    took: Money = field(default_factory=dict)
    back: Money = field(default_factory=dict)  # refunds and lost disputes, on the day on which they were
    charged: Money = field(default_factory=dict)
    their_credits: Decimal = Decimal(0)  # that upstreams took of their own
    sold: int = 0
    staff: int = 0
    welcome: int = 0
    other: int = 0
    spent: int = 0
    returned: int = 0
    expired: int = 0
    taken: int = 0
    astray: int = 0
    opening: int | None = None
    closing: int | None = None  # of what people have, with what is set aside; None where it is not known yet
    aside: int | None = None  # of that, set aside for images that are under way
    is_partial: bool = False
    is_counted: bool = True

    @property
    def left(self) -> Money:
        """What is left of what was taken, in each currency."""
        none = Decimal(0)
        codes = sorted(self.took.keys() | self.back.keys() | self.charged.keys())
        return {
            code: self.took.get(code, none) - self.back.get(code, none) - self.charged.get(code, none) for code in codes
        }

    @property
    def is_empty(self) -> bool:
        moved = (self.took, self.back, self.charged, self.their_credits, self.astray)
        return not (any(moved) or any(getattr(self, name) for name in BooksDay.CREDITS))


@dataclass(frozen=True)
class Report:
    """The days of a period, the latest first, their sum, and how many days are still to be counted for it."""

    lines: list[Line]
    whole: Line
    uncounted: int


@dataclass(frozen=True)
class Standing:
    """What wallets hold by their kept balances, and by their entries: one moment of the database."""

    kept: int
    by_entries: int

    @property
    def difference(self) -> int:
        return self.kept - self.by_entries


def report(since: date, until: date, patience: float | None = None) -> Report:
    """Return the books from `since` to `until`, both of them included; days that are to come are left out.

    Days that nobody has counted yet are counted for so many seconds of `patience`, all of them where it is None.
    """
    uncounted = days.keep(patience)
    today = days.today()
    until = min(until, today)
    known = days.kept(since, until)
    back = _back(days.start_of(since), days.start_of(until + days.DAY))
    opening, aside = _before(since) if not uncounted else (None, 0)
    lines = []
    first = days.first_day() or until
    day = max(since, first)
    while day <= until:
        row = known.get(day) or (days.count(day) if day >= today - days.DAY else None)
        line = _line(day, row, back.get(day, {}))
        line.is_partial = day == today
        if opening is not None and row is not None:
            line.opening, opening, aside = opening, opening + row.change, aside + row.aside
            line.closing, line.aside = opening, aside
        lines.append(line)
        day += timedelta(days=1)
    return Report(lines[::-1], total(lines), uncounted)


def total(lines: Iterable[Line]) -> Line:
    """Return the sum of lines that follow each other."""
    whole, all_lines = Line(None), list(lines)
    for line in all_lines:
        for mine, theirs in ((whole.took, line.took), (whole.back, line.back), (whole.charged, line.charged)):
            for code, amount in theirs.items():
                mine[code] = mine.get(code, Decimal(0)) + amount
        whole.their_credits += line.their_credits
        for name in (*BooksDay.CREDITS, "astray"):
            setattr(whole, name, getattr(whole, name) + getattr(line, name))
    if all_lines:
        whole.opening, whole.closing, whole.aside = all_lines[0].opening, all_lines[-1].closing, all_lines[-1].aside
    return whole


def by_month(lines: list[Line]) -> list[Line]:
    """Return the sums of months, of days that are in the order of a report; each is its month's first day."""
    months = []
    for first, found in groupby(lines, key=lambda line: line.day and line.day.replace(day=1)):
        part = list(found)[::-1]
        whole = total(part)
        whole.day = first
        whole.is_partial = part[-1].is_partial
        whole.is_counted = all(line.is_counted for line in part)
        months.append(whole)
    return months


def standing() -> Standing | None:
    """Return what wallets hold, kept and by entries; None while days are still to be counted."""
    if next(days.missing(), None) is not None:
        return None
    before = BooksDay.objects.aggregate(latest=Max("day"), change=Sum(_change()), aside=Sum("aside"))
    since = days.start_of(before["latest"] + days.DAY) if before["latest"] else datetime(1970, 1, 1, tzinfo=UTC)
    at = CreditEntry._meta.get_field("created_at").get_db_prep_value(since, connection)
    wallets, entries = Wallet._meta.db_table, CreditEntry._meta.db_table
    with connection.cursor() as cursor:  # one statement sees one moment, whoever spends beside it
        cursor.execute(
            f"SELECT (SELECT sum(balance) FROM {wallets}),"  # noqa: S608 (names of tables)
            f" (SELECT sum(amount) FROM {entries} WHERE created_at >= %s)",
            [at],
        )
        kept, since_then = cursor.fetchone()
    by_entries = (before["change"] or 0) - (before["aside"] or 0) + int(since_then or 0)
    return Standing(int(kept or 0), by_entries)


def _before(day: date) -> tuple[int, int]:
    """Return what people had as `day` began, with what was set aside, and that alone. All days before are kept."""
    kept = BooksDay.objects.filter(day__lt=day).aggregate(change=Sum(_change()), aside=Sum("aside"))
    opening, aside = kept["change"] or 0, kept["aside"] or 0
    yesterday = day - days.DAY
    if day == days.today() and not BooksDay.objects.filter(day=yesterday).exists():
        late = days.count(yesterday)  # over for minutes: nobody keeps it yet
        opening, aside = opening + late.change, aside + late.aside
    return opening, aside


def _change() -> Combinable:
    return F("sold") + F("staff") + F("welcome") + F("other") + F("returned") - F("spent") - F("expired") - F("taken")


def _line(day: date, row: BooksDay | None, back: Money) -> Line:
    if row is None:
        return Line(day, back=back, is_counted=False)
    charged = {code.upper(): Decimal(micros).scaleb(-6) for code, micros in row.costs.items() if code}
    return Line(
        day,
        took={code.upper(): money.major(amount, code) for code, amount in row.took.items()},
        back=back,
        charged=charged,
        their_credits=Decimal(row.costs.get("", 0)).scaleb(-6),
        astray=row.astray,
        **{name: getattr(row, name) for name in BooksDay.CREDITS},
    )


def _back(since: datetime, until: datetime) -> dict[date, Money]:
    """Return what went back on each day: refunds, less those that failed, and disputes that were lost."""
    found: dict[date, Money] = defaultdict(lambda: defaultdict(Decimal))

    def add(at: datetime | None, amount: int, currency: str) -> None:
        if at is not None and since <= at < until:
            found[at.astimezone(UTC).date()][currency.upper()] += money.major(amount, currency)

    lost = Dispute.objects.filter(status=LOST, closed_at__gte=since, closed_at__lt=until).order_by()
    for at, amount, currency in lost.values_list("closed_at", "amount", "payment__currency"):
        add(at, amount, currency)
    for refund_at, failed_at, amount, currency in _refunds(since, until):
        add(refund_at, amount, currency)
        add(failed_at, -amount, currency)
    # Where nothing was brought, no claim on credits says when: such a refund stands at its payment.
    bare = Payment.objects.filter(refunded__gt=0, grant=None, created_at__gte=since, created_at__lt=until).order_by()
    for at, amount, currency in bare.values_list("created_at", "refunded", "currency"):
        add(at, amount, currency)
    return {day: dict(sums) for day, sums in found.items()}


def _refunds(since: datetime, until: datetime) -> Iterable[tuple[datetime, datetime | None, int, str]]:
    """Yield the refunds of grants that have one in the period: when, when it failed, and how much it was by itself."""
    touched = Refund.objects.filter(
        Q(created_at__gte=since, created_at__lt=until) | Q(failed_at__gte=since, failed_at__lt=until)
    )
    rows = Refund.objects.filter(grant__in=touched.values("grant")).order_by("grant_id", "pk")
    of: dict[int, list[Refund]] = defaultdict(list)
    for refund in rows.select_related("grant__payment"):
        payment = getattr(refund.grant, "payment", None)
        if payment is None:
            continue
        standing = [
            earlier.refunded
            for earlier in of[refund.grant_id]
            if earlier.failed_at is None or earlier.failed_at > refund.created_at
        ]
        of[refund.grant_id].append(refund)
        amount = max(0, refund.refunded - max(standing, default=0))
        yield refund.created_at, refund.failed_at, amount, payment.currency
