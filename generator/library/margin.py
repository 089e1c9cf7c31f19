"""What images brought and what they cost, per model and upstream: from the books and the tries, exactly.

A credit is worth what it was sold for: what is left of its payment after refunds and lost disputes, shared among the
credits that these left. Credits that nobody paid for are worth nothing. An image counts when it was paid, one whose
credits staff returned counts against when they did; a try counts when it ended, however it ended. Nothing is converted:
each currency has its own sums, and so have the credits of an upstream. Days that are over are kept (`margin_days`).
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from fractions import Fraction

from django.db.models import Min
from django.utils import timezone

from billing.models import BooksDay, CreditEntry
from generator.library import margin_days
from generator.library.margin_days import Sums
from generator.models import DEFAULT_MODEL, Attempt, ImageModel, Upstream

Money = dict[str, Decimal]
DAY = timedelta(days=1)
PLACES = Decimal("0.000001")


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


@dataclass(frozen=True)
class Report:
    """The rows of some time, and how many of its days are not in them yet."""

    rows: list[Row]
    uncounted: int


def report(since: datetime, until: datetime, patience: float | None = None) -> Report:
    """Return the sums of the time from `since` to before `until`, the models in their order, then the upstreams.

    Days that are kept are read, all else is counted now, the latest first, for so many seconds of `patience`: what is
    left by then is in no sum.
    """
    sums, uncounted = _sums(since, until, patience)
    models = {model.pk: model for model in ImageModel.objects.all()}
    upstreams = {upstream.pk: upstream for upstream in Upstream.objects.all()}
    # An image from before there were others names none.
    default = next((model.pk for model in models.values() if model.slug == DEFAULT_MODEL), None)
    named = Sums()
    for (model_id, upstream_id), part in sums.items():
        named.add(Sums({(model_id or default, upstream_id): part}))
    places = {pk: place for place, pk in enumerate(models)} | {None: len(models)}
    others = {pk: place for place, pk in enumerate(upstreams)} | {None: len(upstreams)}
    rows = []
    for key in sorted(named, key=lambda key: (places[key[0]], others[key[1]])):
        model, upstream = models.get(key[0] or 0), upstreams.get(key[1] or 0)
        rows.append(_row(model.slug if model else "", upstream.slug if upstream else "", named[key]))
    return Report(rows, uncounted)


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


Span = tuple[datetime, datetime]


def _sums(since: datetime, until: datetime, patience: float | None) -> tuple[Sums, int]:
    """Return the sums, and how many days are not in them."""
    sums, spans = Sums(), list(_spans(since, until))
    days = [begin.date() for begin, end in spans if end - begin == DAY]
    kept = dict(BooksDay.objects.filter(day__in=days, margin__isnull=False).values_list("day", "margin"))
    for told in kept.values():
        sums.add(margin_days.sums_of(told or []))
    missing = [(begin, end) for begin, end in spans if end - begin < DAY or begin.date() not in kept]
    last = None if patience is None else time.monotonic() + patience
    while missing and (last is None or time.monotonic() < last):
        sums.add(margin_days.count(*missing.pop()))
    margin_days.put_right(sums, since, until, without=_joined(missing))
    return sums, len(missing)


def _spans(since: datetime, until: datetime) -> Iterator[Span]:
    """Yield the days of a time, in UTC, as far as each is in it; but none before anything happened, none to come."""
    firsts = (
        CreditEntry.objects.aggregate(t=Min("created_at"))["t"],
        Attempt.objects.filter(ended_at__isnull=False).aggregate(t=Min("ended_at"))["t"],
    )
    first = min((each for each in firsts if each), default=until)
    begin = max(since, datetime.combine(first.astimezone(UTC), clock(), UTC))
    until = min(until, timezone.now() + DAY)
    while begin < until:
        end = min(datetime.combine(begin.astimezone(UTC), clock(), UTC) + DAY, until)
        yield begin, end
        begin = end


def _joined(spans: list[Span]) -> list[Span]:
    """Return the same time in as few spans as can be."""
    joined: list[Span] = []
    for begin, end in spans:
        if joined and joined[-1][1] == begin:
            begin = joined.pop()[0]
        joined.append((begin, end))
    return joined


def _row(model: str, upstream: str, part: margin_days.Part) -> Row:
    return Row(
        model,
        upstream,
        images=part.images,
        credits=part.credits,
        tries=part.tries,
        brought={code: _rounded(amount) for code, amount in part.brought.items()},
        cost={code: Decimal(micros).scaleb(-6) for code, micros in part.costs.items() if code},
        their_credits=Decimal(part.costs.get("", 0)).scaleb(-6),
        unknown=part.unknown,
    )


def _rounded(amount: Fraction) -> Decimal:
    return (Decimal(amount.numerator) / amount.denominator).quantize(PLACES)
