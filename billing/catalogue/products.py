"""Plans and credit packs, and their Stripe products and prices.

What is sold is sold at a `Price`, a row that says amount, currency, interval and credits and is never edited. A plan or
pack that an operator changes gets a new one; whoever bought or subscribed at the old one keeps its terms.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from django.utils import timezone

from billing import gateway, identity, shapes
from billing.models import Pack, Plan, Price, StripeAccount, Wallet

Product = Plan | Pack
DAYS = {"day": 1, "week": 7, "month": 30, "year": 360}  # of Stripe's intervals: twelve months are a year


@dataclass(frozen=True)
class Change:
    """What `sync` did about one product."""

    product: Product
    words: str


def free_plan() -> Plan | None:
    """Return the plan of people who have no other."""
    return Plan.objects.filter(price=0, active=True).order_by("order").first()


def plan_of(wallet: Wallet) -> Plan | None:
    """Return the wallet's plan: the free one if none is set, None if an operator removed that."""
    return wallet.plan or free_plan()


def lookup_key(product: Product) -> str:
    """Return what the product and its current price are called at Stripe, where other installations may sell too."""
    return f"{identity.installation()}_{_kind(product)}_{product.slug}"


def current_price(product: Product) -> Price:
    """Return the price that the product sells at now, made at Stripe if it is not there yet.

    Raises PaymentUnavailable, PaymentRefused.
    """
    account = identity.account()
    return _at_these_terms(product, account) or _sync(product, account)[0]


def sold_at(price: shapes.Price) -> Price | None:
    """Return the terms of one of Stripe's prices, whether it is current or not; None for one that is none of ours.

    One that was made at Stripe by hand is known by its product: it brings the credits that its metadata says, else what
    the plan or pack brings now, which is written down and holds from then on.
    """
    known = Price.objects.select_related("plan", "pack").filter(stripe_id=price["id"]).first()
    if known:
        return known
    ours = Price.objects.select_related("plan", "pack").filter(stripe_product_id=price["product"])
    sibling = ours.exclude(stripe_product_id="").order_by("-id").first()
    return _written_down(price, sibling) if sibling else None


def sold_under(price_id: str) -> Price | None:
    """Return what `sold_at` does for a price of which only the id is at hand.

    Stripe is asked about one that we don't know: no transaction may be open. Raises PaymentUnavailable.
    """
    known = Price.objects.select_related("plan", "pack").filter(stripe_id=price_id).first()
    return known or (sold_at(gateway.retrieve_price(price_id)) if price_id else None)


def sync() -> Iterator[Change]:
    """Bring every active product with a price to Stripe; again and again, with the same result.

    What was changed or archived there is mended. Raises PaymentUnavailable, PaymentRefused.
    """
    products: list[Product] = [*Plan.objects.filter(active=True, price__gt=0), *Pack.objects.filter(active=True)]
    account = identity.account()
    for product in products:
        yield Change(product, _sync(product, account)[1])


def mend(product: Product) -> bool:
    """Bring one product to Stripe as `sync` does, and tell whether anything was different there.

    Raises PaymentUnavailable, PaymentRefused.
    """
    price, words = _sync(product, identity.account())
    return words != f"{price.stripe_id} is up to date"


def _kind(product: Product) -> str:
    return "plan" if isinstance(product, Plan) else "pack"


def _terms(product: Product) -> dict[str, object]:
    """Return what `product` is sold at today."""
    interval = product.interval if isinstance(product, Plan) else ""
    return {
        "amount": product.price,
        "currency": product.currency,
        "interval": interval,
        "credits": product.credits,
    }


def _at_these_terms(product: Product, account: StripeAccount) -> Price | None:
    prices = product.prices.select_related("plan", "pack", "account")
    return prices.filter(account=account, retired_at=None, **_terms(product)).order_by("-id").first()


def _sync(product: Product, account: StripeAccount) -> tuple[Price, str]:
    home, mended = _home(product, account)
    earlier = list(product.prices.filter(account=account, retired_at=None).order_by("id"))
    current = _at_these_terms(product, account)
    there = _as_sold(current, home) if current else None
    if current is None or there is None:
        current = _made(product, account, home)
        words = f"replaces {earlier[-1].stripe_id}" if earlier else "is new"
    elif there["active"]:
        words = "is up to date"
    else:
        gateway.offer_price(current.stripe_id, active=True)
        words = "was archived at Stripe and is sold again"
    for price in earlier:
        if price != current:
            _retire(price)
    return current, f"{current.stripe_id} {words}{mended}"


