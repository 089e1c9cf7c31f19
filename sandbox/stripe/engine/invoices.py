"""Invoices: drafted, finalized, collected; then paid, or open and tried again."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.engine import discounts, payments
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome
from sandbox.stripe.objects import part
from sandbox.stripe.state import ids
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj

RETRY_AFTER = 3 * DAY
MOST_ATTEMPTS = 3
"""Smart Retries are off here: a renewal is tried three times, three days apart, then the subscription is canceled."""


def line(world: World, price: Obj, quantity: int, *, amount: int, words: str, parent: Obj, **given: Any) -> Obj:
    """Return a line; `start`, `end` and `metadata` are given as well, and `parent` says what it is for."""
    given |= {"decimal": str(quantity), "discountable": parent["type"] == "subscription_item_details"}
    return world.new("line_item", price=price, quantity=quantity, amount=amount, words=words, parent=parent, **given)


def added_line(world: World, price: Obj, quantity: int, *, subscription: str | None = None, **given: Any) -> Obj:
    """Return a line that belongs to no period: a proration of a subscription, or a one-off purchase."""
    identity, proration = ids.new("invoiceitem"), subscription is not None
    parent = part("line_item.of_invoice_item", item=identity, subscription=subscription, proration=proration)
    return line(world, price, quantity, parent=parent, **given)


def draft(
    world: World,
    lines: list[Obj],
    *,
    customer: Obj,
    reason: str,
    start: int,
    subscription: Obj | None = None,
    off: list[Obj] | None = None,
    taxed: bool = False,
) -> Obj:
    """Return a new invoice of these lines, for the time from `start` until now, with the discounts `off` it.

    One that is `taxed` says so, and owes no tax: this account is registered nowhere.
    """
    total = sum(line["amount"] for line in lines)
    invoice = world.new(
        "invoice",
        customer=customer,
        currency=lines[0]["currency"],
        reason=reason,
        start=start,
        lines=lines,
        count=len(lines),
        total=total,
        due=max(0, total),
        parent=part("invoice.parent", subscription=subscription) if subscription else None,
    )
    for each in invoice["lines"]["data"]:
        each["invoice"] = invoice["id"]
    discounts.take_off(world, invoice, off or [])
    if taxed:
        invoice["automatic_tax"] |= automatic_tax(enabled=True)
    return world.add(invoice, "invoice.created")


def automatic_tax(*, enabled: bool) -> Obj:
    """Return what an invoice or a session says of taxes that Stripe works out."""
    how = {"liability": {"type": "self"}, "provider": "stripe", "status": "complete"} if enabled else {}
    return {"enabled": enabled, "liability": None, "provider": None, "status": None, **how}


def finalize(world: World, invoice: Obj, *, paid_by: Obj | None = None) -> None:
    """Number the invoice, apply the customer's balance, and prepare its payment if there is anything to pay.

    `paid_by` is the intent of a purchase that is billed after it was paid; the balance has no part in that.
    """
    customer = world.get("customer", invoice["customer"])
    if paid_by is None:
        _apply_balance(world, invoice, customer)
    with world.changing(invoice, "invoice.finalized", "invoice.updated"):
        invoice |= {"status": "open", "number": f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"}
        page = f"{world.url}/stripe/invoice/{invoice['id']}"
        invoice |= {"effective_at": world.now(), "hosted_invoice_url": page, "invoice_pdf": f"{page}/pdf"}
        invoice["status_transitions"]["finalized_at"] = world.now()
    customer["next_invoice_sequence"] += 1
    world.store.update(customer)
    if invoice["amount_due"]:
        intent = world.change(paid_by or _intent(world, invoice), _invoice=invoice["id"])
        world.add(world.new("invoice_payment", invoice=invoice, intent=intent["id"]))


def collect(world: World, invoice: Obj, method: Obj | None, *, payer_present: bool) -> Outcome:
    """Charge what is due and write down how it ended; nothing due is paid at once."""
    if not invoice["amount_due"]:
        _mark_paid(world, invoice)
        return Outcome.SUCCEEDS
    # Stripe counts any first attempt, and then only its own.
    counted = int(not payer_present or not invoice["attempt_count"])
    if method is None:
        _mark_failed(world, invoice, counted=counted)
        return Outcome.DECLINED
    outcome = payments.confirm(world, intent_of(world, invoice), method, payer_present=payer_present)
    if outcome is Outcome.SUCCEEDS:
        _mark_paid(world, invoice, counted=counted)
    elif outcome is Outcome.PENDING:
        world.change(invoice, "invoice.updated", attempted=True, attempt_count=invoice["attempt_count"] + counted)
    else:
        _mark_failed(world, invoice, counted=counted, needs_action=outcome is Outcome.NEEDS_ACTION)
    return outcome


def settled(world: World, invoice: Obj, *, succeeded: bool) -> None:
    """A delayed payment of the invoice ended."""
    if succeeded:
        _mark_paid(world, invoice)
    else:
        _mark_failed(world, invoice)


def stop_retrying(world: World, invoice: Obj) -> None:
    """Leave the invoice open for a person to pay."""
    world.store.clear_timer("retry", invoice["id"])
    if invoice["status"] == "open":
        world.change(invoice, "invoice.updated", auto_advance=False, next_payment_attempt=None)


def payment_of(world: World, invoice: Obj) -> Obj | None:
    """Return the link to the intent that pays the invoice."""
    links = world.all("invoice_payment", invoice=invoice["id"])
    return links[0] if links else None


def intent_of(world: World, invoice: Obj) -> Obj:
    """Return the intent that pays the invoice."""
    link = payment_of(world, invoice)
    assert link is not None, "only a finalized invoice with something due is collected"
    return world.get("payment_intent", link["payment"]["payment_intent"])


def _apply_balance(world: World, invoice: Obj, customer: Obj) -> None:
    """A negative balance is the customer's credit; a negative total adds to it."""
    total, balance = invoice["total"], customer["balance"]
    due = max(0, total + balance)
    left = total + balance - due
    invoice |= {"starting_balance": balance, "ending_balance": left, "amount_due": due, "amount_remaining": due}
    world.change(customer, "customer.updated", balance=left)


