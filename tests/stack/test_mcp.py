"""Agents at `/mcp`: the `mcp` package's own client and bare requests, over a socket, with the whole product running."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from uuid import uuid4

import httpx
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from tests.installation import Stack, wait_until
from tests.stack.test_races import busy_stack

pytestmark = [pytest.mark.stack, pytest.mark.services]

MCP = "/mcp"
ACCEPT = {"Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
TOOLS = ["generate_image", "edit_image", "image_status", "list_images", "list_models", "credit_balance"]


@pytest.fixture(scope="module")
def agents(start_stack: Callable[..., Stack]) -> Iterator[Stack]:
    with busy_stack(
        start_stack,
        SANDBOX_SECONDS="0.2",
        SANDBOX_PICTURES="plain",
        MCP_SESSION_CREDITS="3",
        MCP_WAIT_SECONDS="4",
        MCP_ALLOWED_ORIGINS="http://localhost:6274",
        STATUS_RATE_LIMIT_PER_MINUTE="100000",
    ) as stack:
        yield stack


@pytest.fixture
def developer(agents: Stack) -> Iterator[httpx.Client]:
    """Somebody new, with 3 credits of welcome and 20 more."""
    with agents.developer(f"agent-{uuid4().hex[:8]}@example.com", credits=20) as client:
        yield client


@contextlib.asynccontextmanager
async def connected(http: httpx.Client, *, mode: Any = "legacy", **headers: str) -> AsyncIterator[Client]:
    """The client of the `mcp` package, as whoever has the key of `http`."""
    known = {"Authorization": http.headers["Authorization"], **headers}
    async with httpx2.AsyncClient(headers=known, timeout=60) as transport:
        url = f"{str(http.base_url).rstrip('/')}{MCP}"
        async with Client(streamable_http_client(url, http_client=transport), mode=mode) as client:
            yield client


def used(http: httpx.Client, work: Callable[[Client], Any], **options: Any) -> Any:
    async def use() -> Any:
        async with connected(http, **options) as client:
            return await work(client)

    return asyncio.run(use())


def ask(http: httpx.Client, method: str, params: Any = None, **headers: str) -> httpx.Response:
    message = {"jsonrpc": "2.0", "id": 1, "method": method} | ({} if params is None else {"params": params})
    return http.post(MCP, json=message, headers={**ACCEPT, **headers})


def begin(http: httpx.Client, **headers: str) -> dict[str, str]:
    """Begin a session, and return the headers of what belongs to it."""
    answer = ask(http, "initialize", INITIALIZE, **headers)
    assert answer.status_code == 200, answer.text
    return {"Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}


def use(http: httpx.Client, tool: str, session: dict[str, str] | None = None, **arguments: Any) -> dict[str, Any]:
    answer = ask(http, "tools/call", {"name": tool, "arguments": arguments}, **(session or {}))
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


# --- With the client of the `mcp` package --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_an_agent_draws_edits_and_looks(developer: httpx.Client, mode: str) -> None:
    async def work(client: Client) -> None:
        assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
        drawn = await client.call_tool("generate_image", {"prompt": "A red fox", "aspect_ratio": "16:9"})
        assert not drawn.is_error
        told = drawn.structured_content
        assert (told["status"], told["credits_charged"], told["credits_remaining"]) == ("completed", 1, 22)
        assert told["session"] == {"credits_spent": 1, "credits_limit": 3}
        assert [one.type for one in drawn.content] == ["text"]
        assert isinstance(drawn.content[0], TextContent)
        assert told["url"] in drawn.content[0].text
        assert httpx.get(told["url"], timeout=60).headers["content-type"] == "image/png"

        edited = await client.call_tool(
            "edit_image", {"image": told["id"], "prompt": "Make it night", "preview": True, "mask": None}
        )
        assert not edited.is_error, edited.content
        assert (edited.structured_content["operation"], edited.structured_content["credits_remaining"]) == ("edit", 21)
        assert [(one.type, getattr(one, "mime_type", "")) for one in edited.content] == [
            ("text", ""),
            ("image", "image/webp"),
        ]
        mixed = await client.call_tool("generate_image", {"prompt": "Like these", "references": [told["id"]]})
        assert mixed.structured_content["operation"] == "remix"

        looked = await client.call_tool("image_status", {"id": told["id"]})
        assert looked.structured_content["url"] == told["url"]
        listed = await client.call_tool("list_images", {"limit": 2})
        assert [one["operation"] for one in listed.structured_content["images"]] == ["remix", "edit"]
        older = await client.call_tool("list_images", {"before": listed.structured_content["next"]})
        assert [one["id"] for one in older.structured_content["images"]] == [told["id"]]
        models = await client.call_tool("list_models", {})
        assert models.structured_content["models"][0]["prices"][0]["credits"] == 1
        left = await client.call_tool("credit_balance", {})
        assert left.structured_content["credits_remaining"] == 20
        assert left.structured_content["session"] == {"credits_spent": 3, "credits_limit": 3}

    used(developer, work, mode=mode)


def test_a_page_is_told_of_its_token_and_not_of_the_account(developer: httpx.Client) -> None:
    origin = "http://localhost:6274"
    made = developer.post("/v1/tokens", json={"origin": origin, "credit_cap": 2}).json()
    page = {"Authorization": f"Bearer {made['token']}", "Origin": origin}

    def draw(prompt: str, **arguments: Any) -> dict[str, Any]:
        call = {"name": "generate_image", "arguments": {"prompt": prompt, **arguments}}
        result: dict[str, Any] = ask(developer, "tools/call", call, **page).json()["result"]
        return result

    failed = draw("A red fox [sandbox:fail]")
    told = failed["structuredContent"]
    assert (told["status"], told["credits_charged"], told["credits_remaining"]) == ("failed", 0, 2)
    assert "2 credits left" in failed["content"][0]["text"]
    named = [draw("A red fox", idempotency_key="mine") for _ in range(2)]
    assert [one["structuredContent"]["credits_remaining"] for one in named] == [1, 1]
    own = use(developer, "generate_image", prompt="Another fox", idempotency_key="mine")["structuredContent"]
    assert (own["credits_charged"], own["credits_remaining"]) == (1, 21)
    refused = use(developer, "generate_image", prompt="A fox", idempotency_key="mine")
    assert refused["structuredContent"]["error"]["code"] == "idempotency_conflict"


def test_progress_is_told_to_whoever_asks_for_it(developer: httpx.Client) -> None:
    told: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async def work(client: Client) -> Any:
        return await client.call_tool("generate_image", {"prompt": "A red fox"}, progress_callback=hear)

    for mode in ("legacy", "auto"):
        told.clear()
        assert used(developer, work, mode=mode).structured_content["status"] == "completed"
        assert told, mode
        assert told[0].startswith("img_")


def test_an_image_that_takes_long_is_followed_by_its_id(developer: httpx.Client) -> None:
    session = begin(developer)
    pending = use(developer, "generate_image", session, prompt="A red fox", wait=False)["structuredContent"]
    assert (pending["status"], pending["credits_charged"]) == ("pending", 1)
    found = use(developer, "image_status", session, id=pending["id"], wait_seconds=30)["structuredContent"]
    assert found["status"] == "completed"


# --- Errors ----------------------------------------------------------------------------------------------------------


def test_errors_say_what_to_do(developer: httpx.Client, agents: Stack) -> None:
    session = begin(developer)

    def refused(tool: str, **arguments: Any) -> tuple[str, str]:
        result = use(developer, tool, session, **arguments)
        assert result["isError"]
        return result["structuredContent"]["error"]["code"], result["content"][0]["text"]

    assert refused("generate_image", prompt=" ") == (
        "invalid_request",
        "invalid_request: prompt: must not be blank. Mend that argument and call again. Nothing was charged.",
    )
    assert refused("generate_image")[0] == "invalid_request"
    assert "colour" in refused("generate_image", prompt="x", colour="red")[1]
    assert refused("generate_image", prompt="x", idempotency_key="a b")[0] == "invalid_request"
    assert refused("generate_image", prompt="x", model="none")[0] == "invalid_request"
    assert refused("edit_image", prompt="x", image="img_nothing")[0] == "invalid_request"
    assert refused("image_status", id="img_nothing")[0] == "not_found"
    assert "GET" not in refused("image_status", id="\x00")[1]
    answer = ask(developer, "tools/call", {"name": "generate_image", "arguments": {"prompt": " "}}, **session)
    called = f"{agents.url}/dashboard/requests/{answer.headers['x-request-id']}/"
    assert answer.json()["result"]["structuredContent"]["error"]["request_url"] == called
    for mode, code in [("refuse", "prompt_refused"), ("fail", "upstream_failed")]:
        result = use(developer, "generate_image", session, prompt=f"A fox [sandbox:{mode}]")
        assert result["isError"]
        told = result["structuredContent"]
        assert (told["error"]["code"], told["credits_charged"], told["credits_remaining"]) == (code, 0, 23)
        assert told["session"]["credits_spent"] == 0
        assert told["error"]["request_url"].startswith(f"{agents.url}/dashboard/requests/req_")


def test_no_credits_and_no_room_in_the_minute(agents: Stack) -> None:
    with agents.developer(f"poor-{uuid4().hex[:8]}@example.com") as poor:
        for _ in range(3):
            assert not use(poor, "generate_image", begin(poor), prompt="A fox")["isError"]
        told = use(poor, "generate_image", begin(poor), prompt="A fox")
        assert told["structuredContent"]["error"]["code"] == "insufficient_credits"
        assert f"{agents.url}/dashboard/billing/" in told["content"][0]["text"]
    with agents.developer(f"quick-{uuid4().hex[:8]}@example.com", credits=5, rate_limit=1) as quick:
        assert not use(quick, "generate_image", prompt="A fox")["isError"]
        error = use(quick, "generate_image", prompt="A fox")["structuredContent"]["error"]
        assert error["code"] == "rate_limited"
        assert 0 < error["retry_after_seconds"] <= 60


# --- Sessions --------------------------------------------------------------------------------------------------------


def test_a_session_spends_its_cap_and_no_more_however_many_ask_at_once(developer: httpx.Client) -> None:
    session = begin(developer)
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda n: use(developer, "generate_image", session, prompt=f"Fox {n}"), range(12)))
    refused = [result["structuredContent"]["error"] for result in results if result["isError"]]
    assert len(refused) == 9
    assert {(error["code"], error["credits_limit"], error["credits_spent"]) for error in refused} == {
        ("session_limit_reached", 3, 3)
    }
    assert use(developer, "credit_balance", session)["structuredContent"]["credits_remaining"] == 20
    assert not use(developer, "generate_image", begin(developer), prompt="Fox")["isError"]  # another session


def test_a_client_lowers_the_cap_and_never_raises_it(developer: httpx.Client) -> None:
    session = begin(developer)
    low, high = {**session, "Mcp-Session-Credits": "1"}, {**session, "Mcp-Session-Credits": "100"}
    assert not use(developer, "generate_image", low, prompt="Fox")["isError"]
    assert use(developer, "generate_image", low, prompt="Fox")["structuredContent"]["error"]["credits_limit"] == 1
    standing = use(developer, "credit_balance", high)["structuredContent"]["session"]
    assert standing == {"credits_spent": 1, "credits_limit": 3}
    for odd in ("0", "-1", "x", "1.5", "9" * 30):
        assert ask(developer, "ping", **session, **{"Mcp-Session-Credits": odd}).status_code == 400


def test_what_failed_later_and_what_was_repeated_leave_room(developer: httpx.Client) -> None:
    session = begin(developer)
    for _ in range(3):
        use(developer, "generate_image", session, prompt="Fox [sandbox:fail]", wait=False)

    def draw(key: str) -> bool:
        return not use(developer, "generate_image", session, prompt="Fox", idempotency_key=key)["isError"]

    wait_until(lambda: draw("a"), 90)  # nobody looked at what failed: it is found as room is needed
    assert [draw(key) for key in ("a", "a", "b", "c", "c")] == [True] * 5
    assert use(developer, "generate_image", session, prompt="Fox", idempotency_key="d")["isError"]
    assert use(developer, "credit_balance", session)["structuredContent"]["session"]["credits_spent"] == 3


def test_calls_without_a_session_count_together(developer: httpx.Client) -> None:
    results = [use(developer, "generate_image", prompt="Fox")["isError"] for _ in range(4)]
    assert results == [False, False, False, True]


def test_a_session_ends_and_belongs_to_its_key(developer: httpx.Client, agents: Stack) -> None:
    session = begin(developer)
    assert ask(developer, "ping", **session).json()["result"] == {}
    with agents.developer(f"other-{uuid4().hex[:8]}@example.com") as other:
        assert ask(other, "ping", **session).status_code == 404
    assert ask(developer, "ping", **{"Mcp-Session-Id": session["Mcp-Session-Id"][:-1]}).status_code == 404
    assert developer.delete(MCP).status_code == 404
    assert developer.delete(MCP, headers=session).status_code == 200
    gone = ask(developer, "ping", **session)
    called = f"{agents.url}/dashboard/requests/{gone.headers['x-request-id']}/"
    assert gone.json()["error"]["data"] == {"code": "session_not_found", "request_url": called}
    assert gone.status_code == 404
    assert developer.delete(MCP, headers=session).status_code == 404


# --- The door --------------------------------------------------------------------------------------------------------


def test_nobody_comes_in_without_a_key(agents: Stack) -> None:
    for secret, challenge in [("", 'Bearer realm="mcp"'), ("Bearer rv_x", 'Bearer realm="mcp", error="invalid_token"')]:
        headers = {"Authorization": secret} if secret else {}
        answer = httpx.post(f"{agents.url}{MCP}", json={}, headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith(challenge)
        assert answer.json()["jsonrpc"] == "2.0"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("null", 403),
        ("http://localhost:6274", 200),
        ("vscode-file://vscode-app", 200),
    ],
)
def test_pages_of_others_may_not_call(developer: httpx.Client, origin: str, status: int) -> None:
    assert ask(developer, "initialize", INITIALIZE, Origin=origin).status_code == status


def test_other_methods_and_odd_messages_are_answered_as_the_protocol_says(developer: httpx.Client) -> None:
    session = begin(developer)
    refused = developer.get(MCP, headers=ACCEPT)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, DELETE, OPTIONS")
    assert developer.put(MCP).status_code == 405
    assert developer.options(MCP).headers["content-type"] == "application/json"

    def post(content: bytes, **headers: str) -> tuple[int, Any]:
        answer = developer.post(
            MCP, content=content, headers={**ACCEPT, "Content-Type": "application/json", **session, **headers}
        )
        assert answer.headers["x-request-id"]
        return answer.status_code, answer.json()["error"]["code"] if answer.content else None

    assert post(b"{") == (400, -32700)
    assert post(b"\xff") == (400, -32700)
    assert post(b"[" * 5000)[0] == 400
    assert post(b"[]")[0] == 400
    assert post(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}') == (202, None)
    assert post(b'{"jsonrpc": "2.0", "id": 1, "method": "nothing"}') == (200, -32601)
    called = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "nothing"}}'
    assert post(called) == (200, -32602)
    assert post(called, **{"MCP-Protocol-Version": "1999-01-01"})[0] == 400
    assert post(b" " * 70_000)[0] == 413
    older = ask(developer, "initialize", {**INITIALIZE, "protocolVersion": "1999-01-01"}).json()["result"]
    assert older["protocolVersion"] == "2025-11-25"
    assert older["serverInfo"]["name"] == "reveweb"


# --- Many ----------------------------------------------------------------------------------------------------------


def test_fifty_agents_draw_at_once_beside_a_neighbour(agents: Stack) -> None:
    people = [agents.developer(f"one-of-fifty-{n}-{uuid4().hex[:6]}@example.com", credits=50) for n in range(5)]
    sessions = [(person, begin(person)) for person in people for _ in range(10)]
    slowest, at_first = 0.0, time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        working = [
            pool.submit(use, person, "generate_image", session, prompt=f"Fox {n} [sandbox:busy]")
            for n, (person, session) in enumerate(sessions)
        ]
        while not all(one.done() for one in working):
            began = time.monotonic()
            assert httpx.get(f"{agents.url}/healthz", timeout=60).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        whole = time.monotonic() - at_first
    results = [one.result() for one in working]
    assert not any(result["isError"] for result in results)
    assert slowest < max(2.0, whole / 2)  # who was held up would wait for nearly as long as all of them take
    for person in people:
        person.close()


def test_whoever_hangs_up_is_charged_once_and_finds_the_image(developer: httpx.Client) -> None:
    session = begin(developer)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    params = {"name": "generate_image", "arguments": {"prompt": "Fox [sandbox:busy]"}}
    headers = {**ACCEPT, **session, "Authorization": developer.headers["Authorization"]}
    headers["Content-Type"] = "application/json"
    url = developer.base_url
    with contextlib.closing(HTTPConnection(url.host, url.port, timeout=60)) as line:
        line.request("POST", MCP, json.dumps({**message, "params": params}), headers)
        [image] = wait_until(lambda: use(developer, "list_images", session)["structuredContent"]["images"])
    assert use(developer, "credit_balance", session)["structuredContent"]["session"]["credits_spent"] == 1
    wait_until(
        lambda: use(developer, "image_status", session, id=image["id"])["structuredContent"]["status"] == "completed",
        90,
    )
    assert json.dumps(use(developer, "list_images", session)).count(image["id"]) > 0


def test_what_an_agent_did_is_in_the_request_log(developer: httpx.Client, agents: Stack) -> None:
    drawn = use(developer, "generate_image", begin(developer), prompt="A fox for the log")["structuredContent"]
    find = (
        "from generator.models import ApiCall; "
        f"print(list(ApiCall.objects.filter(image_id={drawn['id']!r}).values_list('path', 'credits')))"
    )
    assert wait_until(lambda: agents.manage("shell", "-v", "0", "-c", find).replace("[]", "")) == "[('/mcp', 1)]"


def test_a_key_is_offered_what_it_may_use(agents: Stack, developer: httpx.Client) -> None:
    key = developer.headers["Authorization"].removeprefix("Bearer ")[:11]
    change = "from accounts.models import ApiKey; from django.db.models import F; " + (
        f"ApiKey.objects.filter(prefix={key!r}).update(scopes=['generate'], version=F('version') + 1)"
    )
    agents.manage("shell", "-v", "0", "-c", change)
    time.sleep(5.1)  # so long a process may remember what a key was
    offered = [tool["name"] for tool in ask(developer, "tools/list").json()["result"]["tools"]]
    assert offered == ["generate_image", "edit_image", "image_status", "list_images", "list_models"]
    refused = use(developer, "credit_balance")
    assert refused["structuredContent"]["error"]["code"] == "scope_missing"
    assert "/dashboard/api-keys/" in refused["content"][0]["text"]
