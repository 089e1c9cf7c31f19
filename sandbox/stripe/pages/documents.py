"""Simulated invoices and receipts, to be read, and an open invoice to be paid."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.desk.routes import refuse_other_sites
from sandbox.stripe.engine import subscriptions, wallet
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import CARDS, named
from sandbox.stripe.pages.html import missing, page
from sandbox.stripe.wire import forms
from sandbox.stripe.wire.errors import InvalidRequest


class Documents:
    """The pages that `hosted_invoice_url` and `receipt_url` lead to; their ids are the only key, as at Stripe."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[BaseRoute]:
        """Return the pages' routes."""
        return [
            Route("/stripe/invoice/{id}", self._invoice, methods=["GET"]),
            Route("/stripe/invoice/{id}", self._pay, methods=["POST"]),
            Route("/stripe/receipt/{id}", self._receipt, methods=["GET"]),
        ]

    async def _invoice(self, request: Request) -> Response:
        invoice = self._world.store.find(request.path_params["id"], "invoice")
        if invoice is None:
            return missing("invoice")
        return page("invoice.html", invoice=invoice, cards=CARDS, trouble="")

    async def _pay(self, request: Request) -> Response:
        invoice = self._world.store.find(request.path_params["id"], "invoice")
        if invoice is None:
            return missing("invoice")
        fields = forms.parse((await request.body()).decode("utf-8", "replace"))
        method = named(str(fields.get("card", "")))
        try:
            refuse_other_sites(request)
            if method is None or invoice["status"] != "open":
                raise InvalidRequest("Choose a test card, for an invoice that is open.")
            with self._world.transaction():
                customer = self._world.get("customer", invoice["customer"])
                chosen = wallet.replace_method(self._world, customer, method)
                subscriptions.pay(self._world, invoice, chosen)
        except InvalidRequest as error:
            return page("invoice.html", status=422, invoice=invoice, cards=CARDS, trouble=error.message)
        return RedirectResponse(str(request.url), 303, {"X-Simulated": "true"})

    async def _receipt(self, request: Request) -> Response:
        charge = self._world.store.find(request.path_params["id"], "charge")
        if charge is None or not charge["paid"]:
            return missing("receipt")
        return page("receipt.html", charge=charge)