def _intent(world: World, invoice: Obj) -> Obj:
    words = {"subscription_create": "Subscription creation", "subscription_cycle": "Subscription update"}
    description = words.get(invoice["billing_reason"], f"Payment for invoice {invoice['number']}")
    about = {"currency": invoice["currency"], "customer": invoice["customer"], "description": description}
    return payments.new_intent(world, amount=invoice["amount_due"], metadata={}, **about)


def _mark_paid(world: World, invoice: Obj, *, counted: int = 0) -> None:
    world.store.clear_timer("retry", invoice["id"])
    link = payment_of(world, invoice)
    if link is not None:
        with world.changing(link, "invoice_payment.paid"):
            link |= {"status": "paid", "amount_paid": link["amount_requested"]}
            link["status_transitions"]["paid_at"] = world.now()
    with world.changing(invoice, "invoice.updated", "invoice.paid", "invoice.payment_succeeded"):
        invoice |= {"status": "paid", "attempted": True, "next_payment_attempt": None, "auto_advance": False}
        invoice |= {"amount_paid": invoice["amount_due"], "amount_remaining": 0}
        invoice["attempt_count"] += counted
        invoice["status_transitions"]["paid_at"] = world.now()
    world.change(world.get("customer", invoice["customer"]), "customer.updated", delinquent=False)


def _mark_failed(world: World, invoice: Obj, *, counted: int = 0, needs_action: bool = False) -> None:
    events = ["invoice.updated", "invoice.payment_failed"]
    if needs_action:
        events.append("invoice.payment_action_required")
    with world.changing(invoice, *events):
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + counted}
        if counted or invoice["next_payment_attempt"] is None:
            _plan_retry(world, invoice)
    world.change(world.get("customer", invoice["customer"]), "customer.updated", delinquent=True)


def _plan_retry(world: World, invoice: Obj) -> None:
    world.store.clear_timer("retry", invoice["id"])
    invoice["next_payment_attempt"] = None
    if invoice["parent"] and invoice["attempt_count"] < MOST_ATTEMPTS:
        invoice["next_payment_attempt"] = world.now() + RETRY_AFTER
        world.store.set_timer("retry", invoice["id"], world.now() + RETRY_AFTER)
