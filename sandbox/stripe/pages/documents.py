"""Simulated invoices and receipts, to be read, and an open invoice to be paid."""

from __future__ import annotations

from starlette.requests import Request

from sandbox.stripe.engine import subscriptions, wallet
from sandbox.stripe.methods import named
from sandbox.stripe.pages.html import Fields, Page, Trouble
from sandbox.stripe.state.store import Obj


class InvoicePage(Page):
    """Where `hosted_invoice_url` leads to."""

    kind = what = "invoice"
    path, template, forms_go = "/stripe/invoice/{id}", "invoice.html", ""

    def act(self, obj: Obj, fields: Fields, action: str) -> str:
        method = named(str(fields.get("card", "")))
        if method is None or obj["status"] != "open":
            raise Trouble("Choose a test card, for an invoice that is open.")
        with self.world.transaction():
            chosen = wallet.replace_method(self.world, self.world.get("customer", obj["customer"]), method)
            subscriptions.pay(self.world, obj, chosen)
        return self.path.format(id=obj["id"])


class ReceiptPage(Page):
    """Where `receipt_url` leads to."""

    kind, what = "charge", "receipt"
    path, template = "/stripe/receipt/{id}", "receipt.html"

    def find(self, request: Request) -> Obj | None:
        charge = super().find(request)
        return charge if charge and charge["paid"] else None
