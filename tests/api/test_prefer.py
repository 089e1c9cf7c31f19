"""`Prefer: wait=N` and `Prefer: respond-async`: how long a call waits, and what its answer says of that."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.test import RequestFactory

from accounts import keys
from accounts.models import User
from generator import live
from generator.api import prefer
from generator.api.prefer import Preference
from generator.models import Generation
from tests.api.answers import GENERATE, STATUS
from tests.conftest import Api
from tests.driver import working

Serve = Callable[..., httpx.Response]
PROMPT = {"prompt": "a lighthouse"}
READ = {
    "wait=30": Preference(30),
    "Wait = 30": Preference(30),
    'wait="30"': Preference(30),
    "wait=30; foo=bar": Preference(30),
    "respond-async": Preference(None, True),
    "RESPOND-ASYNC, wait=5": Preference(5, True),
    'return=minimal, x="a, wait=9", wait=7': Preference(7),
    "wait=5, wait=9": Preference(5),
    "wait=9999": Preference(90),
    # What is malformed is ignored, and of two the first is taken.
    "wait": Preference(),
    "wait=": Preference(),
    "wait=0": Preference(),
    "wait=-1": Preference(),
    "wait=1.5": Preference(),
    "wait=x, wait=9": Preference(),
    "wait=\u0663": Preference(),
    "respond-async=no": Preference(),
    "wait 5": Preference(),
    ",,;=": Preference(),
    '"' * 900: Preference(),
    "wait=5," + " " * 1000: Preference(),
    "": Preference(),
}


@pytest.mark.parametrize("told", READ)
def test_it_is_read_as_the_rfc_has_it(told: str, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 90
    assert prefer.of(RequestFactory().get("/", headers={"Prefer": told})) == READ[told]


def test_the_worst_header_costs_no_time() -> None:
    request = RequestFactory().get("/", headers={"Prefer": '"\\' * 499})
    began = time.thread_time()
    prefer.of(request)
    assert time.thread_time() - began < 2


@pytest.fixture(params=["lean", "django"])
def send(request: pytest.FixtureRequest, serve: Serve, api: Api) -> Callable[..., tuple[int, Any, Any, float]]:
    """Send a call to one of the two handlers: status, headers, body, and the seconds that it took."""

    def send(method: str, path: str, **options: Any) -> tuple[int, Any, Any, float]:
        if request.param == "django":
            path += "/"  # the lean handler has nothing with a slash behind
        began = time.monotonic()
        answer = serve(method, path, **options)
        return answer.status_code, answer.headers, answer.json(), time.monotonic() - began

    return send


@pytest.mark.services
@pytest.mark.parametrize(
    ("told", "is_async", "seconds", "applied"),
    [
        ("wait=1", False, 1, "wait=1"),
        ("wait=1", True, 1, "wait=1"),
        ("respond-async", False, 0, "respond-async"),
        ("respond-async, wait=1", False, 1, "respond-async, wait=1"),
        ("wait=no", True, 0, None),
    ],
)
def test_a_call_waits_as_long_as_it_prefers(
    send: Callable[..., Any], settings: Any, told: str, is_async: bool, seconds: int, applied: str | None
) -> None:
    settings.SYNC_WAIT_SECONDS = 200  # whoever is not heard waits so long, or not at all
    status, headers, body, took = send(
        "POST", GENERATE[0], json={**PROMPT, "async": is_async}, headers={"Prefer": told}
    )
    assert (status, body["status"]) == (202, "pending")
    assert seconds <= took < 60
    assert headers.get("Preference-Applied") == applied
    assert headers["Retry-After"] == "1"
    assert body["status_url"] == f"http://testserver{STATUS[0]}{body['id']}"
    assert Generation.objects.get().is_awaited is (seconds > 0)


@pytest.mark.services
@pytest.mark.usefixtures("images", "sandbox")
def test_it_is_answered_with_the_image_that_comes_in_time(send: Callable[..., Any]) -> None:
    with working():
        status, headers, body, _ = send(
            "POST", GENERATE[0], json={**PROMPT, "async": True}, headers={"Prefer": "respond-async, wait=20"}
        )
    assert (status, body["status"]) == (200, "completed")
    assert headers["Preference-Applied"] == "wait=20"
    assert "Retry-After" not in headers


@pytest.mark.services
@pytest.mark.usefixtures("images", "sandbox")
def test_a_status_look_up_waits_too(send: Callable[..., Any], generation: Generation, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 200
    address = STATUS[0] + generation.public_id
    status, headers, body, took = send("GET", address, headers={"Prefer": "wait=1"})
    assert (status, body["status"], headers["Preference-Applied"]) == (200, "pending", "wait=1")
    assert 1 <= took < 60
    with working():
        _, _, body, _ = send("GET", address, headers={"Prefer": "wait=100"})
    assert body["status"] == "completed"
    _, headers, _, took = send("GET", address, headers={"Prefer": "respond-async"})
    assert took < 60
    assert "Preference-Applied" not in headers


@pytest.mark.services
def test_a_key_of_idempotency_belongs_to_the_body_and_not_to_how_long_one_waits(send: Callable[..., Any]) -> None:
    headers = {"Idempotency-Key": "one", "Prefer": "respond-async"}
    first = send("POST", GENERATE[0], json=PROMPT, headers=headers)
    again = send("POST", GENERATE[0], json=PROMPT, headers=headers | {"Prefer": "wait=1"})
    assert again[1]["Idempotent-Replayed"] == "true"
    assert again[2]["id"] == first[2]["id"]


@pytest.mark.services
def test_fifty_wait_for_one_image_and_hold_up_nobody(
    api: Api, generation: Generation, bob: User, settings: Any
) -> None:
    """As many wait as may for one image; the others are told at once that they did not, and a neighbour is served."""
    settings.STATUS_RATE_LIMIT_PER_MINUTE, settings.SYNC_WAIT_SECONDS = 1000, 200
    from reveweb.asgi import application  # only now: it wants the static files to be there

    _, theirs = keys.mint(user=bob, name="test")
    address = STATUS[0] + generation.public_id

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            mine = {"Authorization": f"Bearer {api.secret}", "Prefer": "wait=200"}
            waiting = [asyncio.ensure_future(client.get(address, headers=mine)) for _ in range(50)]
            async with asyncio.timeout(60):  # far less than those wait
                while sum(one.done() for one in waiting) < 50 - live.WAITING_FOR_ONE:
                    await asyncio.sleep(0.01)
                theirs_too = {"Authorization": f"Bearer {theirs}", "Prefer": "respond-async"}
                neighbour = await client.post(GENERATE[0], json=PROMPT, headers=theirs_too)
            assert neighbour.status_code == 202
            await asyncio.sleep(0.5)
            assert sum(one.done() for one in waiting) == 50 - live.WAITING_FOR_ONE
            live.answer_held()
            return await asyncio.gather(*waiting)

    answers = asyncio.run(ask())
    assert {(one.status_code, one.json()["status"]) for one in answers} == {(200, "pending")}
    assert sum("Preference-Applied" in one.headers for one in answers) == live.WAITING_FOR_ONE
