"""Assembles the stand-ins into one ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox import index
from sandbox.answers import Refusal, error, on_http_exception, on_refusal
from sandbox.fal import Fal
from sandbox.gallery import Gallery
from sandbox.jobs import Jobs
from sandbox.openai import OpenAI
from sandbox.pauses import Pauses
from sandbox.replicate import Replicate
from sandbox.reve import Reve
from sandbox.settings import Settings
from sandbox.store import Store
from sandbox.stripe.server import Stripe


def create_app(settings: Settings, pauses: Pauses) -> Starlette:
    """Return the app. `pauses` is shared with the server, which wakes all sleepers when it is told to stop."""
    store = Store(settings.directory)
    gallery = Gallery(settings.directory, plain=settings.plain)
    jobs = Jobs(settings=settings, store=store, gallery=gallery, pauses=pauses)
    images = [route for api in (Reve, OpenAI, Fal, Replicate) for route in api(jobs).routes()]
    stripe = Stripe(settings.stripe, directory=settings.directory, port=settings.port)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await stripe.start()
        yield
        await stripe.stop()
        gallery.close()
        store.close()

    async def home(request: Request) -> Response:
        return HTMLResponse(index.page(settings))

    app = Starlette(
        routes=[Route("/", home), Route("/healthz", _healthz), *images, *stripe.routes()],
        exception_handlers={Refusal: on_refusal, HTTPException: on_http_exception, Exception: _on_bug},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def _healthz(request: Request) -> Response:
    return JSONResponse({"status": "ok", "service": "reveweb sandbox"})


async def _on_bug(request: Request, exc: Exception) -> Response:
    return error(500, "sandbox_bug", f"The sandbox itself failed: {type(exc).__name__}.")
