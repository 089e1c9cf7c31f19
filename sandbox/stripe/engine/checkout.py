"""What happens when a person pays on the hosted page, or lets the session run out."""

from __future__ import annotations

from sandbox.stripe.engine import discounts, invoices, payments, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome, Refusal, TestMethod
from sandbox.stripe.objects import part
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
        _bill(world, session, customer, None)
    _complete(world, session, customer, email)
    return None


def expire(world: World, session: Obj) -> Obj:
    """Close an open session unpaid."""
    world.store.clear_timer("expire", session["id"])
    return world.change(session, "checkout.session.expired", status="expired", url=None)


def settled(world: World, session: Obj, *, succeeded: bool) -> None:
    """A delayed payment of the session ended."""
    event, status = ("succeeded", "paid") if succeeded else ("failed", "unpaid")
    if succeeded and session["mode"] == "payment":
        customer = world.get("customer", session["customer"]) if session["customer"] else None
        _bill(world, session, customer, world.get("payment_intent", session["payment_intent"]))
    world.change(session, f"checkout.session.async_payment_{event}", payment_status=status)


def details(*, email: str | None, name: str | None) -> Obj:
    """Return who pays, as a session tells it."""
    return part("checkout.session.customer_details", email=email, name=name)


def return_address(session: Obj) -> str:
    """Return the success URL with the session's id filled in."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def lines_of(world: World, session: Obj) -> list[tuple[Obj, int]]:
    """Return the session's prices with their quantities."""
    return [(world.get("price", item["price"]), item["quantity"]) for item in session["_lines"]]


def _complete(world: World, session: Obj, customer: Obj | None, email: str) -> None:
    world.store.clear_timer("expire", session["id"])
    payer = details(email=email, name=customer["name"] if customer else None)
    about = {"customer": customer["id"] if customer else None, "customer_details": payer}
    world.change(session, "checkout.session.completed", status="complete", url=None, **about)


def _customer(world: World, session: Obj, email: str) -> Obj | None:
    """Return who pays: the session's customer, a new one where Stripe makes one, or nobody (a guest)."""
    if session["customer"]:
        return world.get("customer", session["customer"])
    if session["mode"] == "payment" and session["customer_creation"] != "always":
        return None
    return world.add(payments.new_customer(world) | {"email": email}, "customer.created")


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
    payer, total, currency = customer["id"] if customer else None, session["amount_total"], session["currency"]
    about = {"description": data.get("description"), "metadata": data.get("metadata") or {}}
    intent = payments.new_intent(world, amount=total, currency=currency, customer=payer, **about)
    world.change(session, payment_intent=intent["id"])
    later = {name: data.get(name) for name in ("receipt_email", "setup_future_usage")}
    return world.change(intent, _session=session["id"], **later)


def _purchase(world: World, session: Obj, customer: Obj | None, test: TestMethod) -> None:
    intent = _intent(world, session, customer)
    if customer and intent["customer"] is None:
        intent["customer"] = customer["id"]
    saved = customer if intent["setup_future_usage"] else None
    method = payments.save_method(world, test, customer=saved)
    outcome = payments.confirm(world, intent, method, payer_present=True)
    session["payment_status"] = "paid" if outcome is Outcome.SUCCEEDS else "unpaid"
    if outcome is Outcome.SUCCEEDS:
        _bill(world, session, customer, intent)


def _bill(world: World, session: Obj, customer: Obj | None, intent: Obj | None) -> None:
    """Count the code that was used, and make the invoice of a purchase that is to have one."""
    off = discounts.redeem(world, session)
    if (session["invoice_creation"] or {}).get("enabled") and customer:
        session["invoice"] = _receipt(world, session, customer, intent, off)["id"]


def _receipt(world: World, session: Obj, customer: Obj, intent: Obj | None, off: list[Obj]) -> Obj:
    """Return the paid one-off invoice of a session with `invoice_creation`; without an `intent` nothing was due."""
    now = world.now()
    lines = [
        invoices.added_line(
            world,
            price,
            quantity,
            amount=price["unit_amount"] * quantity,
            start=now,
            end=now,
            words=world.get("product", price["product"])["name"],
            metadata={},
        )
        for price, quantity in lines_of(world, session)
    ]
    taxed = session["automatic_tax"]["enabled"]
    invoice = invoices.draft(world, lines, customer=customer, reason="manual", start=now, off=off, taxed=taxed)
    invoice["metadata"] = dict((session["invoice_creation"]["invoice_data"] or {}).get("metadata") or {})
    invoices.finalize(world, invoice, paid_by=intent)
    invoices.settled(world, invoice, succeeded=True)
    return invoice


def _subscribe(world: World, session: Obj, customer: Obj, test: TestMethod) -> None:
    data = session["_subscription_data"]
    method = payments.save_method(world, test, customer=customer)
    subscription, invoice = subscriptions.start(
        world,
        session=session,
        customer=customer,
        prices=lines_of(world, session),
        method=method,
        metadata=data.get("metadata") or {},
        description=data.get("description"),
    )
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    paid = world.get("invoice", invoice["id"])["status"] == "paid"
    session["payment_status"] = "paid" if paid else "unpaid"
    if paid and not session["amount_total"]:
        session["payment_status"] = "no_payment_required"
    if not paid:
        world.change(invoices.intent_of(world, invoice), _session=session["id"])
