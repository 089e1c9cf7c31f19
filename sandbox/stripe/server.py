"""The stand-in as the sandbox mounts it: routes, and the tasks that run beside them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from sandbox.stripe.api import webhook_endpoints
from sandbox.stripe.config import StripeConfig
from sandbox.stripe.desk.routes import Desk
from sandbox.stripe.engine import time_machine
from sandbox.stripe.engine.world import World
from sandbox.stripe.pages.checkout import CheckoutPage
from sandbox.stripe.pages.documents import InvoicePage, ReceiptPage
from sandbox.stripe.pages.panel import Panel
from sandbox.stripe.pages.portal import PortalPage
from sandbox.stripe.state.store import Store
from sandbox.stripe.webhooks.courier import Courier
from sandbox.stripe.wire.service import Service

_TICK = 1.0
_log = logging.getLogger(__name__)


class _NotReve(Convertor[str]):
    """Everything under /v1/ but the paths of the other stand-in."""

    regex = r"(?!(?:images|reve-image)(?:/|$)).*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class Stripe:
    """One stand-in on one directory; `start` and `stop` belong to the app's lifespan."""

    def __init__(self, config: StripeConfig, *, directory: Path, port: int) -> None:
        self._store = Store(directory)
        self._tasks: list[asyncio.Task[None]] = []
        self._courier: Courier | None = None
        self.world = World(
            config=config, store=self._store, default_url=f"http://127.0.0.1:{port}", on_commit=self._wake
        )
        with self.world.transaction():
            webhook_endpoints.follow_environment(self.world)

    def routes(self) -> list[BaseRoute]:
        """Return all routes; the API's comes last, since it answers every path that isn't Reve's."""
        register_url_convertor("not_reve", _NotReve())
        pages = [kind(self.world) for kind in (CheckoutPage, PortalPage, InvoicePage, ReceiptPage, Panel)]
        answer = Service(self.world).answer
        return [
            *Desk(self.world).routes(),
            *(route for page in pages for route in page.routes()),
            Route("/v1/{path:not_reve}", answer, methods=["GET", "POST", "DELETE"]),
        ]

    async def start(self) -> None:
        """Begin to deliver events and to let time do its work."""
        self._courier = Courier(self._store, self.world.outbox)
        self._tasks = [asyncio.create_task(_lasting(work)) for work in (self._courier.run(), self._tick())]

    async def stop(self) -> None:
        """End the tasks and close the file; what is undelivered stays in it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._store.close()

    def _wake(self) -> None:
        if self._courier is not None:
            self._courier.wake()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = self.world.now()
            if self._store.next_timer(now):
                with self.world.transaction():
                    time_machine.run_due(self.world, now)


async def _lasting(work: Coroutine[Any, Any, None]) -> None:
    """Let a bug in a background task be seen."""
    try:
        await work
    except Exception:
        _log.exception("the stand-in for Stripe lost a background task")
        raise
