"""/v1/customers."""

from __future__ import annotations

from sandbox.stripe.engine import subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.objects import people
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Call, Filter, assign, get, listing, post
from sandbox.stripe.wire.params import Fields, Group, Many, Metadata, Params, Text

_FIELDS: Fields = {
    "address": Group({name: Text() for name in people.NO_ADDRESS}),
    "description": Text(),
    "email": Text(longest=512),
    "invoice_settings": Group({"default_payment_method": Text()}),
    "metadata": Metadata(),
    "name": Text(longest=256),
    "phone": Text(longest=20),
    "preferred_locales": Many(Text()),
    "tax_exempt": Text(("exempt", "none", "reverse")),
}


def _create(world: World, _: str, params: Params) -> Obj:
    customer = people.customer(created=world.now())
    _change(world, customer, params)
    return world.add(customer, "customer.created")


def _update(world: World, identity: str, params: Params) -> Obj:
    customer = world.get("customer", identity)
    with world.changing(customer, "customer.updated"):
        _change(world, customer, params)
    return customer


def _delete(world: World, identity: str, _: Params) -> Obj:
    customer = world.get("customer", identity)
    for subscription in world.all("subscription", customer=identity):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.end(world, subscription, reason="cancellation_requested")
    world.tell(world.get("customer", identity), "customer.deleted")
    world.store.delete(identity)
    return {"id": identity, "object": customer["object"], "deleted": True}


def _change(world: World, customer: Obj, params: Params) -> None:
    address = params.pop("address", None)
    settings = params.pop("invoice_settings", None) or {}
    if address is not None:
        customer["address"] = {**people.NO_ADDRESS, **(customer["address"] or {}), **address}
    if method := settings.get("default_payment_method"):
        world.get("payment_method", method, param="invoice_settings[default_payment_method]")
    customer["invoice_settings"] |= settings
    assign(customer, params)


CALLS = [
    post("/v1/customers", _create, _FIELDS),
    listing("customer", "/v1/customers", {"email": Filter(Text(), "email")}),
    get("customer", "/v1/customers/{id}"),
    post("/v1/customers/{id}", _update, _FIELDS),
    Call("DELETE", "/v1/customers/{id}", _delete, {}),
]
