"""The event stream: what an open page is told about its account, and what it costs."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient

from accounts.models import User
from billing.models import Account
from generator import lifecycle, stream
from generator.models import Generation
from generator.stream import Watch


def parse(events: list[str] | None) -> list[tuple[str, dict[str, Any]]]:
    assert events is not None
    pairs = [event.strip().split("\n") for event in events]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def test_the_first_look_tells_what_is_unfinished_and_the_balance(
    account: Account, draw: Callable[..., Generation]
) -> None:
    draw()
    waiting = draw(until="queued")
    events = parse(Watch(account.pk).news())
    assert [name for name, _ in events] == ["generation", "ready", "balance"]
    assert events[0][1]["id"] == waiting.public_id
    assert events[0][1]["status"] == "pending"
    assert events[0][1]["stage"] == "queued"
    assert events[2][1] == {"balance": 51}


def test_each_change_is_told_once(account: Account, draw: Callable[..., Generation]) -> None:
    watch = Watch(account.pk)
    watch.news()
    generation = draw(until="queued")
    told = parse(watch.news())
    assert [name for name, _ in told] == ["generation", "balance"]
    assert watch.news() == []
    lifecycle.fail(generation, code="upstream_failed", message="The brush broke.")
    told = parse(watch.news())
    assert [name for name, _ in told] == ["generation", "balance"]
    assert told[0][1]["status"] == "failed"
    assert "The brush broke." in told[0][1]["html"]
    assert watch.news() == []


def test_an_image_is_told_with_its_card(account: Account, draw: Callable[..., Generation]) -> None:
    watch = Watch(account.pk)
    watch.news()
    generation = draw()
    (_, body), *_rest = parse(watch.news())
    assert body["status"] == "completed"
    assert body["stage"] is None
    assert body["studio"] is True
    assert generation.file_token in body["html"]


def test_an_old_unfinished_image_is_not_forgotten_behind_many_new_ones(
    account: Account, draw: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WINDOW", 3)
    old = draw("old", until="drawing")
    watch = Watch(account.pk)
    watch.news()
    for _ in range(4):
        draw("new")
    watch.news()
    lifecycle.fail(old, code="upstream_failed", message="late")
    assert [body["id"] for name, body in parse(watch.news()) if name == "generation"] == [old.public_id]
    assert watch.news() == []


def test_a_strangers_images_are_never_told(bob: User, draw: Callable[..., Generation]) -> None:
    stranger = Account.objects.create(user=bob)
    watch = Watch(stranger.pk)
    watch.news()
    draw()
    assert watch.news() == []


def test_silence_costs_two_queries(
    account: Account, draw: Callable[..., Generation], django_assert_num_queries: Any
) -> None:
    draw(until="drawing")
    watch = Watch(account.pk)
    watch.news()
    with django_assert_num_queries(2):
        assert watch.news() == []


def test_a_suspended_person_is_told_nothing_more(account: Account, alice: User) -> None:
    watch = Watch(account.pk)
    watch.news()
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert watch.news() is None


def test_nobody_is_turned_away(db: None) -> None:
    async def status() -> int:
        return (await AsyncClient().get("/events/")).status_code

    assert asyncio.run(status()) == 401


def test_a_page_hears_of_its_account(alice: User, account: Account, generation: Generation) -> None:
    async def listen() -> tuple[Any, str]:
        client = AsyncClient()
        await client.aforce_login(alice)
        response: Any = await client.get("/events/")
        heard = ""
        stream_ = aiter(response.streaming_content)
        while "event: balance" not in heard:
            heard += (await asyncio.wait_for(anext(stream_), 10)).decode()
        await stream_.aclose()
        return response, heard

    response, heard = asyncio.run(listen())
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-cache"
    assert response["X-Accel-Buffering"] == "no"
    assert generation.public_id in heard
    assert 'data: {"balance": 2}' in heard


def test_a_silent_stream_shows_that_it_lives_and_ends(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr("generator.live.RECHECK_SECONDS", 0.1)

    async def listen() -> list[str]:
        return [part async for part in stream.events(account.pk, seconds=0.5)]

    parts = asyncio.run(listen())
    assert parts[0] == "retry: 1000\n\n"
    assert ": still here\n\n" in parts
