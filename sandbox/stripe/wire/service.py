"""One API request, from its bytes to its answer: version, key, parameters, idempotency, the call, expansion."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.stripe import API_VERSION, api
from sandbox.stripe.config import StripeConfig
from sandbox.stripe.engine.world import Cause, World
from sandbox.stripe.state import ids
from sandbox.stripe.wire import expand, forms, idempotency, params, troubles
from sandbox.stripe.wire.errors import CardDeclined, InvalidRequest, StripeError, Unauthorized
from sandbox.stripe.wire.idempotency import Answer
from sandbox.stripe.wire.troubles import Trouble

_MOST_BYTES = 1024 * 1024


class Service:
    """Answers everything under /v1/ that belongs to Stripe."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, request: Request) -> Response:
        """Answer one request; errors are Stripe's JSON."""
        identity = ids.new("request")
        headers = {"Request-Id": identity, "Stripe-Version": API_VERSION, "X-Simulated": "true"}
        key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        if key:
            headers["Idempotency-Key"] = key
        try:
            raw = await _parameters(request)
            _authorize(request.headers.get("authorization", ""), self._world.config)
            _check_version(request.headers.get("stripe-version", ""))
            trouble = troubles.next_one(self._world.store)
            if trouble is None:
                answer, replayed = self._perform(request, raw, Cause(identity, key))
            else:
                answer, replayed = await self._go_wrong(trouble, request, raw, Cause(identity, key)), False
                headers["Stripe-Should-Retry"] = str(not trouble.kept).lower()
            if replayed:
                headers["Idempotent-Replayed"] = "true"
        except StripeError as error:
            answer = Answer(error.status, _dump(error.body()))
        return Response(answer.body, answer.status, headers, media_type="application/json")

    async def _go_wrong(self, trouble: Trouble, request: Request, raw: dict[str, Any], cause: Cause) -> Answer:
        """Return what a call is answered with that is to fail."""
        if trouble.performed:
            self._perform(request, raw, cause)
        error = troubles.Broken(trouble.status)
        answer = Answer(error.status, _dump(error.body()))
        if trouble.kept:
            with self._world.transaction(cause):
                self._remember(cause.idempotency_key, idempotency.digest(request.url.path, raw), answer)
        await asyncio.sleep(trouble.seconds)
        return answer

    def _perform(self, request: Request, raw: dict[str, Any], cause: Cause) -> tuple[Answer, bool]:
        world, path, key = self._world, request.url.path, cause.idempotency_key
        call, identity = api.calls().find(request.method, path)
        fingerprint = idempotency.digest(path, raw)
        if key and (known := idempotency.recall(world.store, key, fingerprint, now=world.now())):
            return known, True
        given = params.read(call.accepts(), raw)
        paths = given.pop("expand", None) or []
        try:
            with world.transaction(cause):
                world.seen_at(f"{request.url.scheme}://{request.url.netloc}")
                stored = call.answer(world, identity, given)
                answer = Answer(200, _dump(expand.render(world, stored, paths)))
                self._remember(key, fingerprint, answer)
        except CardDeclined as error:  # an outcome, so that the same key gets it again
            answer = Answer(error.status, _dump(error.body()))
            self._remember(key, fingerprint, answer)
        return answer, False

    def _remember(self, key: str, fingerprint: str, answer: Answer) -> None:
        if key:
            idempotency.remember(self._world.store, key, fingerprint, answer, now=self._world.now())


async def _parameters(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        return forms.parse(request.url.query)
    if int(request.headers.get("content-length") or 0) > _MOST_BYTES:
        raise InvalidRequest("The request is too large.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and kind != "application/x-www-form-urlencoded":
        raise InvalidRequest(f"Invalid request: send application/x-www-form-urlencoded, not {kind or 'nothing'}.")
    return forms.parse(body.decode("utf-8", "replace"))


def _authorize(header: str, config: StripeConfig) -> None:
    """Accept `Bearer` or `Basic` with a test key. Raises Unauthorized."""
    scheme, _, value = header.partition(" ")
    key = value.strip()
    if scheme.lower() == "basic":
        key = _user(key)
    if not key:
        raise Unauthorized("You did not provide an API key, as a Bearer token in the Authorization header.")
    if key.startswith(("sk_live", "rk_live")):
        raise Unauthorized("This is reveweb's sandbox, not Stripe. It refuses live keys; never send one here.")
    if not key.startswith("sk_test_") or (config.key and not hmac.compare_digest(key.encode(), config.key.encode())):
        raise Unauthorized(f"Invalid API Key provided: {key[:8]}{'*' * 8}")


def _user(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _check_version(version: str) -> None:
    if version not in ("", API_VERSION):
        raise InvalidRequest(f"Invalid Stripe API version: {version}. The sandbox serves {API_VERSION} only.")


def _dump(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)
