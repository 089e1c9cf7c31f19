"""What an operator can make happen. Paths are under /sandbox/stripe; bodies are JSON, or a panel's form."""

from __future__ import annotations

from sandbox.stripe.api import webhook_endpoints
from sandbox.stripe.engine import checkout, disputes, refunds, subscriptions, time_machine, wallet
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import METHODS, TestMethod, named
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire import troubles
from sandbox.stripe.wire.calls import Calls
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Params
from sandbox.stripe.wire.troubles import Trouble

_REASONS = (
    "bank_cannot_process|credit_not_processed|duplicate|fraudulent|general|product_not_received|product_unacceptable|"
    "subscription_canceled|unrecognized"
)
ACTIONS = Calls()


@ACTIONS.post("/clock/advance", "days:0.. seconds:0..")
def _advance(world: World, _: str, params: Params) -> Obj:
    seconds = (params.get("days") or 0) * DAY + (params.get("seconds") or 0)
    happened = time_machine.advance(world, seconds)
    return {"now": world.now(), "advanced": seconds, "happened": happened}


@ACTIONS.post("/subscriptions/{id}/renew", of="subscription")
def _renew(world: World, subscription: Obj, _: Params) -> Obj:
    """Turn the clock to the end of the subscription's period; whatever else is due by then happens too."""
    _refuse(subscription, not _runs(subscription))
    end = subscription["items"]["data"][0]["current_period_end"]
    time_machine.advance(world, max(0, end - world.now()))
    return world.get("subscription", subscription["id"])


@ACTIONS.post("/subscriptions/{id}/pause", of="subscription")
def _pause(world: World, subscription: Obj, _: Params) -> Obj:
    _refuse(subscription, not _runs(subscription))
    return subscriptions.pause(world, subscription)


@ACTIONS.post("/subscriptions/{id}/resume", of="subscription")
def _resume(world: World, subscription: Obj, _: Params) -> Obj:
    _refuse(subscription, subscription["status"] != "paused")
    subscriptions.resume(world, subscription)
    return world.get("subscription", subscription["id"])


@ACTIONS.post("/checkout/{id}/pay", "method email", of="checkout.session")
def _pay_session(world: World, session: Obj, params: Params) -> Obj:
    email = params.get("email") or (session["customer_details"] or {}).get("email") or session["customer_email"]
    method = _test_method(params.get("method") or "4242424242424242")
    refusal = checkout.pay(world, session, method, email=email or "payer@example.com")
    outcome = {"paid": refusal is None, "message": refusal.message if refusal else ""}
    return {"session": session["id"], **outcome, "redirect": checkout.return_address(session)}


@ACTIONS.post("/checkout/{id}/expire", of="checkout.session")
def _expire_session(world: World, session: Obj, _: Params) -> Obj:
    _refuse(session, session["status"] != "open")
    return checkout.expire(world, session)


@ACTIONS.post("/payment_intents/{id}/settle", "succeeded:flag!", of="payment_intent")
def _settle(world: World, intent: Obj, params: Params) -> Obj:
    return time_machine.settle(world, intent, succeeded=params["succeeded"])


@ACTIONS.post("/customers/{id}/card", "number! pay:flag", of="customer")
def _set_card(world: World, customer: Obj, params: Params) -> Obj:
    method = wallet.replace_method(world, customer, _test_method(params["number"]))
    outcomes = wallet.pay_open_invoices(world, customer) if params.get("pay", True) else []
    return {"payment_method": method["id"], "outcomes": [outcome.value for outcome in outcomes]}


@ACTIONS.post("/invoices/{id}/pay", of="invoice")
def _pay_invoice(world: World, invoice: Obj, _: Params) -> Obj:
    _refuse(invoice, invoice["status"] != "open")
    return {"invoice": invoice["id"], "outcome": subscriptions.pay(world, invoice, None).value}


@ACTIONS.post(
    "/charges/{id}/refund",
    "amount:1.. fails:flag reason=duplicate|fraudulent|requested_by_customer",
    of="charge",
)
def _refund(world: World, charge: Obj, params: Params) -> Obj:
    reason = params.get("reason") or "requested_by_customer"
    refund = refunds.refund(world, charge, amount=params.get("amount"), reason=reason, metadata={})
    return refunds.fail(world, refund) if params.get("fails") else refund


@ACTIONS.post(
    "/charges/{id}/dispute",
    f"amount:1.. inquiry:flag reason={_REASONS}",
    of="charge",
)
def _dispute(world: World, charge: Obj, params: Params) -> Obj:
    reason, inquiry = params.get("reason") or "fraudulent", bool(params.get("inquiry"))
    return disputes.open_dispute(world, charge, inquiry=inquiry, reason=reason, amount=params.get("amount"))


@ACTIONS.post("/api/fail", "times:0..10000 status=429|500|503 performed:flag kept:flag seconds:0..600")
def _fail_calls(world: World, _: str, params: Params) -> Obj:
    """Let API calls fail: before or after they did their work, at once or after `seconds`, for their key or not."""
    times = params.get("times", 1)
    trouble = Trouble(
        status=int(params.get("status") or 500),
        performed=bool(params.get("performed")),
        kept=bool(params.get("kept")),
        seconds=params.get("seconds") or 0,
    )
    troubles.plan(world.store, trouble, times=times)
    return {"failing": times}


ACTIONS.post("/refunds/{id}/fail", of="refund")(lambda world, refund, _: refunds.fail(world, refund))
ACTIONS.post("/disputes/{id}/submit", of="dispute")(lambda world, dispute, _: disputes.submit(world, dispute))
ACTIONS.post("/disputes/{id}/escalate", of="dispute")(lambda world, dispute, _: disputes.escalate(world, dispute))
ACTIONS.post("/disputes/{id}/close", "won:flag", of="dispute")(
    lambda world, dispute, params: disputes.close(world, dispute, won=bool(params.get("won")))
)


@ACTIONS.post("/reset")
def _reset(world: World, _: str, __: Params) -> Obj:
    world.store.erase()
    webhook_endpoints.follow_environment(world)
    return {"reset": True}


def _runs(subscription: Obj) -> bool:
    return subscription["status"] not in subscriptions.ENDED | {"paused"}


def _refuse(obj: Obj, wrong: bool) -> None:
    if wrong:
        kind = obj["object"].replace(".", " ").capitalize()
        raise InvalidRequest(f"{kind} {obj['id']} is {obj['status']}.")


def _test_method(number: str) -> TestMethod:
    """Return the test method with this number. Raises InvalidRequest: a real card number has no business here."""
    method = named(number)
    if method is None:
        known = ", ".join(METHODS)
        raise InvalidRequest(
            f"Not a test card. The sandbox knows: {known}. Never enter a real card number here.", param="number"
        )
    return method
