"""Requests that may wait: nothing between the server and their view puts them on a thread that others share."""

import asyncio
import threading
from collections.abc import AsyncIterator
from inspect import getclosurevars, isfunction
from typing import Any

import httpx
import pytest
from asgiref.sync import AsyncToSync, SyncToAsync, iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import default_storage
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client

from accounts.models import User
from generator.models import Generation
from reveweb.held import HeldHandler
from tests.conftest import Api


def get(*paths: str, headers: dict[str, str] | None = None) -> list[int]:
    """Ask the whole ASGI application, one after the other; return the statuses."""
    from reveweb.asgi import application  # only now: it wants the static files to be there

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
            return [(await client.get(path)).status_code for path in paths]

    return asyncio.run(ask())


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What goes from the loop to one of asgiref's threads, or back, while the test runs."""
    hops: list[Any] = []
    for adapter in (AsyncToSync, SyncToAsync):
        call = adapter.__call__

        def noted(self: Any, *args: Any, call: Any = call, **kwargs: Any) -> Any:
            hops.append(getattr(self, "func", None) or getattr(self, "awaitable", None))
            return call(self, *args, **kwargs)

        monkeypatch.setattr(adapter, "__call__", noted)
    return hops


def test_every_layer_of_the_built_chain_is_async() -> None:
    from reveweb.asgi import held

    layers = [held._middleware_chain]
    while (inner := within(layers[-1])) is not None:
        layers.append(inner)
    assert layers[-1] == held.answer
    assert [layer for layer in layers if not iscoroutinefunction(layer)] == []


def within(layer: Any) -> Any:
    """Return what a layer calls; None for the innermost."""
    if found := getattr(layer, "__wrapped__", None) or getattr(layer, "get_response", None):
        return found
    return getclosurevars(layer).nonlocals.get("get_response") if isfunction(layer) else None


def test_a_layer_that_is_not_async_is_refused(settings: Any) -> None:
    settings.API_MIDDLEWARE = [*settings.API_MIDDLEWARE, "reveweb.middleware.StaticFiles"]
    with pytest.raises(ImproperlyConfigured, match="StaticFiles"):
        HeldHandler()


def test_what_may_wait_takes_no_thread_that_others_share(api: Api, generation: Generation, hops: list[Any]) -> None:
    headers = {"Authorization": f"Bearer {api.secret}"}
    paths = ["/healthz", f"/v1/reve-image/status/{generation.public_id}", "/v1/openapi.json", "/v1/nothing"]
    paths += ["/images/nothing.png", "/shared/nothing/480.webp", "/v1/reve-image/generate", "/events/"]
    assert get(*paths, headers=headers) == [200, 200, 200, 404, 404, 404, 405, 401]
    assert hops == []


def test_a_stream_opens_without_a_shared_thread(alice: User, client: Client, hops: list[Any]) -> None:
    from reveweb.asgi import held

    client.force_login(alice)
    cookie = f"sessionid={client.session.session_key}"
    hops.clear()

    async def listen() -> bytes:
        sent: asyncio.Queue[Any] = asyncio.Queue()
        messages = iter([{"type": "http.request"}])

        async def receive() -> Any:
            if (message := next(messages, None)) is None:
                await asyncio.sleep(60)
            return message

        scope = {"type": "http", "method": "GET", "path": "/events/", "headers": [(b"cookie", cookie.encode())]}
        stream = asyncio.create_task(held(scope, receive, sent.put))
        heard = b""
        while b"event: balance" not in heard:
            heard += (await asyncio.wait_for(sent.get(), 60)).get("body", b"")
        stream.cancel()
        await asyncio.wait({stream})
        return heard

    assert b'data: {"balance": 3}' in asyncio.run(listen())
    assert hops == []


def test_storage_that_stalls_holds_up_only_files(
    api: Api, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reveweb.asgi import application

    back, stalling = threading.Event(), threading.Event()

    def stall(*_: Any) -> None:
        stalling.set()
        back.wait(120)
        raise FileNotFoundError

    monkeypatch.setattr(default_storage, "open", stall)
    headers = {"Authorization": f"Bearer {api.secret}"}

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
            files = [asyncio.create_task(client.get(f"/images/{number:032}.png")) for number in range(50)]
            assert await asyncio.to_thread(stalling.wait, 60)
            await asyncio.sleep(0.1)  # the others follow
            async with asyncio.timeout(60):
                answers = [
                    await client.get(f"/v1/reve-image/status/{generation.public_id}"),
                    await client.get("/healthz"),
                ]
            back.set()
            return [answer.status_code for answer in (*answers, *await asyncio.gather(*files))]

    assert asyncio.run(ask()) == [200, 200, *[404] * 50]


def test_a_page_that_sends_for_long_keeps_no_connection_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    from reveweb import asgi

    events: list[str] = []
    monkeypatch.setattr(asgi, "let_go", lambda: events.append("let go"))

    async def pieces() -> AsyncIterator[bytes]:
        events.append("piece")
        yield b"piece"

    async def send(message: Any) -> None:
        events.append(message["type"])

    asyncio.run(asgi.pages.send_response(StreamingHttpResponse(pieces()), send))
    assert events[:2] == ["let go", "http.response.start"]
    events.clear()
    asyncio.run(asgi.pages.send_response(HttpResponse(b"page"), send))
    assert "let go" not in events
