"""The event stream: what an open page is told about its account, and what it costs."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
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
from kit.threads import in_thread


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
    assert stream.CHECK_SECONDS + live.RECHECK_SECONDS < 15


def test_an_open_stream_ends_when_its_browser_logs_out(
    alice: User, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(wakeups, "publish", lambda *topics: None)

    async def listen() -> None:
        client = AsyncClient()
        await client.aforce_login(alice)
        response: Any = await client.get("/events/")
        parts = aiter(response.streaming_content)
        while b"event: balance" not in await anext(parts):
            pass
        await client.post("/accounts/logout/")
        async with asyncio.timeout(60):
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
            heard += (await asyncio.wait_for(anext(stream_), 60)).decode()
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
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    log_in = log_in_of(wallet.user)

    async def listen() -> list[str]:
        async with asyncio.timeout(60), contextlib.aclosing(stream.events(wallet.pk, log_in)) as parts:
            while await anext(parts) != ": still here\n\n":
                pass
        return [part async for part in stream.events(wallet.pk, log_in, seconds=0.3)]

    assert re.fullmatch(r"retry: [1-4][0-9]{3}\n\n", asyncio.run(listen())[0])


# --- Many at once


class Pages:
    """Open pages of one event loop, each with a stream."""

    def __init__(self, log_ins: list[tuple[int, LogIn]]) -> None:
        self.heard = ["" for _ in log_ins]
        self.tasks = [asyncio.create_task(self.listen(number, *one)) for number, one in enumerate(log_ins)]

    async def listen(self, number: int, wallet_id: int, log_in: LogIn) -> None:
        async for part in stream.events(wallet_id, log_in):
            self.heard[number] += part

    async def all_hear(self, words: str) -> None:
        async with asyncio.timeout(60):
            while not all(words in heard for heard in self.heard):
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
def log_ins(wallet: Wallet) -> list[tuple[int, LogIn]]:
    """Two hundred pages that Alice has open in as many browsers."""
    auth_hash = wallet.user.get_session_auth_hash()
    found = []
    for _ in range(200):
        session = SessionStore()
        session.update({"_auth_user_id": str(wallet.user_id), "_auth_user_backend": "x", "_auth_user_hash": auth_hash})
        session.create()
        assert session.session_key
        found.append((wallet.pk, LogIn(session.session_key, auth_hash)))
    return found


def test_idle_streams_cost_a_few_queries_for_all_of_them(
    log_ins: list[tuple[int, LogIn]],
    draw: Callable[..., Generation],
    statements: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.2)
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.6)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.3)
    draw(until="drawing")

    async def listen() -> None:
        pages = Pages(log_ins)
        await pages.all_hear("event: balance")
        began = time.monotonic()
        statements.clear()
        await pages.all_hear("still here")
        await asyncio.sleep(1.3)
        while len(statements) <= 5:  # a busy machine gets to them later
            await asyncio.sleep(0.05)
        # One every 0.2 s for the image, two every 0.6 s for the log-ins.
        assert len(statements) < 12 * (time.monotonic() - began)
        await pages.close()

    asyncio.run(listen())


def test_what_happens_is_told_to_all_pages_in_few_queries(
    log_ins: list[tuple[int, LogIn]], draw: Callable[..., Generation], statements: list[str]
) -> None:
    generation = draw(until="drawing")

    async def listen() -> None:
        pages = Pages(log_ins)
        await pages.all_hear("event: balance")
        statements.clear()
        await in_thread(lambda: lifecycle.fail(generation, code="upstream_failed", message="The brush broke."))
        own = len(statements)
        await pages.all_hear("The brush broke.")
        assert len(statements) - own < 20
        await pages.close()

    asyncio.run(listen())


def test_a_lost_wake_up_costs_a_moment(
    wallet: Wallet, draw: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.1)
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.3)
    monkeypatch.setattr(wakeups, "publish", lambda *topics: None)
    drawing, log_in = draw(until="drawing"), log_in_of(wallet.user)

    async def listen() -> None:
        pages = Pages([(wallet.pk, log_in)])
        await pages.all_hear("event: balance")
        await in_thread(lambda: lifecycle.fail(drawing, code="upstream_failed", message="The brush broke."))
        await pages.all_hear("The brush broke.")
        later = await in_thread(lambda: draw("another", until="queued"))
        await pages.all_hear(later.public_id)
        await pages.close()

    asyncio.run(listen())


async def open_streams(browser: Client, count: int) -> list[Any]:
    """Ask for so many streams at once as `browser`."""
    client = AsyncClient()
    client.cookies.load({settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value})
    return await asyncio.gather(*(client.get("/events/") for _ in range(count)))


def test_an_account_has_no_more_than_a_few_streams_however_fast_it_asks(
    browser: Client, strangers_browser: Client
) -> None:
    async def crowd() -> list[Any]:
        answers = await open_streams(browser, 20)
        others = await open_streams(strangers_browser, 1)
        for response in answers:
            response.close()
        again = await open_streams(browser, 1)
        for response in (*others, *again):
            response.close()
        return [*answers, *others, *again]

    answers = asyncio.run(crowd())
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses[:20]) == [200] * stream.STREAMS_OF_ONE_ACCOUNT + [429] * (20 - stream.STREAMS_OF_ONE_ACCOUNT)
    assert statuses[20:] == [200, 200]
    assert all(int(answer["Retry-After"]) > 0 for answer in answers if answer.status_code == 429)


def test_a_process_has_no_more_than_so_many_streams(
    browser: Client, strangers_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_STREAMS", 3)

    async def crowd() -> list[int]:
        answers = [*await open_streams(browser, 2), *await open_streams(strangers_browser, 2)]
        for response in answers:
            response.close()
        return sorted(answer.status_code for answer in answers)

    assert asyncio.run(crowd()) == [200, 200, 200, 429]


@pytest.mark.parametrize("method", ["head", "post", "put", "delete"])
def test_a_stream_is_only_listened_to(browser: Client, method: str) -> None:
    assert getattr(browser, method)("/events/").status_code == 405


def test_streams_of_a_process_that_ends_end_at_once_and_say_when_to_come_back(
    log_ins: list[tuple[int, LogIn]],
) -> None:
    async def listen() -> list[str]:
        pages = Pages(log_ins)
        await pages.all_hear("event: balance")
        stream.close()
        async with asyncio.timeout(60):
            await asyncio.gather(*pages.tasks)
        return pages.heard

    times = {heard.rstrip().rpartition("retry: ")[2] for heard in asyncio.run(listen())}
    assert len(times) > 100
    assert all(1000 <= int(time) <= 4000 for time in times)
