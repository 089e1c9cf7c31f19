"""Subscriptions: started, renewed, canceled at once or at a moment, resumed; their status follows their invoices."""

from __future__ import annotations

from sandbox.stripe import amounts
from sandbox.stripe.engine import calendar, discounts, invoices
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome
from sandbox.stripe.objects import part
from sandbox.stripe.state.store import Obj

ENDED = {"canceled", "incomplete_expired"}
_CANCEL_FIRST = 1
"""Rank of the timer that cancels: at a period's end it goes before the renewal."""


def start(
    world: World,
    *,
    session: Obj,
    customer: Obj,
    prices: list[tuple[Obj, int]],
    method: Obj,
    metadata: Obj,
    description: str | None,
) -> tuple[Obj, Obj]:
    """Begin a checkout's subscription of prices with quantities and charge its first invoice; return both."""
    subscription = world.new(
        "subscription",
        customer=customer["id"],
        currency=prices[0][0]["currency"],
        method=method["id"],
        metadata=metadata,
        description=description,
        count=len(prices),
    )
    end = _period_end(prices[0][0], start=world.now(), anchor=world.now())
    subscription["items"]["data"] = [
        world.new("subscription_item", subscription=subscription["id"], price=price["id"], quantity=quantity, end=end)
        for price, quantity in prices
    ]
    subscription["automatic_tax"]["enabled"] = session["automatic_tax"]["enabled"]
    subscription["discounts"] = [each["id"] for each in discounts.redeem(world, session, subscription=subscription)]
    world.add(subscription, "customer.subscription.created")
    world.store.set_timer("period_end", subscription["id"], end)
    world.change(customer, "customer.updated", currency=subscription["currency"])
    invoice = bill(world, subscription, period_lines(world, subscription), reason="subscription_create")
    return subscription, invoice


def bill(world: World, subscription: Obj, lines: list[Obj], *, reason: str, since: int | None = None) -> Obj:
    """Invoice the subscription, charge it, and let its status follow; a renewal covers the time `since` the last one.

    The payer is there, except at a renewal.
    """
    customer, start = world.get("customer", subscription["customer"]), since or world.now()
    off = discounts.running(world, subscription) if reason in ("subscription_create", "subscription_cycle") else []
    invoice = invoices.draft(
        world,
        lines,
        customer=customer,
        reason=reason,
        start=start,
        subscription=subscription,
        off=off,
        taxed=subscription["automatic_tax"]["enabled"],
    )
    world.change(subscription, latest_invoice=invoice["id"])
    invoices.finalize(world, invoice)
    outcome = invoices.collect(world, invoice, default_method(world, subscription), payer_present=since is None)
    follow(world, subscription, invoice, outcome)
    return invoice


def renew(world: World, subscription: Obj) -> Obj | None:
    """Move to the next period and bill it; None for a subscription that ends instead or is paused."""
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= world.now():
        end(world, subscription)
        return None
    if subscription["status"] in ENDED | {"paused"}:
        return None
    item = subscription["items"]["data"][0]
    since, start = item["current_period_start"], item["current_period_end"]
    price = world.get("price", item["price"])
    moved = _period_end(price, start=start, anchor=subscription["billing_cycle_anchor"])
    with world.changing(subscription, "customer.subscription.updated"):
        _set_period(world, subscription, start, moved)
    lines = waiting_lines(world, subscription) + period_lines(world, subscription)
    return bill(world, subscription, lines, reason="subscription_cycle", since=since)


def retry(world: World, invoice: Obj) -> None:
    """Charge a failed invoice once more, as the retry schedule wants."""
    subscription = subscription_of(world, invoice)
    if subscription is None or invoice["status"] != "open" or subscription["status"] in ENDED:
        return
    outcome = invoices.collect(world, invoice, default_method(world, subscription), payer_present=False)
    follow(world, subscription, invoice, outcome)


def pay(world: World, invoice: Obj, method: Obj | None) -> Outcome:
    """Charge an open invoice while the payer is there."""
    subscription = subscription_of(world, invoice)
    chosen = method or (default_method(world, subscription) if subscription else None)
    outcome = invoices.collect(world, invoice, chosen, payer_present=True)
    if subscription is not None:
        follow(world, subscription, invoice, outcome)
    return outcome


def follow(world: World, subscription: Obj, invoice: Obj, outcome: Outcome) -> None:
    """Let the status follow how paying an invoice ended; a delayed debit counts as good until it fails."""
    if subscription["status"] in ENDED:
        return
    failed = outcome in {Outcome.DECLINED, Outcome.NEEDS_ACTION}
    if failed and invoice["next_payment_attempt"] is None:
        end(world, subscription, reason="payment_failed")
        return
    owing = failed or _owes(world, subscription)
    world.change(subscription, "customer.subscription.updated", status="past_due" if owing else "active")


