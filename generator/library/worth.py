"""What a credit brings, by the plans and packs on sale, and what a price in credits leaves of it at each route."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing.catalogue import money
from billing.models import Pack, Plan
from generator.models import ImageModel, Operation, Route
from generator.upstreams import costs


@dataclass(frozen=True)
class Worth:
    """The least and the most that a credit is sold for in a currency, and of what."""

    currency: str
    least: Fraction
    least_of: str
    most: Fraction
    most_of: str


@dataclass(frozen=True)
class Preview:
    """What a price leaves at one route, in words. `loses` tells that it brings less than it costs somewhere."""

    route: Route
    cost: str
    leaves: str
    loses: bool


def of_a_credit() -> list[Worth]:
    """Return what a credit is sold for at present, in each currency."""
    offers: dict[str, list[tuple[Fraction, str]]] = {}
    products: Iterable[Plan | Pack] = [
        *Plan.objects.filter(active=True, price__gt=0, credits__gt=0),
        *Pack.objects.filter(active=True, price__gt=0, credits__gt=0),
    ]
    for product in products:
        value = Fraction(money.major(product.price, product.currency)) / product.credits
        offers.setdefault(product.currency.upper(), []).append((value, product.name))
    return [Worth(currency, *min(each), *max(each)) for currency, each in sorted(offers.items())]


def preview(model: ImageModel, operation: Operation, credits: int) -> list[Preview]:
    """Return what `credits` for an image leave at each route that is in use."""
    worth = {each.currency: each for each in of_a_credit()}
    routes = Route.objects.filter(model=model, operation=operation, is_active=True).select_related("upstream")
    return [_preview(route, credits, worth) for route in routes.order_by("upstream__priority", "pk")]


def words_of(worth: Worth) -> str:
    """Say what a credit is sold for: $0.08 (Pro) to $0.10 USD (100 credits)."""
    least, most = (costs.figure(_rounded(value), worth.currency) for value in (worth.least, worth.most))
    if worth.least == worth.most:
        return f"{least}, by {worth.least_of}"
    return f"{least}, by {worth.least_of}, to {most}, by {worth.most_of}"


def _preview(route: Route, credits: int, worth: dict[str, Worth]) -> Preview:
    if route.cost_micros is None:
        return Preview(route, "Not noted", "Note on the route what a job costs there, and it is reckoned here.", False)
    cost = costs.worded(route.cost_micros, route.cost_currency)
    if not route.cost_currency:
        return Preview(
            route, cost, "Its own credits are no money here: compare them with what it asks for them.", False
        )
    sold = worth.get(route.cost_currency.upper())
    if sold is None:
        return Preview(
            route, cost, f"Nothing is sold in {route.cost_currency.upper()}, so it can’t be compared.", False
        )
    paid = Fraction(route.cost_micros, costs.MICROS)
    least, most = (credits * value - paid for value in (sold.least, sold.most))
    words = " to ".join(
        dict.fromkeys(
            _left(left, credits * value, sold.currency) for left, value in ((least, sold.least), (most, sold.most))
        )
    )
    return Preview(route, cost, words, least < 0)


def _left(left: Fraction, price: Fraction, currency: str) -> str:
    share = f" ({round(left / price * 100)} %)" if price else ""
    return f"{costs.figure(_rounded(left), currency)}{share}".replace("(-", "(−")


def _rounded(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / value.denominator).quantize(Decimal("0.0001"))
