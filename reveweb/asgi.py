"""The ASGI application. Requests that may wait for minutes are served without a thread of their own."""

import os
from collections.abc import Awaitable, Callable, Mapping
from tempfile import SpooledTemporaryFile
from typing import Any

import django
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
django.setup(set_prefix=False)

from reveweb import lean  # noqa: E402 (settings must be there first)
from reveweb.api import MAX_BODY_BYTES  # noqa: E402 (likewise)
from reveweb.lanes import Lane, lane_of  # noqa: E402 (likewise)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class HeldHandler(ASGIHandler):
    """Django's handler without the thread that it reserves for each request's whole life.

    The views behind it are async and take database work to a shared pool (`kit.threads`).
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.handle(scope, receive, send)

    async def read_body(self, receive: Receive) -> Any:
        """Keep no more of a body than shows that it is too large; the rest is read and discarded."""
        body = SpooledTemporaryFile(max_size=2 * MAX_BODY_BYTES, mode="w+b")  # noqa: SIM115 (Django closes it)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                body.close()
                raise RequestAborted
            if body.tell() <= MAX_BODY_BYTES:
                body.write(message.get("body", b"")[: MAX_BODY_BYTES + 1])
            if not message.get("more_body", False):
                break
        body.seek(0)
        return body


pages = ASGIHandler()
held = HeldHandler()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one HTTP request; the server's lifespan messages are acknowledged."""
    if scope["type"] == "lifespan":
        await _acknowledge(receive, send)
    elif scope["type"] == "http" and lean.takes(scope):
        await lean.serve(scope, receive, send, otherwise=held)
    elif scope["type"] == "http":
        handler = held if Lane.HELD in lane_of(scope["path"]) else pages
        await handler(scope, receive, send)


async def _acknowledge(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
