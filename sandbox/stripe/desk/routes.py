"""/sandbox/stripe/…: JSON for tests, and the target of the panel's forms. No key is asked for: it is loopback only."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.stripe.desk import actions, mail
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.views import public
from sandbox.stripe.webhooks.outbox import State
from sandbox.stripe.wire import forms, params
from sandbox.stripe.wire.calls import Calls
from sandbox.stripe.wire.errors import InvalidRequest, StripeError

PREFIX = "/sandbox/stripe"
_HEADERS = {"X-Simulated": "true"}
_CALLS = Calls([*actions.ACTIONS, *mail.ACTIONS])
_MOST_EVENTS = 1000


class Desk:
    """Answers the operator."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the desk's routes."""
        return [
            Route(f"{PREFIX}/state", self._state),
            Route(f"{PREFIX}/events", self._events),
            Route(f"{PREFIX}/deliveries/drain", self._drain, methods=["POST"]),
            Route(PREFIX + "/{path:path}", self._act, methods=["POST"]),
        ]

    async def _state(self, request: Request) -> Response:
        return JSONResponse(mail.state(self._world), headers=_HEADERS)

    async def _events(self, request: Request) -> Response:
        limit = request.query_params.get("limit", "100")
        count = min(int(limit), _MOST_EVENTS) if limit.isdigit() else 100
        return JSONResponse({"data": mail.events(self._world, limit=count)}, headers=_HEADERS)

    async def _drain(self, request: Request) -> Response:
        """Wait until nothing is pending, for at most `seconds` (10)."""
        try:
            seconds = float((await _raw(request)).get("seconds") or 10)
        except (ValueError, InvalidRequest):
            seconds = 10.0
        end = time.monotonic() + min(seconds, 60)
        while (pending := self._world.outbox.count(State.PENDING)) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return JSONResponse({"pending": pending}, headers=_HEADERS)

    async def _act(self, request: Request) -> Response:
        by_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        try:
            refuse_other_sites(request)
            raw = await _raw(request)
            answer, status = self._perform(request.url.path.removeprefix(PREFIX), raw), 200
        except StripeError as error:
            answer, status = error.body(), error.status
        if by_form:
            return RedirectResponse(f"/stripe/?said={quote(_said(answer))}", 303, _HEADERS)
        return JSONResponse(answer, status, _HEADERS)

    def _perform(self, path: str, raw: dict[str, Any]) -> Any:
        call, identity = _CALLS.find("POST", path)
        given = params.read(call.params, raw)
        with self._world.transaction():
            stored = call.answer(self._world, identity, given)
            return public(self._world.store, stored) if "id" in stored and "object" in stored else stored


def refuse_other_sites(request: Request) -> None:
    """Raise InvalidRequest (403) for a form that another site's page sends here."""
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise InvalidRequest("This request came from another site.", status=403)


async def _raw(request: Request) -> dict[str, Any]:
    """Return the body as nested dicts of strings, whether it came as JSON or as a form."""
    body = (await request.body()).decode("utf-8", "replace")
    if not body:
        return {}
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return forms.parse(body)
    try:
        parsed = json.loads(body)
    except ValueError:
        raise InvalidRequest("The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if isinstance(parsed.get("object"), dict):
        parsed["object"] = json.dumps(parsed["object"])
    return {name: _as_form(value) for name, value in parsed.items() if value is not None}


def _as_form(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return {str(number): _as_form(each) for number, each in enumerate(value)}
    if isinstance(value, dict):
        return {name: _as_form(each) for name, each in value.items()}
    return str(value)


def _said(answer: Any) -> str:
    if "error" in answer:
        return str(answer["error"]["message"])
    if "object" in answer and "id" in answer:
        return f"{answer['object']} {answer['id']}: {answer.get('status', 'done')}"
    return ", ".join(f"{name}: {value}" for name, value in answer.items() if not isinstance(value, (dict, list)))
