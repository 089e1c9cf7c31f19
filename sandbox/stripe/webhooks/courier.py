"""Carries deliveries to their endpoints: one after another, after the commit, until they are taken."""

from __future__ import annotations

import asyncio
import contextlib
import time

import httpx

from sandbox.stripe.state.store import Obj, Store
from sandbox.stripe.webhooks import forgeries
from sandbox.stripe.webhooks.outbox import Delivery, Outbox

_TIMEOUT = 20.0
_LONGEST_SLEEP = 0.5


class Courier:
    """A background task; everything it knows is in the outbox, so a restart goes on where it stopped."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store, self._outbox = store, outbox
        self._news = asyncio.Event()
        self._carrying: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look at the outbox now; called after each commit."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client:
            try:
                while True:
                    self._news.clear()
                    for endpoint in self._outbox.endpoints():
                        self._start(client, endpoint)
                    # Not `wait_for`: before Python 3.12 it can swallow the cancellation that ends this task.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LONGEST_SLEEP):
                            await self._news.wait()
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, client: httpx.AsyncClient, endpoint: Obj) -> None:
        identity = endpoint["id"]
        if identity in self._carrying or self._outbox.next_due(identity, time.time()) is None:
            return
        self._carrying.add(identity)
        task = asyncio.create_task(self._empty(client, endpoint))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _empty(self, client: httpx.AsyncClient, endpoint: Obj) -> None:
        """Send what is due to one endpoint, strictly one at a time."""
        try:
            while delivery := self._outbox.next_due(endpoint["id"], time.time()):
                await self._carry(client, endpoint, delivery)
        finally:
            self._carrying.discard(endpoint["id"])

    async def _carry(self, client: httpx.AsyncClient, endpoint: Obj, delivery: Delivery) -> None:
        body, signature = forgeries.letter(delivery["body"], delivery["forgery"], endpoint["_secret"])
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (simulated; reveweb sandbox)",
            "X-Simulated": "true",
        }
        if signature:
            headers["Stripe-Signature"] = signature
        try:
            answer = await client.post(endpoint["url"], content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            with self._store.transaction():
                self._outbox.unsent(delivery, error=f"{type(failure).__name__}: {failure}"[:200])
            return
        with self._store.transaction():
            self._outbox.sent(delivery, status=answer.status_code)
