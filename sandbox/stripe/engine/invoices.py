"""Invoices: drafted, finalized, collected; then paid, or open and tried again."""

from __future__ import annotations

from sandbox.stripe.engine import payments
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome
from sandbox.stripe.objects import billing
from sandbox.stripe.objects.billing import Bill
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj

RETRY_AFTER = 3 * DAY
MOST_ATTEMPTS = 3
"""Smart Retries are off here: a renewal is tried three times, three days apart, then the subscription is canceled."""


def draft(world: World, bill: Bill, lines: list[Obj]) -> Obj:
    """Return a new invoice of these lines."""
    invoice = billing.invoice(bill, created=world.now())
    for line in lines:
        line["invoice"] = invoice["id"]
    total = sum(line["amount"] for line in lines)
    invoice["lines"] |= {"data": lines, "total_count": len(lines)}
    invoice |= dict.fromkeys(("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), total)
    invoice["amount_due"] = invoice["amount_remaining"] = max(0, total)
    return world.add(invoice, "invoice.created")


def finalize(world: World, invoice: Obj, *, paid_by: Obj | None = None) -> None:
    """Number the invoice, apply the customer's balance, and prepare its payment if there is anything to pay.

    `paid_by` is the intent of a purchase that is billed after it was paid; the balance has no part in that.
    """
    customer = world.get("customer", invoice["customer"])
    if paid_by is None:
        _apply_balance(world, invoice, customer)
    with world.changing(invoice, "invoice.finalized", "invoice.updated"):
        invoice |= {"status": "open", "number": f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"}
        invoice |= {"effective_at": world.now(), "hosted_invoice_url": f"{world.url}/stripe/invoice/{invoice['id']}"}
        invoice["status_transitions"]["finalized_at"] = world.now()
    customer["next_invoice_sequence"] += 1
    world.store.update(customer)
    if invoice["amount_due"]:
        intent = paid_by or _intent(world, invoice)
        intent["_invoice"] = invoice["id"]
        world.store.update(intent)
        world.store.insert(billing.invoice_payment(invoice, payment_intent=intent["id"], created=world.now()))


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
    attempt = payments.confirm(world, intent_of(world, invoice), method, payer_present=payer_present)
    if attempt.outcome is Outcome.SUCCEEDS:
        _mark_paid(world, invoice, counted=counted)
    elif attempt.outcome is Outcome.PENDING:
        with world.changing(invoice, "invoice.updated"):
            invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + counted}
    else:
        _mark_failed(world, invoice, counted=counted, needs_action=attempt.outcome is Outcome.NEEDS_ACTION)
    return attempt.outcome


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
        with world.changing(invoice, "invoice.updated"):
            invoice |= {"auto_advance": False, "next_payment_attempt": None}


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
    with world.changing(customer, "customer.updated"):
        customer["balance"] = left


def _intent(world: World, invoice: Obj) -> Obj:
    words = {"subscription_create": "Subscription creation", "subscription_cycle": "Subscription update"}
    return payments.new_intent(
        world,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=words.get(invoice["billing_reason"], f"Payment for invoice {invoice['number']}"),
        metadata={},
    )


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
    _set_delinquent(world, invoice["customer"], False)


def _mark_failed(world: World, invoice: Obj, *, counted: int = 0, needs_action: bool = False) -> None:
    events = ["invoice.updated", "invoice.payment_failed"]
    if needs_action:
        events.append("invoice.payment_action_required")
    with world.changing(invoice, *events):
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + counted}
        if counted or invoice["next_payment_attempt"] is None:
            _plan_retry(world, invoice)
    _set_delinquent(world, invoice["customer"], True)


def _plan_retry(world: World, invoice: Obj) -> None:
    world.store.clear_timer("retry", invoice["id"])
    invoice["next_payment_attempt"] = None
    if invoice["parent"] and invoice["attempt_count"] < MOST_ATTEMPTS:
        invoice["next_payment_attempt"] = world.now() + RETRY_AFTER
        world.store.set_timer("retry", invoice["id"], world.now() + RETRY_AFTER)


def _set_delinquent(world: World, customer: str, delinquent: bool) -> None:
    obj = world.get("customer", customer)
    if obj["delinquent"] != delinquent:
        with world.changing(obj, "customer.updated"):
            obj["delinquent"] = delinquent
