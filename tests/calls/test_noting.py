"""What the request log keeps of a call, through both handlers."""

import asyncio
import base64
import json
import tracemalloc
from typing import Any

import httpx
import pytest

from accounts import keys
from accounts.models import ApiKey, User
from billing.models import Wallet
from generator.calls import buffer, words
from generator.calls.writing import BUFFER
from generator.models import ApiCall, Generation
from tests.api.answers import GENERATE, STATUS
from tests.api.test_lean import ask, with_key
from tests.api.test_lean import lean as lean
from tests.calls.conftest import Logged
from tests.conftest import Api
from tests.hanging_up import is_asked

pytestmark = pytest.mark.services

ASYNC = {"prompt": "a lighthouse", "async": True}
Handler = Any


@pytest.fixture(params=["lean", "django"])
def handler(request: pytest.FixtureRequest) -> Handler:
    """Each of the two handlers that serve `/v1`."""
    from reveweb import asgi  # only now: it wants the static files to be there

    return asgi.application if request.param == "lean" else asgi.held


def test_a_call_is_kept_with_its_answer(api: Api, wallet: Wallet, handler: Handler, logged: Logged) -> None:
    headers = with_key(api.secret, Idempotency_Key="one", User_Agent="fox/1.0")
    [answer] = ask(handler, ("POST", GENERATE[0] + "?secret=1", {"json": ASYNC, "headers": headers}))
    [call] = logged()
    assert (call.wallet, call.api_key, call.key_prefix) == (wallet, api.key, api.key.prefix)
    assert (call.method, call.path, call.route) == ("POST", GENERATE[0], GENERATE[0])
    assert (call.status, call.credits, call.error_code, call.count) == (202, 1, "", 1)
    assert (call.request_id, call.image_id, call.images) == (answer.headers["X-Request-Id"], answer.json()["id"], 1)
    assert json.loads(call.request_body) == ASYNC
    assert call.is_whole
    assert json.loads(call.answer_body) == answer.json()
    assert call.request_headers["Idempotency-Key"] == "one"
    assert call.answer_headers["X-Credits-Remaining"] == "2"
    assert call.user_agent == "fox/1.0"
    assert call.ip == "127.0.0.1"
    assert 0 <= call.duration_ms < 30_000


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/images/edits", "/v1/reve-image/edit"])
def test_what_brings_no_pictures_is_kept_whole_at_every_endpoint(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None, path: str
) -> None:
    """However it is spaced, or it could not be run again."""
    body = {"prompt": "a lighthouse", "image": "img_nothing", "n": 10}
    for content in (json.dumps(body), json.dumps(body, separators=(",", ":"))):
        headers = with_key(api.secret) | {"Content-Type": "application/json"}
        ask(handler, ("POST", path, {"content": content, "headers": headers}))
    calls = logged()
    assert [json.loads(call.request_body) for call in calls] == [body] * 2
    assert all(call.is_whole for call in calls)


def test_a_refusal_is_kept_and_leads_there(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None
) -> None:
    [answer] = ask(handler, ("POST", GENERATE[0], {"json": {"prompt": " "}, "headers": with_key(api.secret)}))
    [call] = logged()
    assert (call.status, call.error_code, call.credits) == (422, "invalid_request", 0)
    assert answer.json()["error"]["request_url"] == f"http://testserver/dashboard/requests/{call.request_id}/"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/v1/nothing", "POST", 404), (GENERATE[0], "PUT", 405), ("/api/misc/nothing", "GET", 404)],
)
def test_what_no_view_saw_is_kept_by_the_key_that_came_with_it(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None, path: str, method: str, status: int
) -> None:
    ask(handler, (method, path, {"json": ASYNC, "headers": with_key(api.secret)}))
    [call] = logged()
    assert (call.wallet, call.api_key, call.status) == (wallet, api.key, status)


@pytest.mark.parametrize("key", ["", "Bearer rv_x", "Bearer sk-" + "a" * 40, "Basic YTpi"])
def test_calls_of_nobody_are_not_kept(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None, key: str
) -> None:
    ask(handler, ("POST", GENERATE[0], {"json": ASYNC, "headers": {"Authorization": key}}))
    assert logged() == []


def test_a_stopped_keys_calls_are_its_owners(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None
) -> None:
    keys.revoke(api.key)
    ask(handler, ("POST", GENERATE[0], {"json": ASYNC, "headers": with_key(api.secret)}))
    [call] = logged()
    assert (call.wallet, call.status, call.error_code) == (wallet, 401, "invalid_api_key")


def test_a_key_that_is_right_but_for_its_end_is_nobodys(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, bob: User, unlogged: None
) -> None:
    """Who knows a key's visible part alone cannot write into its owner's log."""
    _, other = keys.mint(user=bob, name="other")
    body = api.key.prefix + other[len(api.key.prefix) : -6]
    ask(handler, ("POST", GENERATE[0], {"json": ASYNC, "headers": with_key(body + keys._checksum(body))}))
    assert logged() == []


