"""Disputes and inquiries. A dispute takes the money at once; winning brings it back; an inquiry takes none."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.errors import InvalidRequest

FEE = 1500
"""What a dispute costs, in minor units."""
_EVIDENCE_DAYS = 14
_OPEN = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}


def open_dispute(world: World, charge: Obj, *, inquiry: bool, reason: str, amount: int | None = None) -> Obj:
    """The payer's bank objects to a charge, or only asks (`inquiry`). Raises InvalidRequest."""
    if charge["disputed"]:
        raise InvalidRequest(f"Charge {charge['id']} is disputed already.")
    if charge["status"] != "succeeded":
        raise InvalidRequest(f"Charge {charge['id']} has not succeeded; nobody disputes it.")
    status = "warning_needs_response" if inquiry else "needs_response"
    dispute = world.new(
        "dispute",
        charge=charge,
        amount=amount or charge["amount"],
        reason=reason,
        status=status,
        inquiry=inquiry,
        case="inquiry" if inquiry else "chargeback",
        brand=charge["payment_method_details"].get("card", {}).get("brand", "visa"),
        due_by=world.now() + _EVIDENCE_DAYS * DAY,
    )
    world.change(charge, disputed=True, _refundable=inquiry)
    world.add(dispute, "charge.dispute.created")
    if not inquiry:
        _move(world, dispute, -dispute["amount"], fee=FEE, event="charge.dispute.funds_withdrawn")
    return dispute


def submit(world: World, dispute: Obj) -> Obj:
    """The evidence went to the bank."""
    _must_be_open(dispute)
    with world.changing(dispute, "charge.dispute.updated"):
        dispute["status"] = "warning_under_review" if _is_inquiry(dispute) else "under_review"
        dispute["evidence_details"] |= {"has_evidence": True}
        dispute["evidence_details"]["submission_count"] += 1
    return dispute


def close(world: World, dispute: Obj, *, won: bool) -> Obj:
    """The bank decides; an inquiry is merely closed. Raises InvalidRequest for a closed one."""
    _must_be_open(dispute)
    if _is_inquiry(dispute):
        status = "warning_closed"
        world.change(world.get("charge", dispute["charge"]), disputed=False)
    else:
        status = "won" if won else "lost"
    world.change(dispute, "charge.dispute.updated", "charge.dispute.closed", status=status)
    if status == "won":
        _move(world, dispute, dispute["amount"], fee=0, event="charge.dispute.funds_reinstated")
    return dispute


def escalate(world: World, dispute: Obj) -> Obj:
    """An inquiry becomes a dispute: the money goes."""
    _must_be_open(dispute)
    if not _is_inquiry(dispute):
        raise InvalidRequest(f"Dispute {dispute['id']} is no inquiry.")
    world.change(world.get("charge", dispute["charge"]), _refundable=False)
    with world.changing(dispute, "charge.dispute.updated"):
        dispute |= {"status": "needs_response", "is_charge_refundable": False}
        dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    _move(world, dispute, -dispute["amount"], fee=FEE, event="charge.dispute.funds_withdrawn")
    return dispute


def _move(world: World, dispute: Obj, amount: int, *, fee: int, event: str) -> None:
    words = f"{'Chargeback withdrawal' if amount < 0 else 'Chargeback reversal'} for {dispute['charge']}"
    currency = dispute["currency"]
    charged = {"amount": fee, "application": None, "currency": currency, "description": words, "type": "stripe_fee"}
    transaction = world.new(
        "balance_transaction",
        source=dispute["id"],
        amount=amount,
        fee=fee,
        fees=[charged] if fee else [],
        net=amount - fee,
        currency=currency,
        category="dispute" if amount < 0 else "dispute_reversal",
        words=words,
    )
    world.add(transaction)
    world.change(dispute, event, balance_transactions=[*dispute["balance_transactions"], transaction])


def _is_inquiry(dispute: Obj) -> bool:
    return str(dispute["status"]).startswith("warning_")


def _must_be_open(dispute: Obj) -> None:
    if dispute["status"] not in _OPEN:
        raise InvalidRequest(f"Dispute {dispute['id']} is closed ({dispute['status']}).")
