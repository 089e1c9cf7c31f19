"""/v1/refunds."""

from __future__ import annotations

from sandbox.stripe.engine import refunds
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Filter, assign, get, listing, post
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Integer, Metadata, Params, Text


def _create(world: World, _: str, params: Params) -> Obj:
    return refunds.refund(
        world,
        _charge(world, params),
        amount=params.get("amount"),
        reason=params.get("reason"),
        metadata=params.get("metadata") or {},
    )


def _charge(world: World, params: Params) -> Obj:
    if params.get("charge"):
        return world.get("charge", params["charge"], param="charge")
    if not params.get("payment_intent"):
        raise InvalidRequest(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    intent = world.get("payment_intent", params["payment_intent"], param="payment_intent")
    if not intent["latest_charge"]:
        raise InvalidRequest(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", param="payment_intent"
        )
    return world.get("charge", intent["latest_charge"])


def _update(world: World, identity: str, params: Params) -> Obj:
    refund = world.get("refund", identity)
    with world.changing(refund, "refund.updated", "charge.refund.updated"):
        assign(refund, params)
    return refund


CALLS = [
    post(
        "/v1/refunds",
        _create,
        {
            "amount": Integer(least=1),
            "charge": Text(),
            "metadata": Metadata(),
            "payment_intent": Text(),
            "reason": Text(("duplicate", "fraudulent", "requested_by_customer")),
        },
    ),
    listing(
        "refund",
        "/v1/refunds",
        {"charge": Filter(Text(), "charge"), "payment_intent": Filter(Text(), "payment_intent")},
    ),
    get("refund", "/v1/refunds/{id}"),
    post("/v1/refunds/{id}", _update, {"metadata": Metadata()}),
]
