"""Coupons: what a promotion code takes off a checkout, and off the invoices of the subscription that it begins.

Left out: prorations know nothing of a discount, and a code has no restrictions but its own and its coupon's limits.
"""

from __future__ import annotations

from sandbox.stripe.engine.calendar import add_months
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.errors import InvalidRequest


def apply(world: World, session: Obj, code: str) -> None:
    """Take the code's discount off an open session. Raises InvalidRequest for a code that can't be used."""
    if session["status"] != "open":
        raise InvalidRequest(f"This checkout session is {session['status']}.")
    promotion = _usable(world, session, code)
    off = amount_of(world.get("coupon", promotion["promotion"]["coupon"]), session["amount_subtotal"])
    session |= {"discounts": [{"coupon": None, "promotion_code": promotion["id"]}]}
    session["amount_total"] = session["amount_subtotal"] - off
    session["total_details"]["amount_discount"] = off
    for line, part in zip(session["_lines"], shares(off, session["_lines"], "amount_subtotal"), strict=True):
        line |= {"amount_discount": part, "amount_total": line["amount_subtotal"] - part}
    if session["payment_intent"]:
        intent = world.get("payment_intent", session["payment_intent"])
        world.change(intent, amount=session["amount_total"])
    world.store.update(session)


def redeem(world: World, session: Obj, *, subscription: Obj | None = None) -> list[Obj]:
    """Return the discounts of a session that is being paid, counted and made objects."""
    made = []
    for given in session["discounts"]:
        promotion = world.get("promotion_code", given["promotion_code"])
        coupon = world.get("coupon", promotion["promotion"]["coupon"])
        for each in (promotion, coupon):
            world.change(each, times_redeemed=each["times_redeemed"] + 1)
        months = coupon["duration_in_months"]
        made.append(
            world.add(
                world.new(
                    "discount",
                    coupon=coupon["id"],
                    promotion=promotion["id"],
                    session=session["id"],
                    customer=session["customer"],
                    subscription=subscription["id"] if subscription else None,
                    end=add_months(world.now(), months) if months else None,
                )
            )
        )
    return made


def take_off(world: World, invoice: Obj, discounts: list[Obj]) -> None:
    """Take discounts off a draft, one after the other."""
    invoice["discounts"] = [each["id"] for each in discounts]
    for discount in discounts:
        off = amount_of(world.get("coupon", discount["source"]["coupon"]), invoice["total"])
        invoice["total_discount_amounts"].append({"amount": off, "discount": discount["id"]})
        lines = invoice["lines"]["data"]
        for line, part in zip(lines, shares(off, lines, "amount"), strict=True):
            line["discount_amounts"].append({"amount": part, "discount": discount["id"]})
        invoice["total"] -= off
    due = max(0, invoice["total"])
    invoice |= {"total_excluding_tax": invoice["total"], "amount_due": due, "amount_remaining": due}


def running(world: World, subscription: Obj) -> list[Obj]:
    """Return the subscription's discounts that its next invoice gets, and forget those that are used up then."""
    found = [world.get("discount", each) for each in subscription["discounts"]]
    found = [each for each in found if each["end"] is None or each["end"] > world.now()]
    left = [each["id"] for each in found if world.get("coupon", each["source"]["coupon"])["duration"] != "once"]
    world.change(subscription, "customer.subscription.updated", discounts=left)
    return found


def amount_of(coupon: Obj, total: int) -> int:
    """Return what the coupon takes off `total` minor units, rounded half up."""
    off = coupon["amount_off"] if coupon["amount_off"] is not None else (2 * total * coupon["percent_off"] + 100) // 200
    return max(0, min(int(off), total))


def shares(off: int, lines: list[Obj], field: str) -> list[int]:
    """Return what of `off` falls on each line, by its amount; the last one takes what rounding left."""
    whole = sum(line[field] for line in lines) or 1
    parts = [off * line[field] // whole for line in lines[:-1]]
    return [*parts, off - sum(parts)]


def _usable(world: World, session: Obj, code: str) -> Obj:
    named = [each for each in world.all("promotion_code") if each["code"].lower() == code.strip().lower()]
    for promotion in named:
        coupon = world.get("coupon", promotion["promotion"]["coupon"])
        if promotion["active"] and _is_open(world, promotion, "expires_at") and _is_open(world, coupon, "redeem_by"):
            if promotion["customer"] not in (None, session["customer"]):
                continue
            if coupon["currency"] in (None, session["currency"]):
                return promotion
    raise InvalidRequest("This code is invalid.", code="promotion_code_invalid")


def _is_open(world: World, obj: Obj, until: str) -> bool:
    most = obj["max_redemptions"]
    return (obj[until] is None or obj[until] > world.now()) and (most is None or obj["times_redeemed"] < most)
