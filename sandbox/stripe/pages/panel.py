"""The operator's panel at /stripe/: the clock, what there is, and every event with its deliveries."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.desk import mail
from sandbox.stripe.engine.world import World
from sandbox.stripe.pages.html import missing, page
from sandbox.stripe.state.store import Query
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
        return page(
            "panel.html",
            world=world,
            said=request.query_params.get("said", ""),
            state=mail.state(world),
            latest={kind: world.store.select(Query(kind), limit=_ROWS) for kind in _KINDS},
            events=mail.events(world, limit=50),
            forgeries=DESCRIPTIONS,
        )

    async def _object(self, request: Request) -> Response:
        obj = self._world.store.find(request.path_params["id"])
        if obj is None:
            return missing("object")
        return page("object.html", obj={key: value for key, value in obj.items() if not key.startswith("_")})
