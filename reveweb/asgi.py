"""The ASGI application: each request goes to the handler of its lane."""

import multiprocessing
import os
import signal

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponseBase

from reveweb.one_line import settings_or_exit

if multiprocessing.parent_process() is not None:
    # A worker inherits what the server's main process does on SIGTERM, which would be to note it and to start anyway.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
settings_or_exit()
django.setup(set_prefix=False)

from generator.calls.writing import BUFFER  # noqa: E402 (settings must be there first)
from generator.files import shared_mark  # noqa: E402 (likewise)
from kit import metrics, tracing  # noqa: E402 (likewise)
from kit.http import proxies  # noqa: E402 (likewise)
from kit.threads import Pool, in_thread, let_go  # noqa: E402 (likewise)
from reveweb import bodies, drain, lean  # noqa: E402 (likewise)
from reveweb.held import HeldHandler, Receive, Scope, Send, Utf8Request  # noqa: E402 (likewise)
from reveweb.lanes import Lane, lane_of  # noqa: E402 (likewise)
from reveweb.mcp import door as mcp  # noqa: E402 (likewise)
from reveweb.middleware import REFUSED  # noqa: E402 (likewise)
from reveweb.observe import processes, requests  # noqa: E402 (likewise)


class PageHandler(ASGIHandler):
    """Django's handler. A request has a thread of its own here, which keeps no database connection for slow readers."""

    request_class = Utf8Request

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        if response.streaming:
            await sync_to_async(let_go)()  # on that thread
        await super().send_response(response, send)


pages = PageHandler()
held = HeldHandler()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one HTTP request, or a process's whole life."""
    if scope["type"] == "lifespan":
        drain.watch()
        processes.watch()
        shared_mark.watch()
        await _acknowledge(receive, send)
    elif scope["type"] == "http":
        if settings.TRUSTED_PROXIES:
            proxies.told(scope)
        if scope["path"] == "/readyz":
            drain.note_asked()
        if drain.is_on() and scope["http_version"].startswith("1"):
            send = drain.closing(send)
        if metrics.is_on():
            send = requests.counted(scope, send)
        serve = requests.traced(_serve) if tracing.is_on() else _serve
        if bodies.comes_with(scope):
            await bodies.bounded(scope, receive, send, serve)
        else:
            await serve(scope, receive, send)


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    if REFUSED not in scope and lean.takes(scope):
        await lean.serve(scope, receive, send, otherwise=held)
        return
    if REFUSED not in scope and mcp.takes(scope):
        await mcp.serve(scope, receive, send)
        return
    handler = held if Lane.HELD in lane_of(scope["path"]) else pages
    await handler(scope, receive, send)


async def _acknowledge(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await in_thread(BUFFER.flush, Pool.FILES)  # calls that were answered are still to be noted
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