def test_look_ups_of_one_image_are_one_row(api: Api, wallet: Wallet, handler: Handler, logged: Logged) -> None:
    sent = {"headers": with_key(api.secret)}
    ids = [a.json()["id"] for a in ask(handler, *[("POST", GENERATE[0], {"json": ASYNC, **sent})] * 2)]
    answers = ask(handler, *[("GET", STATUS[0] + id, sent) for id in ids for _ in range(5)])
    looks = [call for call in logged() if call.is_look_up]
    assert sorted((call.image_id, call.count) for call in looks) == sorted((id, 5) for id in ids)
    assert {call.request_id for call in looks} == {
        answers[4].headers["X-Request-Id"],
        answers[9].headers["X-Request-Id"],
    }
    assert all(call.last_at and call.last_at > call.created_at for call in looks)
    assert {call.route for call in looks} == {"/v1/reve-image/status/{id}"}


def test_of_many_refusals_the_first_is_there_at_once_and_the_others_are_counted(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None
) -> None:
    ApiKey.objects.filter(pk=api.key.pk).update(rate_limit=1)
    ask(handler, *[("POST", GENERATE[0], {"json": ASYNC, "headers": with_key(api.secret)})] * 10)
    assert [call.status for call in BUFFER.taken()] == [202, 429]
    counted = [call for call in logged() if call.status == 429]
    assert [call.count for call in counted] == [8]


def test_fifty_at_once_are_all_there(api: Api, wallet: Wallet, handler: Handler, logged: Logged, give: Any) -> None:
    give(100)

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=handler)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            headers = with_key(api.secret)
            return await asyncio.gather(*[client.post(GENERATE[0], json=ASYNC, headers=headers) for _ in range(50)])

    answers = asyncio.run(send())
    calls = logged()
    assert {call.request_id for call in calls} == {answer.headers["X-Request-Id"] for answer in answers}
    assert sum(call.credits for call in calls) == sum(answer.status_code == 202 for answer in answers)


def hang_up(handler: Handler, api: Api, path: str, body: Any, *, answered: bool = False) -> None:
    """Send a call, and be gone once there is an image to wait for, or an answer."""

    async def call() -> None:
        messages = iter([{"type": "http.request", "body": json.dumps(body).encode()}])
        has_answer = asyncio.Event()

        async def receive() -> Any:
            if (message := next(messages, None)) is not None:
                return message
            if answered:
                await has_answer.wait()
            while not await asyncio.to_thread(is_asked):
                await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                has_answer.set()

        headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {api.secret}".encode())]
        headers.append((b"content-type", b"application/json"))
        headers.append((b"accept", b"application/json, text/event-stream"))
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
        async with asyncio.timeout(100):
            await handler(scope, receive, send)

    asyncio.run(call())


def test_who_hangs_up_finds_that_too(api: Api, wallet: Wallet, handler: Handler, logged: Logged) -> None:
    hang_up(handler, api, GENERATE[0], {"prompt": "a lighthouse"})
    assert [(call.status, call.credits) for call in logged()] == [(499, 1)]


@pytest.mark.parametrize(("wait", "status", "credits"), [(True, 499, 1), (False, 200, 1)])
def test_an_agent_that_hangs_up_finds_that_too(
    api: Api, wallet: Wallet, lean: Handler, logged: Logged, wait: bool, status: int, credits: int
) -> None:
    arguments = {"prompt": "a lighthouse", "wait": wait}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    hang_up(
        lean, api, "/mcp", {**body, "params": {"name": "generate_image", "arguments": arguments}}, answered=not wait
    )
    assert [(call.status, call.credits) for call in logged()] == [(status, credits)]
    assert Generation.objects.count() == 1


# --- What is never kept ----------------------------------------------------------------------------------------


def stored() -> str:
    return json.dumps(list(ApiCall.objects.values()), default=str)


def test_secrets_are_not_kept_wherever_they_are(api: Api, wallet: Wallet, handler: Handler, logged: Logged) -> None:
    body = {
        **ASYNC,
        "prompt": f"write {api.secret} on a wall",
        "webhook_url": "https://user:hunter2@example.com/hook?token=hunter2",
        "api_key": "hunter2",
        "nested": {"password": "hunter2", "other": f"Bearer {api.secret}"},
    }
    headers = with_key(api.secret, User_Agent=f"agent {api.secret}", Idempotency_Key=api.secret)
    ask(handler, ("POST", GENERATE[0], {"json": body, "headers": headers}))
    [call] = logged()
    assert api.secret[12:] not in stored()
    assert "hunter2" not in stored()
    assert not call.is_whole
    assert json.loads(call.request_body)["webhook_url"] == "https://example.com/hook?…"


