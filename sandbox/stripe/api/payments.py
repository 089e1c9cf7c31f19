"""/v1/payment_intents, /v1/charges, /v1/payment_methods and /v1/balance_transactions, to be read."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Filter, assign, get, listing, post
from sandbox.stripe.wire.params import Metadata, Params, Text


def _update_intent(world: World, identity: str, params: Params) -> Obj:
    intent = world.get("payment_intent", identity)
    assign(intent, params)
    world.store.update(intent)
    return intent


def _update_charge(world: World, identity: str, params: Params) -> Obj:
    charge = world.get("charge", identity)
    with world.changing(charge, "charge.updated"):
        assign(charge, params)
    return charge


CALLS = [
    listing("payment_intent", "/v1/payment_intents", {"customer": Filter(Text(), "customer")}),
    get("payment_intent", "/v1/payment_intents/{id}"),
    post("/v1/payment_intents/{id}", _update_intent, {"description": Text(), "metadata": Metadata()}),
    listing(
        "charge",
        "/v1/charges",
        {"customer": Filter(Text(), "customer"), "payment_intent": Filter(Text(), "payment_intent")},
    ),
    get("charge", "/v1/charges/{id}"),
    post("/v1/charges/{id}", _update_charge, {"description": Text(), "metadata": Metadata()}),
    listing(
        "payment_method",
        "/v1/payment_methods",
        {"customer": Filter(Text(), "customer"), "type": Filter(Text(("card", "us_bank_account")), "type")},
        dated=False,
    ),
    get("payment_method", "/v1/payment_methods/{id}"),
    get("balance_transaction", "/v1/balance_transactions/{id}"),
]
