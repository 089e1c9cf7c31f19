"""What images brought as it was sold, and what tries cost, of any time: counted now, or kept of days that are over.

Entries and ended tries are never changed, so that a day that is over comes to the same for ever. What a credit is worth
is: refunds and lost disputes come to a sale whenever they like. So days are kept as sold, and the few sales that are
another today are looked up and put right by whoever reports (`put_right`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import product
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum

from billing.catalogue import money
from billing.models import CreditEntry, CreditLine, Dispute, Payment, Refund
from generator.models import Attempt

Kind = CreditEntry.Kind
CHUNK = 500  # grants that are asked for at once
LOST = "lost"  # Stripe's word for a dispute whose money is gone
_PREFIX = "generation:"  # of a hold's reference


@dataclass
class Part:
    """The sums of one model at one upstream. Money is exact; costs are in millionths, "" are an upstream's credits."""

    images: int = 0
    credits: int = 0
    tries: int = 0
    unknown: int = 0  # tries that drew, and whose cost nobody noted
    costs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    brought: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))


Key = tuple[int | None, int | None]  # of the model and of the upstream; neither is known of the oldest images


class Sums(dict[Key, Part]):
    """Parts by their model and upstream, each there as soon as it is asked for."""

    def __missing__(self, key: Key) -> Part:
        return self.setdefault(key, Part())

    def add(self, others: "Sums") -> None:
        """Add other sums to these."""
        for key, part in others.items():
            mine = self[key]
            for name in ("images", "credits", "tries", "unknown"):
                setattr(mine, name, getattr(mine, name) + getattr(part, name))
            for code, micros in part.costs.items():
                mine.costs[code] += micros
            for code, amount in part.brought.items():
                mine.brought[code] += amount

    def told(self) -> list[Any]:
        """Return them as JSON."""
        return [
            [*key, part.images, part.credits, part.tries, part.unknown, part.costs, _words(part.brought)]
            for key, part in self.items()
        ]


def sums_of(told: list[Any]) -> Sums:
    """Return what `told` made JSON of."""
    sums = Sums()
    for model, upstream, images, credits, tries, unknown, costs, brought in told:
        part = sums[model, upstream]
        part.images, part.credits, part.tries, part.unknown = images, credits, tries, unknown
        part.costs.update(costs)
        part.brought.update({code: Fraction(words) for code, words in brought.items()})
    return sums


def count(since: datetime, until: datetime) -> Sums:
    """Add up the time from `since` to before `until`, each credit as it was sold."""
    sums = Sums()
    for sign, hold, kind in _ENDS:
        for model, upstream, currency, paid, granted, credits in _read(_SPENT, hold, kind, since, until):
            part = sums[model, upstream]
            part.credits += sign * int(credits)
            if currency is not None:
                part.brought[currency.upper()] += sign * int(credits) * _a_credit(paid, currency, granted)
        for model, upstream, images in _read(_IMAGES, hold, kind, since, until):
            sums[model, upstream].images += sign * images
    ended = Attempt.objects.filter(ended_at__gte=since, ended_at__lt=until).order_by()
    grouped = ended.values_list("generation__image_model", "upstream", "cost_currency")
    costs_nobody_knows = Count("pk", filter=Q(state=Attempt.State.DRAWN, cost_micros=None))
    for model, upstream, code, tries, micros, unknown in grouped.annotate(
        tries=Count("pk"), micros=Sum("cost_micros"), unknown=costs_nobody_knows
    ):
        part = sums[model, upstream]
        part.tries += tries
        part.unknown += unknown
        part.costs[code.upper()] += micros or 0
    return sums


def put_right(
    sums: Sums, since: datetime, until: datetime, *, without: Iterable[tuple[datetime, datetime]] = ()
) -> None:
    """Let the credits that were spent in this time be worth what refunds and lost disputes left of their sales.

    `without` are the times within it that are in no sum.
    """
    spent: list[tuple[Key, int, int]] = []
    spans = [(1, since, until), *((-1, *span) for span in without)]
    for grants in _chunks(_touched()):
        for (counts, begin, end), (sign, hold, kind) in product(spans, _ENDS):
            for model, upstream, grant, credits in _read(_SPENT_OF, hold, kind, begin, end, grants):
                spent.append(((model, upstream), grant, counts * sign * int(credits)))
    off: dict[int, tuple[str, Fraction]] = {}
    for grants in _chunks(sorted({grant for _, grant, _ in spent})):
        off |= _off(grants)
    for key, grant, credits in spent:
        if key in sums and grant in off:
            currency, difference = off[grant]
            sums[key].brought[currency] += credits * difference


