"""Renders the package's templates; autoescaped, without anything from outside this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse

from sandbox.stripe.amounts import in_words

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


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"money": in_words, "date": _date, "time": _time}


def page(template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Return the template as an HTML page."""
    return HTMLResponse(_templates.get_template(template).render(**context), status, _HEADERS)


def missing(what: str) -> HTMLResponse:
    """Return the page for something that isn't there."""
    return page("message.html", status=404, title="Not found", message=f"There is no such {what} in the sandbox.")
