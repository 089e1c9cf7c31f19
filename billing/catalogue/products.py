"""Plans and credit packs, and their Stripe products and prices."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from billing import gateway
from billing.models import Pack, Plan, StripePrice, Wallet
from billing.shapes import Price

Product = Plan | Pack


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
    """Return the key by which Stripe finds the product's current price."""
    return f"reveweb_{'plan' if isinstance(product, Plan) else 'pack'}_{product.slug}"


def current_price(product: Product) -> StripePrice:
    """Return the price that the product sells at now, made at Stripe if it is not there yet.

    Raises PaymentUnavailable, PaymentRefused.
    """
    at_this_price = product.stripe_prices.filter(retired_at=None, amount=product.price, currency=product.currency)
    return at_this_price.order_by("-id").first() or _sync(product)[0]


def product_of(price_id: str) -> Product | None:
    """Return what a Stripe price sells, also one that is no longer current."""
    price = StripePrice.objects.select_related("plan", "pack").filter(stripe_id=price_id).first()
    return (price.plan or price.pack) if price else None


def sync() -> Iterator[Change]:
    """Bring every active product with a price to Stripe; again and again, with the same result.

    A changed price becomes a new Stripe price that takes over the lookup key; subscribers keep theirs. Raises
    PaymentUnavailable, PaymentRefused.
    """
    products: list[Product] = [*Plan.objects.filter(active=True, price__gt=0), *Pack.objects.filter(active=True)]
    for product in products:
        yield Change(product, _sync(product)[1])


def _sync(product: Product) -> tuple[StripePrice, str]:
    kind = "plan" if isinstance(product, Plan) else "pack"
    key = lookup_key(product)
    found = gateway.find_prices(key)
    stripe_product = product.stripe_product_id or (found[0]["product"] if found else "")
    stripe_product = gateway.upsert_product(
        stripe_product, name=product.name, metadata={"reveweb": kind, "slug": product.slug}
    )
    type(product).objects.filter(pk=product.pk).update(stripe_product_id=stripe_product)
    if found and (found[0]["unit_amount"], found[0]["currency"]) == (product.price, product.currency):
        return _known(product, found[0]), f"{found[0]['id']} is up to date"
    params: gateway.PriceParams = {
        "product": stripe_product,
        "unit_amount": product.price,
        "currency": product.currency,
        "lookup_key": key,
        "transfer_lookup_key": True,
    }
    if isinstance(product, Plan):
        params["recurring"] = {"interval": product.interval}
    price = gateway.create_price(params)
    if found:
        gateway.retire_price(found[0]["id"])
        StripePrice.objects.filter(stripe_id=found[0]["id"]).update(retired_at=timezone.now())
        return _known(product, price), f"{price['id']} replaces {found[0]['id']}"
    return _known(product, price), f"{price['id']} is new"


def _known(product: Product, price: Price) -> StripePrice:
    owner = {"plan": product} if isinstance(product, Plan) else {"pack": product}
    values = {**owner, "amount": price["unit_amount"], "currency": price["currency"]}
    return StripePrice.objects.get_or_create(stripe_id=price["id"], defaults=values)[0]
