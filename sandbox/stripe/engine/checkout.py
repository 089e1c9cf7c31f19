"""What happens when a person pays on the hosted page, or lets the session run out."""

from __future__ import annotations

from sandbox.stripe.engine import invoices, payments, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome, Refusal, TestMethod
from sandbox.stripe.objects import billing, people, sessions
from sandbox.stripe.objects.billing import Bill
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.errors import InvalidRequest


def pay(world: World, session: Obj, test: TestMethod, *, email: str) -> Refusal | None:
    """Pay an open session with a test method; return the bank's refusal, after which the session stays open.

    Raises InvalidRequest for a session that isn't open.
    """
    if session["status"] != "open":
        raise InvalidRequest(f"This checkout session is {session['status']}.")
    if session["amount_total"] and test.now is Outcome.DECLINED:
        _refuse(world, session, test)
        return test.refusal
    customer = _customer(world, session, email)
    if session["mode"] == "subscription":
        assert customer is not None
        _subscribe(world, session, customer, test)
    elif session["amount_total"]:
        _purchase(world, session, customer, test)
    else:
        session["payment_status"] = "no_payment_required"
    _complete(world, session, customer, email)
    return None


def expire(world: World, session: Obj) -> None:
    """Close an open session unpaid."""
    world.store.clear_timer("expire", session["id"])
    with world.changing(session, "checkout.session.expired"):
        session |= {"status": "expired", "url": None}


def settled(world: World, session: Obj, *, succeeded: bool) -> None:
    """A delayed payment of the session ended."""
    event = "async_payment_succeeded" if succeeded else "async_payment_failed"
    with world.changing(session, f"checkout.session.{event}"):
        session["payment_status"] = "paid" if succeeded else "unpaid"


def return_address(session: Obj) -> str:
    """Return the success URL with the session's id filled in."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def lines_of(world: World, session: Obj) -> list[tuple[Obj, int]]:
    """Return the session's prices with their quantities."""
    return [(world.get("price", item["price"]), item["quantity"]) for item in session["_lines"]]


def _complete(world: World, session: Obj, customer: Obj | None, email: str) -> None:
    world.store.clear_timer("expire", session["id"])
    name = customer["name"] if customer else None
    with world.changing(session, "checkout.session.completed"):
        session |= {"status": "complete", "url": None, "customer": customer["id"] if customer else None}
        session["customer_details"] = sessions.customer_details(email=email, name=name)


def _customer(world: World, session: Obj, email: str) -> Obj | None:
    """Return who pays: the session's customer, a new one where Stripe makes one, or nobody (a guest)."""
    if session["customer"]:
        return world.get("customer", session["customer"])
    if session["mode"] == "payment" and session["customer_creation"] != "always":
        return None
    customer = people.customer(created=world.now())
    customer["email"] = email
    return world.add(customer, "customer.created")


def _refuse(world: World, session: Obj, test: TestMethod) -> None:
    """A declined card leaves a failed charge behind, and the session open for another try."""
    if session["mode"] != "payment":
        return
    customer = world.get("customer", session["customer"]) if session["customer"] else None
    method = payments.save_method(world, test, customer=None)
    payments.confirm(world, _intent(world, session, customer), method, payer_present=True)


def _intent(world: World, session: Obj, customer: Obj | None) -> Obj:
    """Return the session's intent, made at the first attempt."""
    if session["payment_intent"]:
        return world.get("payment_intent", session["payment_intent"])
    data = session["_payment_intent_data"]
    intent = payments.new_intent(
        world,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer["id"] if customer else None,
        description=data.get("description"),
        metadata=data.get("metadata") or {},
    )
    intent |= {"_session": session["id"], "receipt_email": data.get("receipt_email")}
    intent["setup_future_usage"] = data.get("setup_future_usage")
    world.store.update(intent)
    session["payment_intent"] = intent["id"]
    world.store.update(session)
    return intent


def _purchase(world: World, session: Obj, customer: Obj | None, test: TestMethod) -> None:
    intent = _intent(world, session, customer)
    if customer and intent["customer"] is None:
        intent["customer"] = customer["id"]
    saved = customer if intent["setup_future_usage"] else None
    method = payments.save_method(world, test, customer=saved)
    attempt = payments.confirm(world, intent, method, payer_present=True)
    session["payment_status"] = "paid" if attempt.outcome is Outcome.SUCCEEDS else "unpaid"
    if (session["invoice_creation"] or {}).get("enabled") and customer and attempt.outcome is Outcome.SUCCEEDS:
        session["invoice"] = _receipt(world, session, customer, intent)["id"]


def _receipt(world: World, session: Obj, customer: Obj, intent: Obj) -> Obj:
    """Return the paid one-off invoice of a session with `invoice_creation`."""
    now = world.now()
    about = Bill(customer, session["currency"], "manual", subscription=None, start=now, end=now)
    lines = [
        billing.line(
            price=price,
            amount=price["unit_amount"] * quantity,
            quantity=quantity,
            start=now,
            end=now,
            words=world.get("product", price["product"])["name"],
            parent=billing.of_invoice_item(invoice_item=ids.new("invoiceitem"), subscription=None, proration=False),
            metadata={},
        )
        for price, quantity in lines_of(world, session)
    ]
    invoice = invoices.draft(world, about, lines)
    invoice["metadata"] = dict((session["invoice_creation"]["invoice_data"] or {}).get("metadata") or {})
    invoices.finalize(world, invoice, paid_by=intent)
    invoices.settled(world, invoice, succeeded=True)
    return invoice


def _subscribe(world: World, session: Obj, customer: Obj, test: TestMethod) -> None:
    data = session["_subscription_data"]
    method = payments.save_method(world, test, customer=customer)
    subscription, invoice = subscriptions.start(
        world,
        customer=customer,
        prices=lines_of(world, session),
        method=method,
        metadata=data.get("metadata") or {},
        description=data.get("description"),
    )
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    paid = world.get("invoice", invoice["id"])["status"] == "paid"
    session["payment_status"] = "paid" if paid else "unpaid"
    if not paid:
        intent = invoices.intent_of(world, invoice)
        intent["_session"] = session["id"]
        world.store.update(intent)