def test_pictures_are_told_by_their_size(api: Api, wallet: Wallet, logged: Logged, serve: Any, unlogged: None) -> None:
    picture = base64.b64encode(bytes(range(256)) * 3000).decode()
    for image in (picture, f"data:image/png;base64,{picture}"):
        body = {"image": image, "prompt": "Make it night", "mask": "", "more": "x" * 50}
        ask_of = serve("POST", "/v1/reve-image/edit", json=body)
        assert ask_of.status_code == 422
    calls = logged()
    for call in calls:
        assert json.loads(call.request_body) == {**body, "image": "…(768 KB)"}
        assert call.request_bytes > 1_000_000
        assert not call.is_whole
    assert picture[:64] not in stored()


def test_of_a_form_its_words_are_kept(api: Api, wallet: Wallet, logged: Logged, serve: Any, unlogged: None) -> None:
    files = [("images", ("fox.png", b"not a picture" * 100)), ("images", ("owl.png", b"not one"))]
    serve("POST", "/v1/reve-image/remix", data={"prompt": "a fox and an owl"}, files=files)
    [call] = logged()
    assert json.loads(call.request_body) == {"prompt": "a fox and an owl", "images": ["…(1 KB)", "…(7 B)"]}
    assert (call.status, call.is_whole) == (422, False)
    assert "not a picture" not in stored()


def test_what_no_database_takes_is_replaced(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None
) -> None:
    content = rb'{"prompt": "a\u0000b \ud800 c", "async": true}'
    ask(
        handler,
        ("POST", GENERATE[0], {"content": content, "headers": with_key(api.secret, Content_Type="application/json")}),
    )
    [call] = logged()
    assert call.status == 422
    assert json.loads(call.request_body)["prompt"] == "ab ? c"


@pytest.mark.parametrize("path", ["/v1/reve-image/edit", "/v1/images/remix", "/v1/image/edit", "/v1/image/remix"])
def test_what_is_nested_deeply_is_refused_and_cut(
    api: Api, wallet: Wallet, logged: Logged, serve: Any, unlogged: None, path: str
) -> None:
    for depth in (49, 520, 900):
        content = b'{"prompt": "a fox", "x": ' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)
        answer = serve("POST", path, content=content, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500
    assert ["…" in call.request_body for call in logged()] == [False, True, True]


def test_a_body_of_very_many_parts_is_refused_before_it_takes_room(
    api: Api, wallet: Wallet, serve: Any, unlogged: None
) -> None:
    content = b'{"prompt": "x", "x": [' + b",".join([b"[]"] * 300_000) + b"]}"
    for path in ("/v1/reve-image/edit", "/v1/images/edits", "/v1/image/remix"):
        tracemalloc.start()
        answer = serve("POST", path, content=content, headers={"Content-Type": "application/json"})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.status_code == 400
        assert most < 10 * len(content)  # 30 times as many if it was looked into


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/images/edits"])
def test_of_openais_calls_the_words_are_kept(
    api: Api, wallet: Wallet, logged: Logged, serve: Any, unlogged: None, path: str
) -> None:
    picture = base64.b64encode(bytes(range(256)) * 100).decode()
    serve("POST", path, json={"prompt": "a fox", "model": "none", "image": f"data:image/png;base64,{picture}"})
    [call] = logged()
    assert json.loads(call.request_body) == {"prompt": "a fox", "model": "none", "image": "…(26 KB)"}


def test_no_secret_is_kept_of_a_path(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, unlogged: None
) -> None:
    token = "rv_tok_" + "a" * 8 + "_" + "b" * 38
    ask(handler, ("DELETE", f"/v1/tokens/{token}", {"headers": with_key(api.secret)}))
    [call] = logged()
    assert (call.path, call.route) == ("/v1/tokens/rv_tok_aaaaaaaa_…", "/v1/tokens/{id}")
    assert "b" * 38 not in stored()


def test_no_secret_is_kept_of_a_body_that_is_cut() -> None:
    body = json.dumps({"a": 'say "password": "this"', "password": 'hunter2"more', "my_api_key": "hunter2", "b": "c"})
    text, is_whole = words.kept(body[:-1].encode(), 1000)
    assert not is_whole
    assert json.loads(text + "}") == {"a": 'say "password": "this"', "password": "…", "my_api_key": "…", "b": "c"}
    assert words.kept(b'{"password": "hunter2', 1000) == ('{"password": "…', False)


def test_nothing_is_noted_where_no_log_is_kept(
    api: Api, wallet: Wallet, handler: Handler, logged: Logged, settings: Any, unlogged: None
) -> None:
    settings.REQUEST_LOG_DAYS = 0
    [answer] = ask(handler, ("POST", GENERATE[0], {"json": {}, "headers": with_key(api.secret)}))
    assert "request_url" not in answer.json()["error"]
    assert logged() == []


def test_a_broken_log_fails_no_call(
    api: Api, wallet: Wallet, handler: Handler, monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    monkeypatch.setattr(buffer.Buffer, "put", lambda self, call: 1 / 0)
    [answer] = ask(handler, ("POST", GENERATE[0], {"json": ASYNC, "headers": with_key(api.secret)}))
    assert answer.status_code == 202
