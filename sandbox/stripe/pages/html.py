"""Renders the package's templates; autoescaped, without anything from outside this machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.amounts import in_words
from sandbox.stripe.desk.routes import refuse_other_sites
from sandbox.stripe.engine import subscriptions
from sandbox.stripe.engine.world import World
from sandbox.stripe.methods import BANKS, CARDS
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire import forms
from sandbox.stripe.wire.errors import StripeError

Fields = dict[str, Any]
_HEADERS = {
    "X-Simulated": "true",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'",
}


def _date(moment: int | None) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%-d %B %Y") if moment else "–"


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _marked_up(text: str) -> Markup:
    """Return custom text as HTML: of Markdown, links to the web and bold words are taken, as at Stripe."""
    words = re.sub(r"\[([^\[\]]+)\]\((https?://[^\s()]+)\)", r'<a href="\2">\1</a>', str(escape(text)))
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", words))  # noqa: S704 (escaped above)


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "money": in_words,
    "date": _date,
    "marked_up": _marked_up,
    "time": _time,
    "price": subscriptions.in_words,
    "period": subscriptions.period_in_words,
}
_templates.globals |= {"cards": CARDS, "banks": BANKS}


def page(template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Return the template as an HTML page."""
    return HTMLResponse(_templates.get_template(template).render(**context), status, _HEADERS)


def missing(what: str) -> HTMLResponse:
    """Return the page for something that isn't there."""
    return page("message.html", status=404, title="Not found", message=f"There is no such {what} in the sandbox.")


class Trouble(StripeError):
    """What a person did can't be done; the page says so with this error's status."""

    status = 422


class Page:
    """A page about one object; its id in the address is the only key, as at Stripe."""

    kind, what, path, template = "", "", "", ""
    forms_go: str | None = None
    """Where the page's forms are sent, below `path`; None for a page without any."""
    refused = 422
    """The status of what the engine refuses."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """Return the page's routes."""
        routes: list[BaseRoute] = [Route(self.path, self._show, methods=["GET"])]
        if self.forms_go is not None:
            routes.append(Route(self.path + self.forms_go, self._act, methods=["POST"]))
        return routes

    def context(self, obj: Obj, fields: Fields) -> Obj:
        """Return what the template needs beside the object, the world, `said` and `trouble`."""
        return {}

    def act(self, obj: Obj, fields: Fields, action: str) -> str:
        """Do what a form asks for and return where the person goes then. Raises StripeError."""
        raise NotImplementedError

    def find(self, request: Request) -> Obj | None:
        """Return the object that the address names."""
        return self.world.store.find(request.path_params["id"], self.kind)

    async def _show(self, request: Request) -> Response:
        obj = self.find(request)
        return self._page(obj, {}, said=request.query_params.get("said", "")) if obj else missing(self.what)

    async def _act(self, request: Request) -> Response:
        obj = self.find(request)
        if obj is None:
            return missing(self.what)
        fields = forms.parse((await request.body()).decode("utf-8", "replace"))
        try:
            refuse_other_sites(request)
            address = self.act(obj, fields, request.path_params.get("action", ""))
        except StripeError as error:
            status = error.status if isinstance(error, Trouble) else self.refused
            return self._page(obj, fields, trouble=error.message, status=status)
        return RedirectResponse(address, 303, {"X-Simulated": "true"})

    def _page(self, obj: Obj, fields: Fields, *, said: str = "", trouble: str = "", status: int = 200) -> Response:
        context = self.context(obj, fields)
        return page(self.template, status=status, world=self.world, obj=obj, said=said, trouble=trouble, **context)
