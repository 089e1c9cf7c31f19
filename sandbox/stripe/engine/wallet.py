"""A customer's payment method is replaced, and what is open is paid with the new one."""

from __future__ import annotations

from sandbox.stripe.engine import payments, subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import Outcome, TestMethod
from sandbox.stripe.state.store import Obj


def replace_method(world: World, customer: Obj, test: TestMethod) -> Obj:
    """Make `test` the default of the customer and of each running subscription; return the payment method."""
    method = payments.save_method(world, test, customer=customer)
    with world.changing(customer, "customer.updated"):
        customer["invoice_settings"]["default_payment_method"] = method["id"]
    for subscription in world.all("subscription", customer=customer["id"]):
        if subscription["status"] not in subscriptions.ENDED:
            world.change(subscription, "customer.subscription.updated", default_payment_method=method["id"])
    return method


def pay_open_invoices(world: World, customer: Obj) -> list[Outcome]:
    """Charge every open invoice, the oldest first, with the payer there."""
    invoices = world.all("invoice", customer=customer["id"], status="open", newest_first=False)
    return [subscriptions.pay(world, invoice, None) for invoice in invoices]
