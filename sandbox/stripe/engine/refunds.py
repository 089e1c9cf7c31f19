"""Refunds: made at once, whole or in parts; the bank may still send one back."""

from __future__ import annotations

from sandbox.stripe.amounts import in_words
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.errors import InvalidRequest


def refund(world: World, charge: Obj, *, amount: int | None, reason: str | None, metadata: Obj) -> Obj:
    """Refund `amount` minor units, or what is left. Raises InvalidRequest where Stripe does."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    wanted = left if amount is None else amount
    _check(charge, wanted, left)
    made = world.new("refund", charge=charge, amount=wanted, reason=reason, metadata=metadata)
    world.add(made)
    with world.changing(charge, "charge.refunded"):
        charge["amount_refunded"] += wanted
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.tell(made, "refund.created")
    return made


def fail(world: World, refund: Obj) -> Obj:
    """The bank sends the money back: the refund fails, and the charge's refunded amount shrinks again."""
    if refund["status"] == "failed":
        raise InvalidRequest(f"Refund {refund['id']} has failed already.")
    charge = world.get("charge", refund["charge"])
    with world.changing(charge, "charge.updated"):
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
    events = ("refund.updated", "charge.refund.updated", "refund.failed")
    return world.change(refund, *events, status="failed", failure_reason="expired_or_canceled_card")


def _check(charge: Obj, wanted: int, left: int) -> None:
    if charge["disputed"] and not charge.get("_refundable"):
        raise InvalidRequest(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if charge["status"] != "succeeded":
        raise InvalidRequest(f"Charge {charge['id']} has not succeeded; cannot issue a refund.", param="charge")
    if left <= 0:
        raise InvalidRequest(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if wanted > left:
        raise InvalidRequest(
            f"Refund amount ({in_words(wanted, charge['currency'])}) is greater than unrefunded amount on charge "
            f"({in_words(left, charge['currency'])})",
            param="amount",
        )
