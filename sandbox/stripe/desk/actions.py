"""What an operator can make happen. Paths are under /sandbox/stripe; bodies are JSON, or a panel's form."""

from __future__ import annotations

from sandbox.stripe.api import webhook_endpoints
from sandbox.stripe.engine import checkout, disputes, refunds, subscriptions, time_machine, wallet
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import METHODS, Refusal, TestMethod, named
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire import troubles
from sandbox.stripe.wire.calls import Call, post
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Flag, Integer, Params, Text
from sandbox.stripe.wire.troubles import Trouble

_REASONS = (
    "bank_cannot_process",
    "credit_not_processed",
    "duplicate",
    "fraudulent",
    "general",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)


def test_method(number: str) -> TestMethod:
    """Return the test method with this number. Raises InvalidRequest: a real card number has no business here."""
    method = named(number)
    if method is None:
        raise InvalidRequest(
            f"Not a test card. The sandbox knows: {', '.join(METHODS)}. Never enter a real card number here.",
            param="number",
        )
    return method


def _advance(world: World, _: str, params: Params) -> Obj:
    seconds = (params.get("days") or 0) * DAY + (params.get("seconds") or 0)
    happened = time_machine.advance(world, seconds)
    return {"now": world.now(), "advanced": seconds, "happened": happened}


def _renew(world: World, identity: str, _: Params) -> Obj:
    """Turn the clock to the end of the subscription's period; whatever else is due by then happens too."""
    subscription = world.get("subscription", identity)
    if subscription["status"] in subscriptions.ENDED | {"paused"}:
        raise InvalidRequest(f"Subscription {identity} is {subscription['status']}.")
    end = subscription["items"]["data"][0]["current_period_end"]
    time_machine.advance(world, max(0, end - world.now()))
    return world.get("subscription", identity)


def _pause(world: World, identity: str, _: Params) -> Obj:
    subscription = world.get("subscription", identity)
    if subscription["status"] in subscriptions.ENDED | {"paused"}:
        raise InvalidRequest(f"Subscription {identity} is {subscription['status']}.")
    subscriptions.pause(world, subscription)
    return subscription


def _resume(world: World, identity: str, _: Params) -> Obj:
    subscription = world.get("subscription", identity)
    if subscription["status"] != "paused":
        raise InvalidRequest(f"Subscription {identity} is {subscription['status']}, not paused.")
    subscriptions.resume(world, subscription)
    return world.get("subscription", identity)


def _pay_session(world: World, identity: str, params: Params) -> Obj:
    session = world.get("checkout.session", identity)
    method = test_method(params.get("method") or "4242424242424242")
    email = params.get("email") or (session["customer_details"] or {}).get("email") or session["customer_email"]
    refusal = checkout.pay(world, session, method, email=email or "payer@example.com")
    return {"session": identity, **paid_or_refused(refusal), "redirect": checkout.return_address(session)}


def paid_or_refused(refusal: Refusal | None) -> Obj:
    """Return how a payment went, for a person."""
    return {"paid": refusal is None, "message": refusal.message if refusal else ""}


def _expire_session(world: World, identity: str, _: Params) -> Obj:
    session = world.get("checkout.session", identity)
    if session["status"] != "open":
        raise InvalidRequest(f"This checkout session is {session['status']}.")
    checkout.expire(world, session)
    return session


def _settle(world: World, identity: str, params: Params) -> Obj:
    intent = world.get("payment_intent", identity)
    time_machine.settle(world, intent, succeeded=params["succeeded"])
    return intent


def _set_card(world: World, identity: str, params: Params) -> Obj:
    customer = world.get("customer", identity)
    method = wallet.replace_method(world, customer, test_method(params["number"]))
    outcomes = wallet.pay_open_invoices(world, customer) if params.get("pay", True) else []
    return {"payment_method": method["id"], "outcomes": [outcome.value for outcome in outcomes]}


def _pay_invoice(world: World, identity: str, _: Params) -> Obj:
    invoice = world.get("invoice", identity)
    if invoice["status"] != "open":
        raise InvalidRequest(f"Invoice {identity} is {invoice['status']}.")
    outcome = subscriptions.pay(world, invoice, None)
    return {"invoice": identity, "outcome": outcome.value}


def _refund(world: World, identity: str, params: Params) -> Obj:
    charge = world.get("charge", identity)
    reason = params.get("reason") or "requested_by_customer"
    refund = refunds.refund(world, charge, amount=params.get("amount"), reason=reason, metadata={})
    return refunds.fail(world, refund) if params.get("fails") else refund


def _fail_refund(world: World, identity: str, _: Params) -> Obj:
    return refunds.fail(world, world.get("refund", identity))


def _dispute(world: World, identity: str, params: Params) -> Obj:
    return disputes.open_dispute(
        world,
        world.get("charge", identity),
        inquiry=bool(params.get("inquiry")),
        reason=params.get("reason") or "fraudulent",
        amount=params.get("amount"),
    )


def _close_dispute(world: World, identity: str, params: Params) -> Obj:
    return disputes.close(world, world.get("dispute", identity), won=bool(params.get("won")))


def _submit_dispute(world: World, identity: str, _: Params) -> Obj:
    dispute = world.get("dispute", identity)
    disputes.submit(world, dispute)
    return dispute


def _escalate_dispute(world: World, identity: str, _: Params) -> Obj:
    return disputes.escalate(world, world.get("dispute", identity))


def _fail_calls(world: World, _: str, params: Params) -> Obj:
    """Let API calls fail, before or after they did their work."""
    times = params.get("times", 1)
    trouble = Trouble(status=int(params.get("status") or 500), performed=bool(params.get("performed")))
    troubles.plan(world.store, trouble, times=times)
    return {"failing": times}


def _reset(world: World, _: str, __: Params) -> Obj:
    world.store.erase()
    webhook_endpoints.follow_environment(world)
    return {"reset": True}


ACTIONS: list[Call] = [
    post("/clock/advance", _advance, {"days": Integer(least=0), "seconds": Integer(least=0)}),
    post("/subscriptions/{id}/renew", _renew, {}),
    post("/subscriptions/{id}/pause", _pause, {}),
    post("/subscriptions/{id}/resume", _resume, {}),
    post("/checkout/{id}/pay", _pay_session, {"method": Text(), "email": Text()}),
    post("/checkout/{id}/expire", _expire_session, {}),
    post("/payment_intents/{id}/settle", _settle, {"succeeded": Flag(required=True)}),
    post("/customers/{id}/card", _set_card, {"number": Text(required=True), "pay": Flag()}),
    post("/invoices/{id}/pay", _pay_invoice, {}),
    post(
        "/charges/{id}/refund",
        _refund,
        {
            "amount": Integer(least=1),
            "fails": Flag(),
            "reason": Text(("duplicate", "fraudulent", "requested_by_customer")),
        },
    ),
    post("/refunds/{id}/fail", _fail_refund, {}),
    post("/charges/{id}/dispute", _dispute, {"amount": Integer(least=1), "inquiry": Flag(), "reason": Text(_REASONS)}),
    post("/disputes/{id}/close", _close_dispute, {"won": Flag()}),
    post("/disputes/{id}/submit", _submit_dispute, {}),
    post("/disputes/{id}/escalate", _escalate_dispute, {}),
    post(
        "/api/fail",
        _fail_calls,
        {"times": Integer(least=0, most=100), "status": Text(("429", "500", "503")), "performed": Flag()},
    ),
    post("/reset", _reset, {}),
]
