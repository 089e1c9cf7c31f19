"""Charging: an intent is confirmed with a payment method and succeeds, fails, waits, or wants its payer."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import METHODS, Outcome, Refusal, TestMethod
from sandbox.stripe.objects import expiry_year, part
from sandbox.stripe.state import ids
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from sandbox.stripe.state.views import public
from sandbox.stripe.wire.errors import CardDeclined

SETTLES_AFTER = 3 * DAY
"""Simulated seconds until a bank debit is known to have succeeded or failed."""


def new_customer(world: World) -> Obj:
    """Return a customer about whom nothing is known yet."""
    return world.new("customer", prefix=ids.token(8).upper())


def test_method(method: Obj) -> TestMethod:
    """Return the test method behind a payment method."""
    return METHODS[method["_method"]]


def save_method(world: World, test: TestMethod, *, customer: Obj | None) -> Obj:
    """Return a new payment method, attached to the customer if there is one."""
    method = world.new(
        "payment_method",
        test=test,
        details=part(f"payment_method.{test.type}", test=test, year=expiry_year(world.now())),
        customer=customer["id"] if customer else None,
        email=customer["email"] if customer else None,
        redisplay="limited" if customer else "unspecified",
    )
    return world.add(method, *(["payment_method.attached"] if customer else []))


def new_intent(world: World, **given: Any) -> Obj:
    """Return a new intent: `amount` in minor units, `currency`, the `customer`'s id, `description`, `metadata`."""
    return world.add(world.new("payment_intent", token=ids.token(24), **given), "payment_intent.created")


def confirm(world: World, intent: Obj, method: Obj, *, payer_present: bool) -> Outcome:
    """Charge the intent; what follows from the outcome is the caller's."""
    test = test_method(method)
    outcome = test.now if payer_present else test.later
    if outcome is Outcome.NEEDS_ACTION:
        redirect = {"redirect_to_url": {"return_url": None, "url": f"{world.url}/stripe/"}, "type": "redirect_to_url"}
        asked = {"status": "requires_action", "payment_method": method["id"], "next_action": redirect}
        world.change(intent, "payment_intent.requires_action", **asked)
        return outcome
    details = part(f"charge.{test.type}", test=test, year=expiry_year(world.now()))
    charge = world.add(world.new("charge", intent=intent, method=method, details=details))
    intent |= {"latest_charge": charge["id"], "payment_method": method["id"], "payment_method_types": [test.type]}
    intent["next_action"] = None
    if outcome is Outcome.PENDING:
        world.tell(charge, "charge.pending")
        world.change(intent, "payment_intent.processing", status="processing")
        world.store.set_timer("settle", intent["id"], world.now() + SETTLES_AFTER)
    elif outcome is Outcome.DECLINED:
        fail(world, intent, charge, test.refusal)
    else:
        succeed(world, intent, charge)
    return outcome


def succeed(world: World, intent: Obj, charge: Obj) -> None:
    """The money came."""
    captured = {"paid": True, "captured": True, "amount_captured": charge["amount"]}
    world.change(charge, "charge.succeeded", status="succeeded", outcome=part("charge.approved"), **captured)
    received = {"amount_received": intent["amount"], "last_payment_error": None, "processing": None}
    world.change(intent, "payment_intent.succeeded", status="succeeded", **received)


def fail(world: World, intent: Obj, charge: Obj, refusal: Refusal) -> None:
    """The bank said no; the intent can be tried again."""
    why = {"failure_code": refusal.code, "failure_message": refusal.message}
    world.change(charge, "charge.failed", status="failed", outcome=part("charge.declined", refusal=refusal), **why)
    method = public(world.store, world.get("payment_method", charge["payment_method"]))
    error = part("payment_intent.error", refusal=refusal, charge=charge["id"], method=method)
    failed = {"payment_method": None, "processing": None, "last_payment_error": error}
    world.change(intent, "payment_intent.payment_failed", status="requires_payment_method", **failed)


def declined(refusal: Refusal) -> CardDeclined:
    """Return the error that a declined charge is answered with."""
    return CardDeclined(refusal.message, code=refusal.code, decline_code=refusal.decline_code)
