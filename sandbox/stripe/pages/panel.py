"""The operator's panel at /stripe/: the clock, what there is, and every event with its deliveries."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.desk import mail
from sandbox.stripe.engine.subscriptions import in_words as price_in_words
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import CARDS
from sandbox.stripe.pages.html import missing, page
from sandbox.stripe.state.store import Obj, Query
from sandbox.stripe.webhooks.forgeries import DESCRIPTIONS

_ROWS = 25
_KINDS = ("customer", "subscription", "charge", "refund", "dispute", "payment_intent")


class Panel:
    """One page of forms that post to the desk, and one that shows an event."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[BaseRoute]:
        """Return the panel's routes."""
        return [
            Route("/stripe", self._slash, methods=["GET"]),
            Route("/stripe/", self._show, methods=["GET"]),
            Route("/stripe/object/{id}", self._object, methods=["GET"]),
        ]

    async def _slash(self, request: Request) -> Response:
        return RedirectResponse("/stripe/", 308)

    async def _show(self, request: Request) -> Response:
        world = self._world
        latest = {kind: world.store.select(Query(kind), limit=_ROWS) for kind in _KINDS}
        subscriptions = latest["subscription"]
        return page(
            "panel.html",
            said=request.query_params.get("said", ""),
            state=mail.state(world),
            subscriptions=[self._subscription(each) for each in subscriptions],
            customers=latest["customer"],
            charges=latest["charge"],
            refunds=latest["refund"],
            disputes=latest["dispute"],
            waiting=[each for each in latest["payment_intent"] if each["status"] == "processing"],
            events=mail.events(world, limit=50),
            cards=CARDS,
            forgeries=DESCRIPTIONS,
            endpoint=(world.outbox.endpoints() or [{"url": ""}])[0]["url"],
        )

    async def _object(self, request: Request) -> Response:
        obj = self._world.store.find(request.path_params["id"])
        if obj is None:
            return missing("object")
        return page("object.html", obj=_shown(obj))

    def _subscription(self, subscription: Obj) -> Obj:
        item = subscription["items"]["data"][0]
        price = self._world.get("price", item["price"])
        return {
            "id": subscription["id"],
            "customer": subscription["customer"],
            "status": subscription["status"],
            "price": price_in_words(price),
            "period_end": item["current_period_end"],
            "cancel_at": subscription["cancel_at"],
        }


def _shown(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if not key.startswith("_")}
