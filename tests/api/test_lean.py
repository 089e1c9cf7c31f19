"""The lean handler answers as Django's does, byte for byte, and hands on what is odd."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from billing.models import Wallet
from generator.models import Generation
from tests.api.answers import GENERATE, STATUS
from tests.billing.books import audit
from tests.conftest import Api

pytestmark = pytest.mark.services

ASYNC = {"prompt": "a lighthouse", "async": True}
Handler = Callable[..., Awaitable[None]]


def ask(handler: Any, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    """Send requests one after the other to an ASGI application, on one event loop."""

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=handler)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(send())


@pytest.fixture
def lean() -> Handler:
    from reveweb.asgi import application  # only now: it wants the static files to be there

    return application


@pytest.fixture
def django() -> Handler:
    from reveweb.asgi import held

    return held


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of what the lean handler handed on."""
    from reveweb import asgi

    paths: list[str] = []
    held: Any = asgi.held

    async def note(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await held(scope, receive, send)

    monkeypatch.setattr(asgi, "held", note)
    return paths


def seen(answer: httpx.Response) -> tuple[Any, ...]:
    """What two answers to the same request have in common."""
    headers = dict(answer.headers.raw)
    assert len(headers) == len(answer.headers.raw)
    assert headers.pop(b"X-Request-Id")
    return answer.status_code, headers, re.sub(rb"img_\w{24}", b"img_...", answer.content)


def with_key(secret: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", **{name.replace("_", "-"): value for name, value in headers.items()}}


# Name: what is sent, and whether the lean handler answers it itself.
REQUESTS: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "asynchronous": ("POST", GENERATE[0], {"json": ASYNC}, True),
    "from a browser": ("POST", GENERATE[0], {"json": ASYNC, "headers": {"Origin": "https://example.com"}}, True),
    "with all fields": (
        "POST",
        GENERATE[0],
        {"json": {**ASYNC, "negative_prompt": "rain", "aspect_ratio": "16:9", "more": 1}},
        True,
    ),
    "in another charset's name": (
        "POST",
        GENERATE[0],
        {"content": json.dumps(ASYNC), "headers": {"Content-Type": "application/json; charset=latin-1"}},
        True,
    ),
    "with a query": ("POST", f"{GENERATE[0]}?a=b", {"json": ASYNC}, True),
    "with an idempotency key": (
        "POST",
        GENERATE[0],
        {"json": ASYNC, "headers": {"Idempotency-Key": "one"}},
        True,
    ),
    "of no image": ("GET", f"{STATUS[0]}img_1", {}, True),
    "of nonsense": ("GET", f"{STATUS[0]}%20%00", {}, True),
    "the other path": ("POST", GENERATE[1], {"json": ASYNC}, False),
    "a slash more": ("POST", f"{GENERATE[0]}/", {"json": ASYNC}, False),
    "another method": ("PUT", GENERATE[0], {"json": ASYNC}, False),
    "a preflight": (
        "OPTIONS",
        GENERATE[0],
        {"headers": {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}},
        False,
    ),
    "without a key": ("POST", GENERATE[0], {"json": ASYNC, "headers": {"Authorization": ""}}, False),
    "with an unknown key": ("POST", GENERATE[0], {"json": ASYNC, "headers": {"Authorization": "Bearer rv_x"}}, False),
    "without a body": ("POST", GENERATE[0], {}, False),
    "no JSON": ("POST", GENERATE[0], {"content": b"{", "headers": {"Content-Type": "application/json"}}, False),
    "no object": ("POST", GENERATE[0], {"json": []}, False),
    "a form": ("POST", GENERATE[0], {"data": {"prompt": "x"}}, False),
    "no prompt": ("POST", GENERATE[0], {"json": {"prompt": " "}}, False),
    "a wrong type": ("POST", GENERATE[0], {"json": {**ASYNC, "async": "yes"}}, False),
    "too large": ("POST", GENERATE[0], {"json": {"prompt": "x" * 70_000}}, False),
    "an odd idempotency key": ("POST", GENERATE[0], {"json": ASYNC, "headers": {"Idempotency-Key": "a b"}}, False),
    "a malformed host": ("POST", GENERATE[0], {"json": ASYNC, "headers": {"Host": "a_b.example"}}, False),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_both_answer_the_same(
    api: Api, wallet: Wallet, lean: Handler, django: Handler, passed_on: list[str], unlogged: None, name: str
) -> None:
    method, path, options, is_lean = REQUESTS[name]
    sent = options | {"headers": with_key(api.secret) | options.get("headers", {})}
    [theirs] = ask(django, (method, path, sent))
    charged = 3 - audit(wallet)
    Generation.objects.update(idempotency_key=None)
    [ours] = ask(lean, (method, path, sent))
    assert bool(passed_on) != is_lean
    status, headers, body = seen(theirs)
    if charged:  # the second time there is one less of each
        for name in (b"X-Credits-Remaining", b"RateLimit-Remaining"):
            headers[name] = str(int(headers[name]) - 1).encode()
    assert seen(ours) == (status, headers, body)
    assert audit(wallet) == 3 - 2 * charged
    assert ours.headers["X-Request-Id"] != theirs.headers["X-Request-Id"]
