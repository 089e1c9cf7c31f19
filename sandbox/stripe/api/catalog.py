"""/v1/products and /v1/prices."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, assign
from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter
from sandbox.stripe.wire.params import Params

_PRODUCT = """
    active:flag description images[8] marketing_features[15]{name!} metadata statement_descriptor:22 tax_code
    unit_label:12 url
"""
_PRICE = """
    active:flag lookup_key:200 metadata nickname tax_behavior=exclusive|inclusive|unspecified transfer_lookup_key:flag
"""
calls = Calls()


@calls.post("/v1/products", f"{_PRODUCT} id name!")
def _create_product(world: World, _: str, params: Params) -> Obj:
    identity = params.pop("id", None)
    if identity and world.store.find(identity):
        raise InvalidRequest("Product already exists.", code="resource_already_exists", param="id")
    product = world.new("product", id=identity, name=params["name"])
    assign(product, params)
    return world.add(product, "product.created")


@calls.post("/v1/products/{id}", f"{_PRODUCT} name default_price", of="product")
def _update_product(world: World, product: Obj, params: Params) -> Obj:
    if params.get("default_price"):
        world.get("price", params["default_price"], param="default_price")
    with world.changing(product, "product.updated"):
        assign(product, params)
        product["updated"] = world.now()
    return product


@calls.post(
    "/v1/prices",
    f"""{_PRICE} currency:3! product product_data{{name! metadata id}} unit_amount:0..
    recurring{{interval=day|week|month|year! interval_count:1..156}}""",
)
def _create_price(world: World, _: str, params: Params) -> Obj:
    if "unit_amount" not in params:
        raise MissingParameter("unit_amount")
    product, amount, recurring = _product_of(world, params), params.pop("unit_amount"), params.pop("recurring", None)
    if recurring:
        often = {"meter": None, "trial_period_days": None, "usage_type": "licensed"}
        recurring = {**recurring, "interval_count": recurring.get("interval_count") or 1, **often}
    price = world.new(
        "price",
        product=product,
        currency=params.pop("currency").lower(),
        amount=amount,
        decimal=str(amount),
        recurring=recurring,
        type="recurring" if recurring else "one_time",
    )
    _take_lookup_key(world, price, params)
    assign(price, params)
    return world.add(price, "price.created")


@calls.post("/v1/prices/{id}", _PRICE, of="price")
def _update_price(world: World, price: Obj, params: Params) -> Obj:
    with world.changing(price, "price.updated"):
        _take_lookup_key(world, price, params)
        assign(price, params)
    return price


def _product_of(world: World, params: Params) -> str:
    data = params.pop("product_data", None)
    identity = params.pop("product", None)
    if bool(data) == bool(identity):
        raise InvalidRequest("You must specify either `product` or `product_data` when creating a price.")
    product = _create_product(world, "", data) if data else world.get("product", identity, param="product")
    return str(product["id"])


def _take_lookup_key(world: World, price: Obj, params: Params) -> None:
    """A lookup key names one price; with `transfer_lookup_key` it moves here from the price that has it."""
    transfer = params.pop("transfer_lookup_key", False)
    key = params.get("lookup_key")
    for holder in world.all("price", lookup_key=key) if key else []:
        if holder["id"] == price["id"]:
            continue
        if not transfer:
            raise InvalidRequest(f"A price (`{holder['id']}`) already uses that lookup key.", param="lookup_key")
        world.change(holder, "price.updated", lookup_key=None)


calls.reads("product", "/v1/products", "created:range active:flag ids[]", at={"ids": "id"})
calls.reads(
    "price",
    "/v1/prices",
    "created:range active:flag currency lookup_keys[10] product type=one_time|recurring",
    at={"lookup_keys": "lookup_key"},
)
