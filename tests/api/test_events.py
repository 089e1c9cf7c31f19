"""`GET /v1/reve-image/{id}/events`: how an image stands, and each change until it has ended."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from django.utils import timezone

from accounts import keys, tokens
from accounts.models import ApiKey, BrowserToken, User
from billing import ledger
from billing.models import Wallet
from generator import live
from generator.api import events
from generator.ask import admission, callers, prices
from generator.ask.admission import ImageRequest
from generator.ask.callers import Caller
from generator.errors import RateLimited
from generator.jobs import lifecycle, places
from generator.models import Generation
from kit.threads import in_thread
from reveweb.openapi import document
from tests.api import described
from tests.api.answers import assert_error
from tests.conftest import Api
from tests.driver import working

pytestmark = pytest.mark.services
Serve = Callable[..., httpx.Response]
MOST = 60.0  # seconds for what is to come at once: a stream that goes on does so for ten minutes


def read(text: str) -> list[Any]:
    """What a stream told, without what keeps it alive."""
    parts = [part for part in text.split("\n\n") if part and not part.startswith((":", "retry:"))]
    assert all(part.startswith("event: status\ndata: ") for part in parts)
    return [json.loads(part.partition("data: ")[2]) for part in parts]


def caller_of(api: Api) -> Caller:
    return callers.look_up(api.secret, None)


async def tell(generation: Generation) -> dict[str, Any]:
    body: dict[str, Any] = {"status": "pending", "stage": generation.status}
    if generation.is_final:
        return {"status": generation.status}
    place = await places.place_soon(generation)
    return body | ({"queue_position": place} if place else {})


@pytest.mark.usefixtures("images", "sandbox")
def test_it_tells_each_stage_and_ends_with_the_image(serve: Serve, generation: Generation) -> None:
    with working():
        answer = serve("GET", f"/v1/reve-image/{generation.public_id}/events")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert answer.text.startswith("retry: ")
    told = read(answer.text)
    stages = [one.get("stage", one["status"]) for one in told]
    assert stages[-1] == "completed"
    assert list(dict.fromkeys(stages)) == [
        one for one in ("queued", "submitting", "drawing", "completed") if one in stages
    ]
    assert told[-1] == serve("GET", f"/v1/reve-image/{generation.public_id}").json()
    whole = document("http://testserver")
    for one in told:
        described.check(whole, whole["components"]["schemas"]["Image"], one)


def test_what_has_ended_is_told_once(serve: Serve, generation: Generation) -> None:
    lifecycle.cancel(generation)
    [told] = read(serve("GET", f"/v1/reve-image/{generation.public_id}/events/").text)
    assert told["error"]["code"] == "cancelled"


def test_whoever_asks_for_the_headers_waits_for_nothing(serve: Serve, generation: Generation) -> None:
    began = time.monotonic()
    head = serve("HEAD", f"/v1/reve-image/{generation.public_id}/events")
    assert (head.status_code, head.headers["Content-Type"], head.content) == (200, "text/event-stream", b"")
    assert time.monotonic() - began < MOST


def test_it_is_for_those_who_may_look(api: Api, generation: Generation, bob: User) -> None:
    path = f"/v1/reve-image/{generation.public_id}/events"
    assert_error(api.get("/v1/reve-image/img_1/events"), 404, "not_found")
    api.secret = keys.mint(user=bob, name="test")[1]
    assert_error(api.get(path), 404, "not_found")
    ApiKey.objects.update(scopes=["account"])
    assert_error(api.get(path), 403, "scope_missing")


async def gather(stream: AsyncIterator[str], into: list[str]) -> None:
    async for piece in stream:
        into.append(piece)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(MOST):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["deleted", "own end"])
def test_it_ends_with_its_browser_token(
    api: Api, generation: Generation, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    token, _ = tokens.mint(api.key, origin="https://app.example.com", seconds=600, credit_cap=2)
    caller = Caller(api.key, generation.wallet, token)
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.1)

    async def watch() -> None:
        stream = asyncio.create_task(gather(events.of(generation, caller, tell), []))
        await asyncio.sleep(0.5)
        assert not stream.done()
        if how == "deleted":
            await in_thread(lambda: tokens.revoke(api.key, token.prefix))
        else:
            await in_thread(lambda: BrowserToken.objects.update(expires_at=timezone.now()))
        await asyncio.wait_for(stream, MOST)

    asyncio.run(watch())


def test_it_ends_with_its_key_with_its_time_and_with_the_process(
    api: Api, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = caller_of(api)
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)

    async def watch() -> tuple[list[str], float]:
        revoked: list[str] = []
        stream = asyncio.create_task(gather(events.of(generation, caller, tell), revoked))
        await until(lambda: ": still here\n\n" in revoked)
        await asyncio.sleep(0.2)
        assert not stream.done()
        await in_thread(lambda: ApiKey.objects.update(revoked_at=timezone.now()))
        await asyncio.wait_for(stream, MOST)
        await in_thread(lambda: ApiKey.objects.update(revoked_at=None))
        began = time.monotonic()
        await gather(events.of(generation, caller, tell, seconds=0.3), [])
        took = time.monotonic() - began
        closed: list[str] = []
        stream = asyncio.create_task(gather(events.of(generation, caller, tell), closed))
        await until(lambda: read("".join(closed)))
        events.close()
        await asyncio.wait_for(stream, MOST)
        return revoked, took

    told, took = asyncio.run(watch())
    assert ": still here\n\n" in told
    assert len(read("".join(told))) == 1
    assert 0.3 <= took < MOST


def test_a_lost_wake_up_and_a_new_place_cost_a_moment(
    api: Api, generation: Generation, wallet: Wallet, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.1)
    monkeypatch.setattr(places, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(places, "REST", 0)
    caller = caller_of(api)
    before = admission.admit(wallet=ledger.wallet_of(bob.pk), request=ImageRequest(prompt="x")).generation
    Generation.objects.filter(pk=before.pk).update(is_awaited=True)
    Generation.objects.filter(pk=generation.pk).update(is_awaited=False)

    async def watch() -> list[Any]:
        told: list[str] = []
        stream = asyncio.create_task(gather(events.of(generation, caller, tell), told))
        await until(lambda: read("".join(told)))
        quietly = Generation.objects.filter(pk=before.pk)
        await in_thread(lambda: quietly.update(status="failed"))  # as if nobody had been told
        await until(lambda: len(read("".join(told))) > 1)
        await in_thread(lambda: lifecycle.cancel(generation))
        await asyncio.wait_for(stream, MOST)
        return read("".join(told))

    assert [one.get("queue_position") for one in asyncio.run(watch())] == [2, 1, None]


def test_two_hundred_streams_hold_no_thread_and_cost_few_queries(
    api: Api,
    wallet: Wallet,
    give: Callable[[int], None],
    statements: list[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 1000
    monkeypatch.setattr(prices, "CACHE_SECONDS", 600)
    monkeypatch.setattr(places, "CACHE_SECONDS", 600)
    give(200)
    wallet.rate_limit = 1000
    images = [
        one
        for _ in range(20)
        for one in admission.admit(wallet=wallet, request=ImageRequest(prompt="x", count=10)).generations
    ]
    caller = caller_of(api)

    async def watch() -> tuple[int, int, int, list[list[str]]]:
        told: list[list[str]] = [[] for _ in images]
        threads = threading.active_count()
        streams = [
            asyncio.create_task(gather(events.of(one, caller, tell), into))
            for one, into in zip(images, told, strict=True)
        ]
        while not all(read("".join(one)) for one in told):
            await asyncio.sleep(0.05)
        opened = threading.active_count() - threads
        statements.clear()
        await asyncio.sleep(3 * live.RECHECK_SECONDS)
        idle = len(statements)
        statements.clear()
        await in_thread(lambda: lifecycle.cancel(images[0]))
        await asyncio.wait_for(streams[0], MOST)
        changed = len([one for one in statements if one.startswith("SELECT")])
        for stream in streams:
            stream.cancel()
        return opened, idle, changed, told

    opened, idle, changed, told = asyncio.run(watch())
    assert opened <= 8  # the pool's own, however many streams there are
    assert idle <= 8
    assert changed <= 30
    assert all(len(read("".join(one))) == 1 for one in told[1:])


async def crowd(*callers: Caller) -> list[bool]:
    """Whether each of them finds a place; none is left."""
    taken: list[bool] = []
    for caller in callers:
        try:
            await events.take_place(caller)
            taken.append(True)
        except RateLimited:
            taken.append(False)
    return taken


def test_nobody_opens_any_number(api: Api, settings: Any, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAMS_OF_ONE_ACCOUNT", 3)
    assert asyncio.run(crowd(*[caller_of(api)] * 4)) == [True, True, True, False]
    monkeypatch.setattr(events, "STREAMS_OF_ONE_ACCOUNT", 300)
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 2
    assert asyncio.run(crowd(*[caller_of(api)] * 4)) == [True, True, False, False]


def test_browser_tokens_have_a_few_places_and_take_none_of_their_accounts(
    api: Api, settings: Any, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 1000
    by_key = caller_of(api)
    minted = [tokens.mint(api.key, origin="https://app.example.com", seconds=600, credit_cap=2)[0] for _ in range(3)]
    one, two, three = (Caller(api.key, wallet, token) for token in minted)
    monkeypatch.setattr(events, "STREAMS_OF_ONE_ACCOUNT", 5)
    monkeypatch.setattr(events, "STREAMS_OF_ONE_TOKEN", 2)

    async def stories() -> None:
        assert await crowd(one, one, one) == [True, True, False]
        assert await crowd(two, two, two) == [True, True, False]
        assert await crowd(three, three) == [True, False]  # all tokens together have as many as an account
        assert await crowd(*[by_key] * 6) == [True] * 5 + [False]

    asyncio.run(stories())

    async def comes_and_goes() -> None:
        for _ in range(4):
            (await events.take_place(one))()
        assert events.open_streams() == 0
        assert not events._board().of_tokens

    asyncio.run(comes_and_goes())
