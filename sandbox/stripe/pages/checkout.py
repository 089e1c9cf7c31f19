"""The hosted checkout page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.amounts import in_words
from sandbox.stripe.desk.routes import refuse_other_sites
from sandbox.stripe.engine import checkout
from sandbox.stripe.engine.subscriptions import in_words as price_in_words
from sandbox.stripe.engine.subscriptions import period_in_words
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import BANKS, CARDS, named
from sandbox.stripe.pages.html import missing, page
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire import forms
from sandbox.stripe.wire.errors import InvalidRequest

_NOT_A_TEST_CARD = "That is not a test card. Choose one of the list; never enter a real card number here."


class CheckoutPage:
    """Shows a session's order and takes a test payment; the payer comes back to the shop's pages afterwards."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[BaseRoute]:
        """Return the page's routes."""
        return [
            Route("/stripe/checkout/{id}", self._show, methods=["GET"]),
            Route("/stripe/checkout/{id}", self._pay, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        session = self._world.store.find(request.path_params["id"], "checkout.session")
        return self._page(session) if session else missing("checkout session")

    async def _pay(self, request: Request) -> Response:
        session = self._world.store.find(request.path_params["id"], "checkout.session")
        if session is None:
            return missing("checkout session")
        fields = forms.parse((await request.body()).decode("utf-8", "replace"))
        method = named(str(fields.get("method") or fields.get("card") or ""))
        email = str(fields.get("email") or _email(session)).strip()
        if method is None:
            return self._page(session, trouble=_NOT_A_TEST_CARD, email=email, status=422)
        if "@" not in email:
            return self._page(session, trouble="Enter an email address.", email=email, status=422)
        try:
            refuse_other_sites(request)
            with self._world.transaction():
                refusal = checkout.pay(self._world, session, method, email=email)
        except InvalidRequest as error:
            return self._page(session, trouble=error.message, email=email, status=409)
        if refusal:
            return self._page(session, trouble=refusal.message, email=email, status=402)
        return RedirectResponse(checkout.return_address(session), 303, {"X-Simulated": "true"})

    def _page(self, session: Obj, *, trouble: str = "", email: str = "", status: int = 200) -> Response:
        items = session["_lines"]
        prices = [self._world.get("price", item["price"]) for item in items]
        lines = [
            {
                "name": item["description"],
                "quantity": item["quantity"],
                "price": price_in_words(price),
                "amount": in_words(item["amount_total"], item["currency"]),
            }
            for item, price in zip(items, prices, strict=True)
        ]
        total = in_words(session["amount_total"], session["currency"])
        is_itemised = len(items) > 1 or items[0]["quantity"] > 1
        return page(
            "checkout.html",
            status=status,
            session=session,
            lines=lines,
            total=total,
            itemised=is_itemised,
            every="" if is_itemised else period_in_words(prices[0]),
            email=email or _email(session),
            fixed_email=bool(_email(session)),
            back=checkout.return_address(session),
            cards=CARDS,
            banks=BANKS,
            trouble=trouble,
        )


def _email(session: Obj) -> str:
    return str((session["customer_details"] or {}).get("email") or session["customer_email"] or "")
