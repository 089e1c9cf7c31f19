"""What images brought and what they cost, per model and upstream: from the books and the tries, exactly.

A credit is worth what it was sold for: what is left of its payment after refunds and lost disputes, shared among the
credits that these left. Credits that nobody paid for are worth nothing. An image counts when it was paid, one whose
credits staff returned counts against when they did; a try counts when it ended, however it ended. Nothing is converted:
each currency has its own sums, and so have the credits of an upstream.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from billing.catalogue import money
from billing.models import CreditEntry, CreditLine, Dispute, Payment
from generator.models import DEFAULT_MODEL, Attempt, ImageModel, Upstream

Kind = CreditEntry.Kind
Money = dict[str, Decimal]
CHUNK = 500  # grants that are asked for at once
PLACES = Decimal("0.000001")
LOST = "lost"  # Stripe's word for a dispute whose money is gone
_PREFIX = "generation:"  # of a hold's reference


@dataclass
class Row:
    """The sums of one model at one upstream; of neither is known what was drawn before tries were kept."""

    model: str
    upstream: str
    images: int = 0
    credits: int = 0
    tries: int = 0
    brought: Money = field(default_factory=dict)
    cost: Money = field(default_factory=dict)
    their_credits: Decimal = Decimal(0)
    unknown: int = 0  # tries that drew, and whose cost nobody noted

    @property
    def currencies(self) -> list[str]:
        return sorted(self.brought.keys() | self.cost.keys())

    @property
    def margin(self) -> Money:
        """What is left, in each currency; what was paid in another one is not in it."""
        none = Decimal(0)
        return {code: self.brought.get(code, none) - self.cost.get(code, none) for code in self.currencies}


def report(since: datetime, until: datetime) -> list[Row]:
    """Return the sums of the time from `since` to before `until`, the models in their order, then the upstreams."""
    models = {model.pk: model for model in ImageModel.objects.all()}
    upstreams = {upstream.pk: upstream for upstream in Upstream.objects.all()}
    # An image from before there were others names none.
    default = next((model.pk for model in models.values() if model.slug == DEFAULT_MODEL), None)
    rows: dict[tuple[int | None, int | None], Row] = {}

    def row(model_id: int | None, upstream_id: int | None) -> Row:
        key = model_id or default, upstream_id
        if key not in rows:
            model, upstream = models.get(key[0] or 0), upstreams.get(upstream_id or 0)
            rows[key] = Row(model.slug if model else "", upstream.slug if upstream else "")
        return rows[key]

    spent = list(_spent(since, until))
    worth = _worth({each.grant for each in spent})
    brought: dict[int, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for each in spent:
        of = row(each.model, each.upstream)
        of.credits += each.credits
        if each.grant in worth:
            currency, value = worth[each.grant]
            brought[id(of)][currency] += each.credits * value
    for of in rows.values():
        of.brought = {currency: _rounded(sum_) for currency, sum_ in brought[id(of)].items()}
    for model_id, upstream_id, images in _images(since, until):
        row(model_id, upstream_id).images += images
    for tries in _tries(since, until):
        of = row(tries["generation__image_model"], tries["upstream"])
        of.tries += tries["tries"]
        of.unknown += tries["unknown"]
        cost = Decimal(tries["micros"] or 0).scaleb(-6)
        if tries["cost_currency"]:
            code = tries["cost_currency"].upper()
            of.cost[code] = of.cost.get(code, Decimal(0)) + cost
        else:
            of.their_credits += cost
    places = {pk: place for place, pk in enumerate(models)} | {None: len(models)}
    others = {pk: place for place, pk in enumerate(upstreams)} | {None: len(upstreams)}
    return [rows[key] for key in sorted(rows, key=lambda key: (places[key[0]], others[key[1]]))]


def total(rows: Iterable[Row]) -> Row:
    """Return the sum of `rows`. Credits of different upstreams are not added up: their sum means nothing."""
    whole = Row("", "")
    for each in rows:
        whole.images += each.images
        whole.credits += each.credits
        whole.tries += each.tries
        whole.unknown += each.unknown
        for mine, theirs in ((whole.brought, each.brought), (whole.cost, each.cost)):
            for code, amount in theirs.items():
                mine[code] = mine.get(code, Decimal(0)) + amount
    return whole


@dataclass(frozen=True)
class _Spent:
    model: int | None
    upstream: int | None
    grant: int
    credits: int


# An image's hold, by what ended it: spent, or returned after that. The hold's lines say which credits they were.
_ENDED = """
    SELECT g.image_model_id, a.upstream_id, {what}
    FROM billing_creditentry e
    JOIN billing_creditentry h ON h.id = {hold}
    JOIN generator_generation g ON g.public_id = substr(h.reference, {behind})
    LEFT JOIN generator_attempt a ON a.id = (
        SELECT max(d.id) FROM generator_attempt d WHERE d.generation_id = g.id AND d.state = 'drawn'
    )
    {lines}
    WHERE e.kind = %s AND e.created_at >= %s AND e.created_at < %s
        AND h.kind = 'hold' AND h.reference LIKE 'generation:%%'
    GROUP BY g.image_model_id, a.upstream_id{grouped}