def _home(product: Product, account: StripeAccount) -> tuple[str, str]:
    """Return the id of what `product` is at Stripe, made or mended if need be, and in words what was mended."""
    wanted = {"reveweb": _kind(product), "slug": product.slug, "installation": identity.installation()}
    known = product.prices.filter(account=account).exclude(stripe_product_id="").order_by("-id").first()
    there = _product_there(known.stripe_product_id) if known else None
    if there is None:
        return gateway.create_product(name=product.name, metadata=wanted)["id"], ""
    changes = {
        "its name was changed": there["name"] != product.name,
        "its product was archived at Stripe and is sold again": not there["active"],
        "its product says whose it is": any(there["metadata"].get(name) != value for name, value in wanted.items()),
    }
    done = [words for words, changed in changes.items() if changed]
    if done:
        gateway.mend_product(there["id"], name=product.name, metadata=wanted)
    return there["id"], "".join(f", {words}" for words in done)


def _product_there(product_id: str) -> shapes.Product | None:
    try:
        return gateway.retrieve_product(product_id)
    except gateway.PaymentRefused:  # it is not there any more
        return None


def _as_sold(price: Price, home: str) -> shapes.Price | None:
    """Return a price as it stands at Stripe if it charges what our row says, for the product `home`."""
    try:
        there = gateway.retrieve_price(price.stripe_id)
    except gateway.PaymentRefused:  # it is not there any more
        return None
    rhythm = there["recurring"]
    every = (rhythm["interval"], rhythm["interval_count"]) if rhythm else ("", 1)
    charged = (there["product"], there["unit_amount"], there["currency"], every)
    return there if charged == (home, price.amount, price.currency, (price.interval, 1)) else None


def _made(product: Product, account: StripeAccount, home: str) -> Price:
    key = lookup_key(product)
    params: gateway.PriceParams = {
        "product": home,
        "unit_amount": product.price,
        "currency": product.currency,
        "lookup_key": key,
        "transfer_lookup_key": True,
        "metadata": {
            "reveweb": _kind(product),
            "slug": product.slug,
            "installation": identity.installation(),
            "credits": str(product.credits),
        },
    }
    if isinstance(product, Plan):
        params["recurring"] = {"interval": product.interval}
    price = gateway.create_price(params)
    return _row(price, product, account, **_terms(product))


def _retire(price: Price) -> None:
    """Sell at this price no longer."""
    with contextlib.suppress(gateway.PaymentRefused):  # it is not there any more
        gateway.offer_price(price.stripe_id, active=False)
    Price.objects.filter(pk=price.pk).update(retired_at=timezone.now())


def _written_down(price: shapes.Price, sibling: Price) -> Price:
    """Write down a price that was made at Stripe by hand. Nothing is sold at it here."""
    told = price["metadata"].get("credits", "")
    rhythm = price["recurring"]
    return _row(
        price,
        sibling.product,
        sibling.account,
        amount=price["unit_amount"] or 0,
        currency=price["currency"],
        interval=rhythm["interval"] if rhythm else "",
        credits=int(told) if told.isdecimal() and len(told) < 10 else _credits_now(sibling.product, rhythm),
        retired_at=timezone.now(),
    )


def _credits_now(product: Product, rhythm: shapes.Recurring | None) -> int:
    """Return what `product` brings today, for a period of that length if it recurs."""
    if rhythm is None or not isinstance(product, Plan) or product.interval not in DAYS:
        return product.credits
    periods = Fraction(DAYS[rhythm["interval"]] * rhythm["interval_count"], DAYS[product.interval])
    return max(1, round(product.credits * periods))


def _row(price: shapes.Price, product: Product, account: StripeAccount, **terms: object) -> Price:
    owner = {"plan": product} if isinstance(product, Plan) else {"pack": product}
    values = {**owner, **terms, "stripe_product_id": price["product"], "account": account}
    return Price.objects.get_or_create(stripe_id=price["id"], defaults=values)[0]
