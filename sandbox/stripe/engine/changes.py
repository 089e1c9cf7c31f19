"""A subscription moves to another price: what was paid for unused time comes back, the new price's share is due.

https://docs.stripe.com/billing/subscriptions/prorations: to the second, credit first, one line each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sandbox.stripe.engine import invoices, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Change:
    """One item's next price and quantity."""

    item: Obj
    price: Obj
    quantity: int


class Due(Enum):
    """What `apply` leaves to be invoiced now."""

    NOTHING = "nothing"
    PRORATIONS = "prorations"
    NEW_CYCLE = "new cycle"


def apply(world: World, subscription: Obj, changes: list[Change], *, proration: str, moment: int | None) -> Due:
    """Put the new prices in force; the caller keeps the subscription, tells of it, and bills what is due now.

    `proration`: `create_prorations` (on the next invoice), `always_invoice` (now) or `none`. A new billing interval
    starts a new cycle and is always invoiced now, as Stripe does. `moment` is `proration_date`, in Unix seconds.
    """
    now = moment or world.now()
    lines: list[Obj] = []
    restarts = any(_recurrence(world, change.item) != change.price["recurring"] for change in changes)
    for change in changes:
        before = world.get("price", change.item["price"])
        same = before["id"] == change.price["id"] and change.item["quantity"] == change.quantity
        if proration != "none" and not same:
            lines += _prorations(world, subscription, change, before, now=now, restarts=restarts)
        change.item.update(price=change.price["id"], quantity=change.quantity)
    for line in lines:
        identity = line["parent"]["invoice_item_details"]["invoice_item"]
        waiting = world.new("invoiceitem", id=identity, line=line, subscription=subscription, moment=now)
        world.add(waiting, "invoiceitem.created")
    if restarts:
        subscriptions.restart(world, subscription)
        if subscription["cancel_at_period_end"]:
            end = subscription["items"]["data"][0]["current_period_end"]
            subscriptions.schedule_end(world, subscription, end, at_period_end=True)
        return Due.NEW_CYCLE
    return Due.PRORATIONS if proration == "always_invoice" and lines else Due.NOTHING


def bill(world: World, subscription: Obj, due: Due) -> Obj:
    """Invoice what `apply` left waiting, with the new cycle's first period when one began."""
    lines = subscriptions.waiting_lines(world, subscription)
    if due is Due.NEW_CYCLE:
        lines += subscriptions.period_lines(world, subscription)
    return subscriptions.bill(world, subscription, lines, reason="subscription_update")


def share(amount: int, *, start: int, end: int, now: int) -> int:
    """Return what of `amount` falls on the time from `now` to `end`, rounded to the nearest minor unit, half up."""
    if end <= start:
        return 0
    left = max(0, min(end - now, end - start))
    return (2 * amount * left + (end - start)) // (2 * (end - start))


def _prorations(world: World, subscription: Obj, change: Change, before: Obj, *, now: int, restarts: bool) -> list[Obj]:
    start, end = change.item["current_period_start"], change.item["current_period_end"]
    if not start <= now <= end:
        raise InvalidRequest("proration_date must be within the current period.", param="proration_date")
    bounds = {"start": start, "end": end, "now": now}
    back = share(before["unit_amount"] * change.item["quantity"], **bounds)
    lines = [_line(world, subscription, before, change.item["quantity"], -back, "Unused time", now, end)]
    if not restarts:
        due = share(change.price["unit_amount"] * change.quantity, **bounds)
        lines.append(_line(world, subscription, change.price, change.quantity, due, "Remaining time", now, end))
    return lines


def _line(
    world: World, subscription: Obj, price: Obj, quantity: int, amount: int, words: str, start: int, end: int
) -> Obj:
    words = f"{words} on {world.get('product', price['product'])['name']} ({subscriptions.in_words(price)})"
    about = {"subscription": subscription["id"], "metadata": subscription["metadata"]}
    return invoices.added_line(world, price, quantity, amount=amount, words=words, start=start, end=end, **about)


def _recurrence(world: World, item: Obj) -> Obj:
    recurring: Obj = world.get("price", item["price"])["recurring"]
    return recurring
