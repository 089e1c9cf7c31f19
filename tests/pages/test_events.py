"""The event stream: what an open page is told about its account, and what it costs."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts import sessions
from accounts.models import User
from billing.models import Wallet
from generator import live
from generator.jobs import lifecycle
from generator.library import trash
from generator.models import Generation
from generator.pages import stream
from generator.pages.stream import LogIn, Watch
from kit import wakeups


def parse(events: list[str] | None) -> list[tuple[str, dict[str, Any]]]:
    assert events is not None
    pairs = [event.strip().split("\n") for event in events]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def log_in_of(user: User, client: Client | None = None) -> LogIn:
    client = client or Client()
    client.force_login(user)
    assert client.session.session_key
    return LogIn(client.session.session_key, user.get_session_auth_hash())


def watch_of(wallet: Wallet, client: Client | None = None) -> Watch:
    return Watch(wallet.pk, log_in_of(wallet.user, client))


def test_the_first_look_tells_what_is_unfinished_and_the_balance(
    wallet: Wallet, draw: Callable[..., Generation]
) -> None:
    draw()
    waiting = draw(until="queued")
    events = parse(watch_of(wallet).news())
    assert [name for name, _ in events] == ["generation", "ready", "balance"]
    assert events[0][1]["id"] == waiting.public_id
    assert events[0][1]["status"] == "pending"
    assert events[0][1]["stage"] == "queued"
    assert events[2][1] == {"balance": 51}


def test_each_change_is_told_once(wallet: Wallet, draw: Callable[..., Generation]) -> None:
    watch = watch_of(wallet)
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


def test_an_image_is_told_with_its_card(wallet: Wallet, draw: Callable[..., Generation]) -> None:
    watch = watch_of(wallet)
    watch.news()
    generation = draw()
    (_, body), *_rest = parse(watch.news())
    assert body["status"] == "completed"
    assert body["stage"] is None
    assert body["studio"] is True
    assert generation.file_token in body["html"]


def test_what_was_deleted_is_taken_down_and_what_was_taken_back_put_up(
    wallet: Wallet, draw: Callable[..., Generation]
) -> None:
    generation = draw()
    watch = watch_of(wallet)
    watch.news()
    trash.discard(wallet, [generation.public_id])
    assert parse(watch.news()) == [("generation", {"id": generation.public_id, "status": "deleted"})]
    assert watch.news() == []
    trash.restore(wallet, [generation.public_id])
    ((name, body),) = parse(watch.news())
    assert (name, body["status"]) == ("generation", "completed")
    assert generation.file_token in body["html"]


def test_what_came_and_went_between_two_looks_is_not_told(wallet: Wallet, draw: Callable[..., Generation]) -> None:
    watch = watch_of(wallet)
    watch.news()
    trash.discard(wallet, [draw().public_id])
    assert [name for name, _ in parse(watch.news())] == ["balance"]


def test_an_old_unfinished_image_is_not_forgotten_behind_many_new_ones(
    wallet: Wallet, draw: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WINDOW", 3)
    old = draw("old", until="drawing")
    watch = watch_of(wallet)
    watch.news()
    for _ in range(4):
        draw("new")
    watch.news()
    lifecycle.fail(old, code="upstream_failed", message="late")
    assert [body["id"] for name, body in parse(watch.news()) if name == "generation"] == [old.public_id]
    assert watch.news() == []


def test_a_strangers_images_are_never_told(bob: User, draw: Callable[..., Generation]) -> None:
    stranger = Wallet.objects.create(user=bob)
    watch = watch_of(stranger)
    watch.news()
    draw()
    assert watch.news() == []


def test_silence_costs_three_queries(
    wallet: Wallet, draw: Callable[..., Generation], django_assert_num_queries: Any
) -> None:
    draw(until="drawing")
    watch = watch_of(wallet)
    watch.news()
    with django_assert_num_queries(3):
        assert watch.news() == []


def test_a_suspended_person_is_told_nothing_more(wallet: Wallet, alice: User) -> None:
    watch = watch_of(wallet)
    watch.news()
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert watch.news() is None


def test_after_logging_out_nothing_more_is_told(
    wallet: Wallet, client: Client, draw: Callable[..., Generation]
) -> None:
    elsewhere, here = watch_of(wallet), watch_of(wallet, client)
    assert here.news()
    assert elsewhere.news()
    client.post("/accounts/logout/")
    draw("a secret")
    assert here.news() is None
    assert elsewhere.news()


def test_a_browser_that_another_one_logged_out_is_told_nothing_more(wallet: Wallet) -> None:
    there, here = Client(), Client()
    watches = [watch_of(wallet, there), watch_of(wallet, here)]
    for browser in (there, here):
        key = browser.session.session_key
        UserSession.objects.create(user=wallet.user, session_key=key, ip="127.0.0.1", user_agent="")
    assert all(watch.news() for watch in watches)
    here.post("/account/sessions/end-others/")
    assert [watch.news() for watch in watches] == [None, []]


def test_a_new_password_ends_what_the_old_one_opened(wallet: Wallet, alice: User) -> None:
    watch = watch_of(wallet)
    assert watch.news()
    alice.set_password("a whole new battery")
    alice.save()
    assert watch.news() is None


def test_an_expired_session_is_told_nothing_more(wallet: Wallet) -> None:
    watch = watch_of(wallet)
    assert watch.news()
    Session.objects.update(expire_date=timezone.now())
    assert watch.news() is None


def test_a_session_that_is_somebody_elses_is_told_nothing(wallet: Wallet, alice: User, bob: User) -> None:
    session_key = log_in_of(bob).session_key
    assert Watch(wallet.pk, LogIn(session_key, alice.get_session_auth_hash())).news() is None


@pytest.mark.parametrize("address", ["/accounts/logout/", "/account/sessions/end-others/"])
def test_open_pages_are_woken_when_a_browser_is_logged_out(
    browser: Client, wallet: Wallet, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    woken: list[str] = []
    left: list[bool] = []

    def publish(*topics: str) -> None:
        woken.extend(topics)
        left.append(sessions.is_logged_in(key or "", wallet.user))

    key = browser.session.session_key if "logout" in address else None
    monkeypatch.setattr(wakeups, "publish", publish)
    browser.post(address)
    assert woken == [wakeups.wallet_topic(wallet.pk)]
    assert left == [False]  # not before the session is gone: else they would find nothing amiss


def test_an_idle_stream_ends_within_15_seconds_of_logging_out() -> None:
    assert stream.HEARTBEAT_SECONDS + live.RECHECK_SECONDS < 15


def test_an_open_stream_ends_when_its_browser_logs_out(
    alice: User, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr("generator.live.RECHECK_SECONDS", 0.1)

    async def listen() -> None:
        client = AsyncClient()
        await client.aforce_login(alice)
        response: Any = await client.get("/events/")
        parts = aiter(response.streaming_content)
        while b"event: balance" not in await anext(parts):
            pass
        await client.post("/accounts/logout/")
        async with asyncio.timeout(10):
            async for _ in parts:
                pass

    asyncio.run(listen())


def test_nobody_is_turned_away(db: None) -> None:
    async def status() -> int:
        return (await AsyncClient().get("/events/")).status_code

    assert asyncio.run(status()) == 401


def test_a_page_hears_of_its_account(alice: User, wallet: Wallet, generation: Generation) -> None:
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


def test_a_silent_stream_shows_that_it_lives_and_ends(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr("generator.live.RECHECK_SECONDS", 0.1)
    log_in = log_in_of(wallet.user)

    async def listen() -> list[str]:
        return [part async for part in stream.events(wallet.pk, log_in, seconds=0.5)]

    parts = asyncio.run(listen())
    assert parts[0] == "retry: 1000\n\n"
    assert ": still here\n\n" in parts
