"""Charging: an intent is confirmed with a payment method and succeeds, fails, waits, or wants its payer."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """How confirming an intent ended; `refusal` says why it didn't succeed."""

    outcome: Outcome
    refusal: Refusal | None = None


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


def new_intent(
    world: World, *, amount: int, currency: str, customer: str | None, description: str | None, metadata: Obj
) -> Obj:
    """Return a new intent for `amount` minor units."""
    about = {"customer": customer, "description": description, "metadata": metadata, "token": ids.token(24)}
    intent = world.new("payment_intent", amount=amount, currency=currency, **about)
    return world.add(intent, "payment_intent.created")


def confirm(world: World, intent: Obj, method: Obj, *, payer_present: bool) -> Attempt:
    """Charge the intent; what follows from the outcome is the caller's."""
    test = test_method(method)
    outcome = test.now if payer_present else test.later
    if outcome is Outcome.NEEDS_ACTION:
        return _ask(world, intent, method)
    details = part(f"charge.{test.type}", test=test, year=expiry_year(world.now()))
    charge = world.add(world.new("charge", intent=intent, method=method, details=details))
    intent |= {"latest_charge": charge["id"], "payment_method": method["id"], "payment_method_types": [test.type]}
    intent["next_action"] = None
    if outcome is Outcome.PENDING:
        return _wait(world, intent, charge)
    if outcome is Outcome.DECLINED:
        fail(world, intent, charge, test.refusal)
        return Attempt(outcome, test.refusal)
    succeed(world, intent, charge)
    return Attempt(outcome)


def succeed(world: World, intent: Obj, charge: Obj) -> None:
    """The money came."""
    captured = {"paid": True, "captured": True, "amount_captured": charge["amount"]}
    world.change(charge, "charge.succeeded", status="succeeded", outcome=part("charge.approved"), **captured)
    received = {"amount_received": intent["amount"], "last_payment_error": None, "processing": None}
    world.change(intent, "payment_intent.succeeded", status="succeeded", **received)


def fail(world: World, intent: Obj, charge: Obj, refusal: Refusal) -> None:
    """The bank said no; the intent can be tried again."""
    with world.changing(charge, "charge.failed"):
        charge |= {"status": "failed", "failure_code": refusal.code, "failure_message": refusal.message}
        charge["outcome"] = part("charge.declined", refusal=refusal)
    method = world.get("payment_method", charge["payment_method"])
    with world.changing(intent, "payment_intent.payment_failed"):
        intent |= {"status": "requires_payment_method", "payment_method": None, "processing": None}
        intent["last_payment_error"] = part(
            "payment_intent.error", refusal=refusal, charge=charge["id"], method=public(world.store, method)
        )


def _wait(world: World, intent: Obj, charge: Obj) -> Attempt:
    world.tell(charge, "charge.pending")
    world.change(intent, "payment_intent.processing", status="processing")
    world.store.set_timer("settle", intent["id"], world.now() + SETTLES_AFTER)
    return Attempt(Outcome.PENDING)


def _ask(world: World, intent: Obj, method: Obj) -> Attempt:
    refusal = test_method(method).refusal
    with world.changing(intent, "payment_intent.requires_action"):
        intent |= {"status": "requires_action", "payment_method": method["id"]}
        intent["next_action"] = {
            "redirect_to_url": {"return_url": None, "url": f"{world.url}/stripe/"},
            "type": "redirect_to_url",
        }
    return Attempt(Outcome.NEEDS_ACTION, refusal)


def declined(refusal: Refusal) -> CardDeclined:
    """Return the error that a declined charge is answered with."""
    return CardDeclined(refusal.message, code=refusal.code, extra={"decline_code": refusal.decline_code})
