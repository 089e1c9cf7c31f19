"""Simulated invoices and receipts, to be read, an invoice as a file too, and an open invoice to be paid."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.amounts import in_words
from sandbox.stripe.engine import subscriptions, wallet
from sandbox.stripe.methods import named
from sandbox.stripe.pages.html import Fields, Page, Trouble, missing
from sandbox.stripe.pages.pdf import one_page
from sandbox.stripe.state.store import Obj


class InvoicePage(Page):
    """Where `hosted_invoice_url` leads to."""

    kind = what = "invoice"
    path, template, forms_go = "/stripe/invoice/{id}", "invoice.html", ""

    def routes(self) -> list[BaseRoute]:
        return [*super().routes(), Route(self.path + "/pdf", self._file, methods=["GET"])]

    async def _file(self, request: Request) -> Response:
        """Where `invoice_pdf` leads to."""
        invoice = self.find(request)
        if invoice is None or not invoice["invoice_pdf"]:
            return missing(self.what)
        currency = invoice["currency"]
        lines = [f"{line['description']}: {in_words(line['amount'], currency)}" for line in invoice["lines"]["data"]]
        off = [f"Discount: {in_words(-each['amount'], currency)}" for each in invoice["total_discount_amounts"]]
        title = f"Simulated invoice {invoice['number']}"
        text = [
            title,
            str(invoice["customer_email"]),
            "",
            *lines,
            *off,
            f"Total: {in_words(invoice['total'], currency)}",
        ]
        named = {
            "Content-Disposition": f'attachment; filename="Invoice-{invoice["number"]}.pdf"',
            "X-Simulated": "true",
        }
        return Response(one_page(text), headers=named, media_type="application/pdf")

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
