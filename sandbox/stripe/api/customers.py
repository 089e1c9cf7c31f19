"""/v1/customers."""

from __future__ import annotations

from sandbox.stripe.engine import payments, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.objects import ADDRESS
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, assign
from sandbox.stripe.wire.params import Params

_FIELDS = f"""
    address{{{" ".join(ADDRESS)}}} description email:512 invoice_settings{{default_payment_method}} metadata name:256
    phone:20 preferred_locales[] tax_exempt=exempt|none|reverse
"""
calls = Calls()


@calls.post("/v1/customers", _FIELDS)
def _create(world: World, _: str, params: Params) -> Obj:
    customer = payments.new_customer(world)
    _change(world, customer, params)
    return world.add(customer, "customer.created")


@calls.post("/v1/customers/{id}", _FIELDS, of="customer")
def _update(world: World, customer: Obj, params: Params) -> Obj:
    with world.changing(customer, "customer.updated"):
        _change(world, customer, params)
    return customer


@calls.on("DELETE", "/v1/customers/{id}", of="customer")
def _delete(world: World, customer: Obj, _: Params) -> Obj:
    for subscription in world.all("subscription", customer=customer["id"]):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.end(world, subscription)
    world.tell(world.get("customer", customer["id"]), "customer.deleted")
    world.store.delete(customer["id"])
    return {"id": customer["id"], "object": "customer", "deleted": True}


def _change(world: World, customer: Obj, params: Params) -> None:
    address = params.pop("address", None)
    settings = params.pop("invoice_settings", None) or {}
    if address is not None:
        customer["address"] = {**dict.fromkeys(ADDRESS), **(customer["address"] or {}), **address}
    if method := settings.get("default_payment_method"):
        world.get("payment_method", method, param="invoice_settings[default_payment_method]")
    customer["invoice_settings"] |= settings
    assign(customer, params)


calls.reads("customer", "/v1/customers", "created:range email")
