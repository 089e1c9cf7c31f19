"""Time passes: what is due happens in order, each at its own moment, whether the clock is turned or simply runs."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.stripe.engine import checkout, invoices, payments, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome
from sandbox.stripe.state.store import Obj, Timer
from sandbox.stripe.wire.errors import InvalidRequest

_LONGEST = 10 * 366 * 86_400


def advance(world: World, seconds: int) -> int:
    """Turn the clock forward and let all that falls due happen; return how many things did. Raises InvalidRequest."""
    if not 0 <= seconds <= _LONGEST:
        raise InvalidRequest(f"The clock turns forward only, by at most {_LONGEST} seconds.", param="seconds")
    happened = run_due(world, world.now() + seconds)
    world.clock.advance(seconds)
    return happened


def run_due(world: World, until: int) -> int:
    """Let everything that is due at `until` happen, each at its own moment; return how many things did."""
    happened = 0
    while timer := world.store.next_timer(until):
        world.store.clear_timer(timer.kind, timer.object)
        with world.clock.stopped_at(timer.at):
            _ring(world, timer)
        happened += 1
    return happened


def settle(world: World, intent: Obj, *, succeeded: bool) -> Obj:
    """A bank debit ends; tell the session and the invoice that wait for it. Raises InvalidRequest."""
    if intent["status"] != "processing":
        raise InvalidRequest(f"Payment intent {intent['id']} is {intent['status']}; nothing is to be settled.")
    world.store.clear_timer("settle", intent["id"])
    charge = world.get("charge", intent["latest_charge"])
    if succeeded:
        payments.succeed(world, intent, charge)
    else:
        method = world.get("payment_method", charge["payment_method"])
        payments.fail(world, intent, charge, payments.test_method(method).refusal)
    if invoice := world.store.find(intent.get("_invoice", ""), "invoice"):
        invoices.settled(world, invoice, succeeded=succeeded)
        if subscription := subscriptions.subscription_of(world, invoice):
            outcome = Outcome.SUCCEEDS if succeeded else Outcome.DECLINED
            subscriptions.follow(world, subscription, invoice, outcome)
    if "_session" in intent:
        checkout.settled(world, world.get("checkout.session", intent["_session"]), succeeded=succeeded)
    return intent


def _ring(world: World, timer: Timer) -> None:
    kind, action = _ACTIONS[timer.kind]
    obj = world.store.find(timer.object, kind)
    if obj is not None:
        action(world, obj)


def _settle_as_planned(world: World, intent: Obj) -> None:
    method = world.get("payment_method", intent["payment_method"])
    settle(world, intent, succeeded=payments.test_method(method).settles)


_ACTIONS: dict[str, tuple[str, Callable[[World, Obj], object]]] = {
    "expire": ("checkout.session", checkout.expire),
    "cancel": ("subscription", subscriptions.end),
    "period_end": ("subscription", subscriptions.renew),
    "retry": ("invoice", subscriptions.retry),
    "settle": ("payment_intent", _settle_as_planned),
}
