"""The lean handler answers as Django's does, byte for byte, and hands on what is odd."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from accounts import keys
from accounts.models import ApiKey, User
from billing.models import Wallet
from generator.ask import admission, callers
from generator.models import Generation, Group
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
    body = re.sub(rb"img_\w{24}", b"img_...", answer.content)
    return answer.status_code, headers, re.sub(rb"req_\w{24}", b"req_...", body)


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
    "preferring not to": (
        "POST",
        GENERATE[0],
        {"json": {"prompt": "a lighthouse"}, "headers": {"Prefer": "respond-async"}},
        True,
    ),
    "for too many": ("POST", GENERATE[0], {"json": {**ASYNC, "n": 11}}, False),
    "with a deadline": ("POST", GENERATE[0], {"json": {**ASYNC, "deadline_seconds": 60}}, True),
    "only for the price": ("POST", GENERATE[0], {"json": {**ASYNC, "dry_run": True}}, True),
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
    Group.objects.update(idempotency_key=None)
    [ours] = ask(lean, (method, path, sent))
    assert bool(passed_on) != is_lean
    status, headers, body = seen(theirs)
    if charged:  # the second time there is one less of each
        for header in (b"X-Credits-Remaining", b"RateLimit-Remaining"):
            headers[header] = str(int(headers[header]) - 1).encode()
    assert seen(ours) == (status, headers, body)
    assert audit(wallet) == 3 - 2 * charged
    assert ours.headers["X-Request-Id"] != theirs.headers["X-Request-Id"]


# --- At the same time ------------------------------------------------------------------------------------------


def test_whoever_is_over_the_limit_holds_up_nobody(
    api: Api, wallet: Wallet, bob: User, lean: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls with an Idempotency-Key look again after a moment; no thread that others need waits with them."""
    ApiKey.objects.filter(pk=api.key.pk).update(rate_limit=1)
    _, bobs = keys.mint(user=bob, name="test")
    monkeypatch.setattr(admission, "MOMENT", 1.5)
    ended: list[str] = []

    async def send() -> list[int]:
        async def one(client: httpx.AsyncClient, name: str, method: str, path: str, **options: Any) -> int:
            answer = await client.request(method, path, **options)
            ended.append(name)
            return answer.status_code

        transport = httpx.ASGITransport(app=lean)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await one(client, "first", "POST", GENERATE[0], json=ASYNC, headers=with_key(api.secret))
            over = [
                one(client, "over", "POST", GENERATE[0], json=ASYNC, headers=with_key(api.secret, Idempotency_Key=key))
                for key in "abcdefghijklmnopqrst"
            ]
            strangers = one(client, "stranger", "GET", f"{STATUS[0]}img_1", headers=with_key(bobs))
            return await asyncio.gather(*over, strangers)

    assert asyncio.run(send()) == [429] * 20 + [404]
    assert ended[1] == "stranger"


@pytest.mark.parametrize("stop", ["revoked", "suspended"])
def test_a_key_that_was_stopped_is_refused_on_the_next_request(
    api: Api, wallet: Wallet, alice: User, lean: Handler, unlogged: None, stop: str
) -> None:
    made = ask(lean, ("POST", GENERATE[0], {"json": ASYNC, "headers": with_key(api.secret)}))[0].json()["id"]
    if stop == "revoked":
        keys.revoke(api.key)
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    assert callers.remembered(api.secret)
    calls = [("GET", f"{STATUS[0]}{made}", {}), ("POST", GENERATE[0], {"json": ASYNC})]
    for method, path, options in calls:
        [answer] = ask(lean, (method, path, options | {"headers": with_key(api.secret)}))
        assert answer.status_code == 401
        assert "X-Credits-Remaining" not in answer.headers
    assert audit(wallet) == 2


def test_a_refusal_tells_what_is_left_now_and_not_a_moment_ago(
    api: Api, wallet: Wallet, lean: Handler, unlogged: None
) -> None:
    calls = [("POST", GENERATE[0], {"json": ASYNC, "headers": with_key(api.secret)})] * 4
    answers = ask(lean, *calls)
    assert [answer.status_code for answer in answers] == [202, 202, 202, 402]
    assert [answer.headers["X-Credits-Remaining"] for answer in answers] == ["2", "1", "0", "0"]


def test_somebody_who_hangs_up_is_not_waited_for(api: Api, wallet: Wallet, lean: Handler) -> None:
    async def call() -> list[Any]:
        body = json.dumps({"prompt": "a lighthouse"}).encode()
        messages = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(0)
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {api.secret}".encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": GENERATE[0],
            "query_string": b"",
            "headers": [*headers, (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
        }
        async with asyncio.timeout(10):
            await lean(scope, receive, send)
        return sent

    assert asyncio.run(call()) == []


def test_a_body_that_comes_in_pieces_is_put_together_for_both(
    api: Api, wallet: Wallet, lean: Handler, unlogged: None
) -> None:
    async def pieces(body: bytes) -> Any:
        for start in range(0, len(body), 7_000):
            yield body[start : start + 7_000]

    for words, status in [("x" * 3_000, 202), ("x" * 20_000, 422), ("x" * 200_000, 413)]:

        async def send(words: str = words) -> httpx.Response:
            transport = httpx.ASGITransport(app=lean)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                content = pieces(json.dumps({**ASYNC, "prompt": words}).encode())
                headers = with_key(api.secret, Content_Type="application/json")
                return await client.post(GENERATE[0], content=content, headers=headers)

        assert asyncio.run(send()).status_code == status
