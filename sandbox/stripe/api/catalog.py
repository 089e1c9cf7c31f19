"""/v1/products and /v1/prices."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.objects import catalog
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Filter, assign, get, listing, post
from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter
from sandbox.stripe.wire.params import Fields, Flag, Group, Integer, Many, Metadata, Params, Text

_PRODUCT: Fields = {
    "active": Flag(),
    "description": Text(),
    "images": Many(Text(), most=8),
    "marketing_features": Many(Group({"name": Text(required=True)}), most=15),
    "metadata": Metadata(),
    "name": Text(),
    "statement_descriptor": Text(longest=22),
    "tax_code": Text(),
    "unit_label": Text(longest=12),
    "url": Text(),
}
_PRICE: Fields = {
    "active": Flag(),
    "lookup_key": Text(longest=200),
    "metadata": Metadata(),
    "nickname": Text(),
    "tax_behavior": Text(("exclusive", "inclusive", "unspecified")),
    "transfer_lookup_key": Flag(),
}
_INTERVALS = ("day", "week", "month", "year")


def _create_product(world: World, _: str, params: Params) -> Obj:
    identity = params.pop("id", None)
    if identity and world.store.find(identity):
        raise InvalidRequest("Product already exists.", code="resource_already_exists", param="id")
    product = catalog.product(name=params["name"], identity=identity, created=world.now())
    assign(product, params)
    return world.add(product, "product.created")


def _update_product(world: World, identity: str, params: Params) -> Obj:
    product = world.get("product", identity)
    if params.get("default_price"):
        world.get("price", params["default_price"], param="default_price")
    with world.changing(product, "product.updated"):
        assign(product, params)
        product["updated"] = world.now()
    return product


def _create_price(world: World, _: str, params: Params) -> Obj:
    if "unit_amount" not in params:
        raise MissingParameter("unit_amount")
    product = _product_of(world, params)
    price = catalog.price(
        product=product,
        currency=params.pop("currency").lower(),
        unit_amount=params.pop("unit_amount"),
        recurring=params.pop("recurring", None),
        created=world.now(),
    )
    _take_lookup_key(world, price, params)
    assign(price, params)
    return world.add(price, "price.created")


def _product_of(world: World, params: Params) -> str:
    data = params.pop("product_data", None)
    identity = params.pop("product", None)
    if bool(data) == bool(identity):
        raise InvalidRequest("You must specify either `product` or `product_data` when creating a price.")
    if not data:
        return str(world.get("product", identity, param="product")["id"])
    return str(_create_product(world, "", data)["id"])


def _update_price(world: World, identity: str, params: Params) -> Obj:
    price = world.get("price", identity)
    with world.changing(price, "price.updated"):
        _take_lookup_key(world, price, params)
        assign(price, params)
    return price


def _take_lookup_key(world: World, price: Obj, params: Params) -> None:
    """A lookup key names one price; with `transfer_lookup_key` it moves here from the price that has it."""
    transfer = params.pop("transfer_lookup_key", False)
    key = params.get("lookup_key")
    if not key:
        return
    for holder in world.all("price", lookup_key=key):
        if holder["id"] == price["id"]:
            continue
        if not transfer:
            raise InvalidRequest(f"A price (`{holder['id']}`) already uses that lookup key.", param="lookup_key")
        with world.changing(holder, "price.updated"):
            holder["lookup_key"] = None


CALLS = [
    post("/v1/products", _create_product, {**_PRODUCT, "id": Text(), "name": Text(required=True)}),
    listing("product", "/v1/products", {"active": Filter(Flag(), "active"), "ids": Filter(Many(Text()), "id")}),
    get("product", "/v1/products/{id}"),
    post("/v1/products/{id}", _update_product, {**_PRODUCT, "default_price": Text()}),
    post(
        "/v1/prices",
        _create_price,
        {
            **_PRICE,
            "currency": Text(required=True, longest=3),
            "product": Text(),
            "product_data": Group({"name": Text(required=True), "metadata": Metadata(), "id": Text()}),
            "unit_amount": Integer(least=0),
            "recurring": Group(
                {"interval": Text(_INTERVALS, required=True), "interval_count": Integer(least=1, most=156)}
            ),
        },
    ),
    listing(
        "price",
        "/v1/prices",
        {
            "active": Filter(Flag(), "active"),
            "currency": Filter(Text(), "currency"),
            "lookup_keys": Filter(Many(Text(), most=10), "lookup_key"),
            "product": Filter(Text(), "product"),
            "type": Filter(Text(("one_time", "recurring")), "type"),
        },
    ),
    get("price", "/v1/prices/{id}"),
    post("/v1/prices/{id}", _update_price, _PRICE),
]
