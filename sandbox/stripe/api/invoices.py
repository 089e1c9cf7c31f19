"""/v1/invoices and /v1/invoice_payments."""

from __future__ import annotations

from sandbox.stripe.engine import payments, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome
from sandbox.stripe.state.store import Obj, Query
from sandbox.stripe.wire.calls import PAGE, Call, Filter, get, listing, page, post, whole
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Group, Params, Text


def _lines(world: World, identity: str, params: Params) -> Obj:
    invoice = world.get("invoice", identity)
    return whole(invoice["lines"]["data"], params, f"/v1/invoices/{identity}/lines")


def _pay(world: World, identity: str, params: Params) -> Obj:
    invoice = world.get("invoice", identity)
    if invoice["status"] != "open":
        raise InvalidRequest(f"Invoice is already {invoice['status']}.", code="invoice_not_editable")
    chosen = params.get("payment_method")
    method = world.get("payment_method", chosen, param="payment_method") if chosen else None
    if subscriptions.pay(world, invoice, method) is Outcome.DECLINED and method is not None:
        raise payments.declined(payments.test_method(method).refusal)
    return world.get("invoice", identity)


def _payments(world: World, _: str, params: Params) -> Obj:
    where = {name: params[name] for name in ("invoice", "status") if params.get(name)}
    if intent := (params.get("payment") or {}).get("payment_intent"):
        where["payment.payment_intent"] = intent
    return page(world, Query("invoice_payment", where, params.get("created") or {}), params, "/v1/invoice_payments")


CALLS = [
    listing(
        "invoice",
        "/v1/invoices",
        {
            "customer": Filter(Text(), "customer"),
            "status": Filter(Text(("draft", "open", "paid", "uncollectible", "void")), "status"),
            "subscription": Filter(Text(), "parent.subscription_details.subscription"),
        },
    ),
    get("invoice", "/v1/invoices/{id}"),
    post("/v1/invoices/{id}/pay", _pay, {"payment_method": Text()}),
    Call("GET", "/v1/invoices/{id}/lines", _lines, {name: PAGE[name] for name in ("limit", "starting_after")}),
    Call(
        "GET",
        "/v1/invoice_payments",
        _payments,
        {
            **PAGE,
            "invoice": Text(),
            "status": Text(("canceled", "open", "paid")),
            "payment": Group({"type": Text(("payment_intent",), required=True), "payment_intent": Text()}),
        },
    ),
    get("invoice_payment", "/v1/invoice_payments/{id}"),
]
