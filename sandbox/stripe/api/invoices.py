"""/v1/invoices and /v1/invoice_payments."""

from __future__ import annotations

from sandbox.stripe.engine import payments, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, whole
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Params

calls = Calls()


@calls.on("GET", "/v1/invoices/{id}/lines", "limit:1..100 starting_after", of="invoice")
def _lines(world: World, invoice: Obj, params: Params) -> Obj:
    return whole(invoice["lines"]["data"], params, invoice["lines"]["url"])


@calls.post("/v1/invoices/{id}/pay", "payment_method", of="invoice")
def _pay(world: World, invoice: Obj, params: Params) -> Obj:
    if invoice["status"] != "open":
        raise InvalidRequest(f"Invoice is already {invoice['status']}.", code="invoice_not_editable")
    chosen = params.get("payment_method")
    method = world.get("payment_method", chosen, param="payment_method") if chosen else None
    if subscriptions.pay(world, invoice, method) is Outcome.DECLINED and method is not None:
        raise payments.declined(payments.test_method(method).refusal)
    return world.get("invoice", invoice["id"])


calls.reads(
    "invoice",
    "/v1/invoices",
    "created:range customer status=draft|open|paid|uncollectible|void subscription",
    at={"subscription": "parent.subscription_details.subscription"},
)
calls.reads(
    "invoice_payment",
    "/v1/invoice_payments",
    "created:range invoice status=canceled|open|paid payment{type=payment_intent! payment_intent}",
)
