"""The ASGI application: each request goes to the handler of its lane."""

import os

import django
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
django.setup(set_prefix=False)

from reveweb.held import HeldHandler, Receive, Scope, Send  # noqa: E402 (settings must be there first)
from reveweb.lanes import Lane, lane_of  # noqa: E402 (likewise)

pages = ASGIHandler()
held = HeldHandler()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one HTTP request; the server's lifespan messages are acknowledged."""
    if scope["type"] == "lifespan":
        await _acknowledge(receive, send)
    elif scope["type"] == "http":
        handler = held if Lane.HELD in lane_of(scope["path"]) else pages
        await handler(scope, receive, send)


async def _acknowledge(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