def end(world: World, subscription: Obj, *, reason: str = "cancellation_requested") -> None:
    """Cancel now, for good; what is unpaid stays open and is no longer tried."""
    for timer in ("period_end", "cancel"):
        world.store.clear_timer(timer, subscription["id"])
    for invoice in _unpaid(world, subscription):
        invoices.stop_retrying(world, invoice)
    now = world.now()
    with world.changing(subscription, "customer.subscription.deleted"):
        subscription |= {"status": "canceled", "ended_at": now, "canceled_at": subscription["canceled_at"] or now}
        subscription["cancellation_details"]["reason"] = reason


def schedule_end(world: World, subscription: Obj, at: int | None, *, at_period_end: bool) -> None:
    """Plan the end, or (None) call it off. Changes the object; the caller keeps it and tells."""
    subscription |= {"cancel_at": at, "cancel_at_period_end": at_period_end and at is not None}
    subscription["canceled_at"] = None if at is None else world.now()
    subscription["cancellation_details"]["reason"] = None if at is None else "cancellation_requested"
    if at is None:
        world.store.clear_timer("cancel", subscription["id"])
        subscription["cancellation_details"] |= {"comment": None, "feedback": None}
    else:
        world.store.set_timer("cancel", subscription["id"], at, rank=_CANCEL_FIRST)


def pause(world: World, subscription: Obj) -> Obj:
    """Stop billing until it is resumed (status `paused`)."""
    world.store.clear_timer("period_end", subscription["id"])
    events = ("customer.subscription.updated", "customer.subscription.paused")
    return world.change(subscription, *events, status="paused")


def resume(world: World, subscription: Obj) -> None:
    """Bill again, from now, and begin a new cycle."""
    with world.changing(subscription, "customer.subscription.updated", "customer.subscription.resumed"):
        subscription["status"] = "active"
        restart(world, subscription)
    bill(world, subscription, period_lines(world, subscription), reason="subscription_update")


def restart(world: World, subscription: Obj) -> None:
    """Begin a new cycle now. Changes the object; the caller keeps it and tells."""
    now = subscription["billing_cycle_anchor"] = world.now()
    price = world.get("price", subscription["items"]["data"][0]["price"])
    _set_period(world, subscription, now, _period_end(price, start=now, anchor=now))


def default_method(world: World, subscription: Obj) -> Obj | None:
    """Return what the subscription is charged to: its own method, or the customer's default."""
    customer = world.get("customer", subscription["customer"])
    identity = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    return world.store.find(identity, "payment_method") if identity else None


def subscription_of(world: World, invoice: Obj) -> Obj | None:
    """Return the subscription that the invoice bills, if it bills one."""
    if not invoice["parent"]:
        return None
    return world.get("subscription", invoice["parent"]["subscription_details"]["subscription"])


def period_lines(world: World, subscription: Obj) -> list[Obj]:
    """Return a line for each item's current period."""
    lines = []
    for item in subscription["items"]["data"]:
        price, quantity = world.get("price", item["price"]), item["quantity"]
        name = world.get("product", price["product"])["name"]
        line = invoices.line(
            world,
            price,
            quantity,
            amount=price["unit_amount"] * quantity,
            start=item["current_period_start"],
            end=item["current_period_end"],
            words=f"{quantity} × {name} (at {in_words(price)})",
            parent=part("line_item.of_period", subscription=subscription["id"], item=item["id"]),
            metadata=subscription["metadata"],
        )
        lines.append(line)
    return lines


def waiting_lines(world: World, subscription: Obj) -> list[Obj]:
    """Take the prorations that wait for this invoice."""
    taken = []
    for item in world.all("invoiceitem", _subscription=subscription["id"], newest_first=False):
        if item["invoice"] is None:
            item["invoice"] = "taken"
            world.store.update(item)
            taken.append(item["_line"])
    return taken


def in_words(price: Obj) -> str:
    """Return a price as people read it, like `9.00 USD / month`."""
    text = amounts.in_words(price["unit_amount"], price["currency"])
    if period := period_in_words(price):
        text += f" every {period}" if period[0].isdigit() else f" / {period}"
    return text


def period_in_words(price: Obj) -> str:
    """Return how often a price is charged, like `month` or `3 months`; nothing for one that is charged once."""
    if not price["recurring"]:
        return ""
    count, interval = price["recurring"]["interval_count"], price["recurring"]["interval"]
    return str(interval) if count == 1 else f"{count} {interval}s"


def _period_end(price: Obj, *, start: int, anchor: int) -> int:
    recurring = price["recurring"]
    return calendar.period_after(
        start, anchor=anchor, interval=recurring["interval"], count=recurring["interval_count"]
    )


def _set_period(world: World, subscription: Obj, start: int, end: int) -> None:
    for item in subscription["items"]["data"]:
        item |= {"current_period_start": start, "current_period_end": end, "billed_until": end}
    world.store.set_timer("period_end", subscription["id"], end)


def _unpaid(world: World, subscription: Obj) -> list[Obj]:
    return world.all("invoice", **{"parent.subscription_details.subscription": subscription["id"], "status": "open"})


def _owes(world: World, subscription: Obj) -> bool:
    """Whether an attempt on an open invoice has failed; one that is being settled hasn't."""
    return any(invoice["next_payment_attempt"] is not None for invoice in _unpaid(world, subscription))
