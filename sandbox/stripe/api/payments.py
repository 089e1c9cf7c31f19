"""What was paid, returned and disputed, to be read and now and then changed; and the events that tell of it."""

from __future__ import annotations

from sandbox.stripe.engine import disputes, refunds
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, merge_metadata
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Params

calls = Calls()


@calls.post(
    "/v1/refunds",
    "amount:1.. charge metadata payment_intent reason=duplicate|fraudulent|requested_by_customer",
)
def _refund(world: World, _: str, params: Params) -> Obj:
    amount, reason, metadata = params.get("amount"), params.get("reason"), params.get("metadata") or {}
    return refunds.refund(world, _charge(world, params), amount=amount, reason=reason, metadata=metadata)


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


@calls.post(
    "/v1/disputes/{id}",
    "evidence{uncategorized_text:20000 product_description} metadata submit:flag",
    of="dispute",
)
def _update_dispute(world: World, dispute: Obj, params: Params) -> Obj:
    with world.changing(dispute, "charge.dispute.updated"):
        if "metadata" in params:
            merge_metadata(dispute, params["metadata"])
        dispute["evidence"] |= params.get("evidence") or {}
    if params.get("submit"):
        disputes.submit(world, dispute)
    return dispute


calls.reads("payment_intent", "/v1/payment_intents", "created:range customer")
calls.updates("payment_intent", "/v1/payment_intents", "description metadata")
calls.reads("charge", "/v1/charges", "created:range customer payment_intent")
calls.updates("charge", "/v1/charges", "description metadata", "charge.updated")
calls.reads("refund", "/v1/refunds", "created:range charge payment_intent")
calls.updates("refund", "/v1/refunds", "metadata", "refund.updated", "charge.refund.updated")
calls.reads("dispute", "/v1/disputes", "created:range charge payment_intent")
calls.post("/v1/disputes/{id}/close", of="dispute")(lambda world, dispute, _: disputes.close(world, dispute, won=False))
calls.reads("payment_method", "/v1/payment_methods", "customer type=card|us_bank_account")
calls.on("GET", "/v1/balance_transactions/{id}", of="balance_transaction")(lambda world, transaction, _: transaction)
calls.reads("event", "/v1/events", "created:range type types[20]", at={"types": "type"})