"""
_OF_SPENT = {"hold": "e.of_id"}
_OF_RETURNED = {"hold": "(SELECT s.of_id FROM billing_creditentry s WHERE s.id = e.of_id AND s.kind = 'settle')"}


def _spent(since: datetime, until: datetime) -> Iterator[_Spent]:
    """Yield the credits of each grant that were spent; those that came back count against it."""
    columns = {
        "what": "l.grant_id, sum(-l.amount)",
        "lines": "JOIN billing_creditline l ON l.entry_id = h.id",
        "grouped": ", l.grant_id",
    }
    for model, upstream, grant, credits in _read(_OF_SPENT | columns, Kind.SETTLE, since, until):
        yield _Spent(model, upstream, grant, int(credits))
    for model, upstream, grant, credits in _read(_OF_RETURNED | columns, Kind.RELEASE, since, until):
        yield _Spent(model, upstream, grant, -int(credits))


def _images(since: datetime, until: datetime) -> Iterator[tuple[int | None, int | None, int]]:
    """Yield how many images were paid; those whose credits came back count against it."""
    columns = {"what": "count(*)", "lines": "", "grouped": ""}
    yield from _read(_OF_SPENT | columns, Kind.SETTLE, since, until)
    for model, upstream, images in _read(_OF_RETURNED | columns, Kind.RELEASE, since, until):
        yield model, upstream, -images


def _read(parts: dict[str, str], kind: Kind, since: datetime, until: datetime) -> list[Any]:
    field_ = CreditEntry._meta.get_field("created_at")
    times = [field_.get_db_prep_value(time, connection) for time in (since, until)]
    with connection.cursor() as cursor:
        cursor.execute(_ENDED.format(behind=len(_PREFIX) + 1, **parts), [kind.value, *times])
        rows: list[Any] = cursor.fetchall()
    return rows


def _tries(since: datetime, until: datetime) -> Iterable[Any]:
    ended = Attempt.objects.annotate(at=Coalesce("ended_at", "started_at")).filter(at__gte=since, at__lt=until)
    costs_nobody_knows = Count("pk", filter=Q(state=Attempt.State.DRAWN, cost_micros=None))
    grouped = ended.order_by().values("generation__image_model", "upstream", "cost_currency")
    return grouped.annotate(tries=Count("pk"), micros=Sum("cost_micros"), unknown=costs_nobody_knows)


def _worth(grants: set[int]) -> dict[int, tuple[str, Fraction]]:
    """Return what one credit of each grant was sold for, by currency; those that nobody paid for are not in it."""
    found: dict[int, tuple[str, Fraction]] = {}
    ordered = sorted(grants)
    for chunk in (ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)):
        taken = dict(
            CreditLine.objects.filter(
                Q(entry__refund__isnull=False)
                | Q(entry__dispute__status=LOST)
                | Q(entry__of__refund__isnull=False)
                | Q(entry__of__dispute__status=LOST),
                grant__in=chunk,
                entry__kind__in=[Kind.CLAW_BACK, Kind.RESTORE],
            )
            .order_by()
            .values_list("grant")
            .annotate(Sum("amount"))
        )
        payments = Payment.objects.filter(grant__in=chunk).select_related("grant")
        lost = dict(
            Dispute.objects.filter(payment__in=payments, status=LOST)
            .order_by()
            .values_list("payment")
            .annotate(Sum("amount"))
        )
        for payment in payments:
            assert payment.grant
            kept = max(0, payment.amount - payment.refunded - lost.get(payment.pk, 0))
            credits = payment.grant.amount + taken.get(payment.grant.pk, 0)
            value = Fraction(money.major(kept, payment.currency)) / credits if credits > 0 else Fraction(0)
            found[payment.grant.pk] = payment.currency.upper(), value
    return found


def _rounded(amount: Fraction) -> Decimal:
    return (Decimal(amount.numerator) / amount.denominator).quantize(PLACES)