# An image's hold, by what ended it: spent, or returned after that. The hold's lines say which credits they were.
_FROM = """
    FROM billing_creditentry e
    {hold}
    JOIN generator_generation g ON g.public_id = substr(h.reference, {behind})
    LEFT JOIN generator_attempt a ON a.id = (
        SELECT max(d.id) FROM generator_attempt d WHERE d.generation_id = g.id AND d.state = 'drawn'
    )
"""
_WHERE = """
    WHERE e.kind = %s AND e.created_at >= %s AND e.created_at < %s
        AND h.kind = 'hold' AND h.reference LIKE 'generation:%%'
"""
_IMAGES = f"SELECT g.image_model_id, a.upstream_id, count(*) {_FROM} {_WHERE} GROUP BY 1, 2"
_SPENT = f"""
    SELECT g.image_model_id, a.upstream_id, p.currency, p.amount, c.amount, sum(-l.amount) {_FROM}
    JOIN billing_creditline l ON l.entry_id = h.id
    JOIN billing_creditgrant c ON c.id = l.grant_id
    LEFT JOIN billing_payment p ON p.grant_id = c.id {_WHERE}
    GROUP BY 1, 2, 3, 4, 5
"""
_SPENT_OF = f"""
    SELECT g.image_model_id, a.upstream_id, l.grant_id, sum(-l.amount) {_FROM}
    JOIN billing_creditline l ON l.entry_id = h.id {_WHERE} AND l.grant_id IN ({{grants}})
    GROUP BY 1, 2, 3
"""
_HOLD = "JOIN billing_creditentry h ON h.id ="
_ENDS = (
    (1, f"{_HOLD} e.of_id", Kind.SETTLE.value),
    (-1, f"JOIN billing_creditentry s ON s.id = e.of_id AND s.kind = 'settle' {_HOLD} s.of_id", Kind.RELEASE.value),
)


def _read(sql: str, hold: str, kind: str, since: datetime, until: datetime, grants: Iterable[int] = ()) -> list[Any]:
    times = CreditEntry._meta.get_field("created_at")
    bounds = [times.get_db_prep_value(time, connection) for time in (since, until)]
    places = ", ".join(["%s"] * len(grants := list(grants)))
    with connection.cursor() as cursor:
        cursor.execute(sql.format(hold=hold, behind=len(_PREFIX) + 1, grants=places), [kind, *bounds, *grants])
        rows: list[Any] = cursor.fetchall()
    return rows


def _chunks(grants: list[int]) -> Iterator[list[int]]:
    return (grants[at : at + CHUNK] for at in range(0, len(grants), CHUNK))


def _touched() -> list[int]:
    """Return the grants whose credits may be worth something else than what they were sold for."""
    # Written out, for SQLite does not know of a bound value that it is that of an index's condition.
    paid_back = Payment.objects.extra(where=["billing_payment.refunded > 0"])
    paid_back = paid_back.filter(grant__isnull=False).order_by()
    lost = Dispute.objects.filter(status=LOST, payment__grant__isnull=False).order_by()
    claimed = Refund.objects.order_by().values_list("grant", flat=True)
    return sorted(
        {*paid_back.values_list("grant", flat=True), *lost.values_list("payment__grant", flat=True), *claimed}
    )


def _off(grants: list[int]) -> dict[int, tuple[str, Fraction]]:
    """Return by how much a credit of each grant is worth more than it was sold for; those of which it is not, not."""
    taken = dict(
        CreditLine.objects.filter(
            Q(entry__refund__isnull=False)
            | Q(entry__dispute__status=LOST)
            | Q(entry__of__refund__isnull=False)
            | Q(entry__of__dispute__status=LOST),
            grant__in=grants,
            entry__kind__in=[Kind.CLAW_BACK, Kind.RESTORE],
        )
        .order_by()
        .values_list("grant")
        .annotate(Sum("amount"))
    )
    payments = list(Payment.objects.filter(grant__in=grants).select_related("grant"))
    lost = dict(
        Dispute.objects.filter(payment__in=payments, status=LOST)
        .order_by()
        .values_list("payment")
        .annotate(Sum("amount"))
    )
    return dict(_differences(payments, taken, lost))


def _differences(
    payments: list[Payment], taken: dict[int, int], lost: dict[int, int]
) -> Iterator[tuple[int, tuple[str, Fraction]]]:
    for payment in payments:
        assert payment.grant
        kept = max(0, payment.amount - payment.refunded - lost.get(payment.pk, 0))
        now = _a_credit(kept, payment.currency, payment.grant.amount + taken.get(payment.grant.pk, 0))
        sold = _a_credit(payment.amount, payment.currency, payment.grant.amount)
        if now != sold:
            yield payment.grant.pk, (payment.currency.upper(), now - sold)


def _a_credit(amount: int, currency: str, credits: int) -> Fraction:
    """Return what one of so many credits is worth that so many minor units were paid for."""
    return Fraction(money.major(amount, currency)) / credits if credits > 0 else Fraction(0)


def _words(amounts: dict[str, Fraction]) -> dict[str, str]:
    return {code: str(amount) for code, amount in amounts.items()}
