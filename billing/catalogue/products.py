"""Plans and credit packs, and their Stripe products and prices."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from billing import gateway, identity, shapes
from billing.models import Pack, Plan, Price, StripeAccount, Wallet

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


def current_price(product: Product) -> Price:
    """Return the price that the product sells at now, made at Stripe if it is not there yet.

    Raises PaymentUnavailable, PaymentRefused.
    """
    account = identity.account()
    at_these_terms = product.prices.filter(account=account, retired_at=None, **_terms(product))
    return at_these_terms.order_by("-id").first() or _sync(product, account)[0]


def product_of(price_id: str) -> Product | None:
    """Return what a Stripe price sells, also one that is no longer current."""
    price = Price.objects.select_related("plan", "pack").filter(stripe_id=price_id).first()
    return (price.plan or price.pack) if price else None


def sync() -> Iterator[Change]:
    """Bring every active product with a price to Stripe; again and again, with the same result.

    A changed price becomes a new Stripe price that takes over the lookup key; subscribers keep theirs. Raises
    PaymentUnavailable, PaymentRefused.
    """
    products: list[Product] = [*Plan.objects.filter(active=True, price__gt=0), *Pack.objects.filter(active=True)]
    account = identity.account()
    for product in products:
        yield Change(product, _sync(product, account)[1])


def _terms(product: Product) -> dict[str, object]:
    """Return what `product` is sold at today."""
    interval = product.interval if isinstance(product, Plan) else ""
    return {
        "amount": product.price,
        "currency": product.currency,
        "interval": interval,
        "credits": product.credits,
    }


def _sync(product: Product, account: StripeAccount) -> tuple[Price, str]:
    kind = "plan" if isinstance(product, Plan) else "pack"
    key = lookup_key(product)
    found = gateway.find_prices(key)
    earlier = product.prices.filter(account=account).exclude(stripe_product_id="").order_by("-id").first()
    stripe_product = earlier.stripe_product_id if earlier else (found[0]["product"] if found else "")
    stripe_product = gateway.upsert_product(
        stripe_product, name=product.name, metadata={"reveweb": kind, "slug": product.slug}
    )
    known = Price.objects.filter(stripe_id=found[0]["id"], **_terms(product)).first() if found else None
    if known:
        return known, f"{known.stripe_id} is up to date"
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
        Price.objects.filter(stripe_id=found[0]["id"]).update(retired_at=timezone.now())
        return _written(product, price, account), f"{price['id']} replaces {found[0]['id']}"
    return _written(product, price, account), f"{price['id']} is new"


def _written(product: Product, price: shapes.Price, account: StripeAccount) -> Price:
    owner = {"plan": product} if isinstance(product, Plan) else {"pack": product}
    values = {**owner, **_terms(product), "stripe_product_id": price["product"], "account": account}
    return Price.objects.get_or_create(stripe_id=price["id"], defaults=values)[0]
