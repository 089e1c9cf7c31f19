"""Which calls are about an image: they are found by its id, and keep none of its words once it is purged."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from billing.models import Wallet
from generator.calls import subjects
from generator.library import trash
from generator.models import ApiCall, Generation
from tests.api.answers import GENERATE, STATUS
from tests.calls.conftest import Logged
from tests.conftest import Api
from tests.driver import working
from tests.hanging_up import hang_up

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images", "sandbox")]

WORDS = "a lighthouse that nobody else has"
ASYNC = {"prompt": WORDS, "async": True}
Serve = Callable[..., httpx.Response]


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def of_agent(serve: Serve, name: str, **arguments: Any) -> httpx.Response:
    headers = {"Accept": "application/json, text/event-stream"}
    return serve("POST", "/mcp", json=tool(name, **arguments), headers=headers)


def finish(**fields: Any) -> None:
    """Have all images finished."""
    done: dict[str, Any] = {"status": "completed", "file_extension": "png", "width": 96, "height": 64}
    Generation.objects.update(**done, finished_at=timezone.now(), **fields)


def purge() -> None:
    """Have all images deleted and purged."""
    Generation.objects.update(status="failed", deleted_at=timezone.now() - timedelta(days=1))
    trash.purge_due()


def kept() -> list[str]:
    """The paths of the rows that have the words still."""
    return [call.path for call in ApiCall.objects.all() if WORDS in call.request_body + call.answer_body]


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/image/create", {"prompt": WORDS}, {"Accept": "image/png"}),
        ("/v1/image/create", {"prompt": WORDS}, {"Accept": "application/json"}),
        ("/v1/images/generations", {"prompt": WORDS, "stream": True}, {}),
        ("/v1/images/generations", {"prompt": WORDS, "n": 2}, {}),
        (GENERATE[0], {"prompt": WORDS, "n": 3}, {}),
    ],
)
def test_calls_whose_answers_name_no_image_are_found_by_it_and_forget_with_it(
    serve: Serve, wallet: Wallet, logged: Logged, browser: Client, path: str, body: Any, headers: Any
) -> None:
    for _ in range(2):  # the second is a replay
        with working():
            answer = serve("POST", path, json=body, headers={"Idempotency-Key": "one", **headers})
        assert answer.status_code == 200
    calls = logged()
    made = list(Generation.objects.order_by("position"))
    assert [call.image_id for call in calls] == [made[0].public_id] * 2
    for one in made:
        page = browser.get(f"/dashboard/requests/?q={one.public_id}").text
        assert all(call.request_id in page for call in calls)
    assert kept()
    purge()
    assert kept() == []


def test_one_of_several_takes_the_words_with_it(serve: Serve, wallet: Wallet, logged: Logged) -> None:
    for _ in range(2):
        serve("POST", GENERATE[0], json={**ASYNC, "n": 3}, headers={"Idempotency-Key": "one"})
    logged()
    last = Generation.objects.order_by("position")[2]
    assert ApiCall.objects.filter(subjects.about(last)).count() == 2
    Generation.objects.filter(pk=last.pk).update(status="failed", deleted_at=timezone.now() - timedelta(days=1))
    assert trash.purge_due() == 1
    assert kept() == []


def test_a_call_that_nobody_waited_for_is_about_its_image(api: Api, wallet: Wallet, logged: Logged) -> None:
    asyncio.run(hang_up(api.secret, "/v1/image/create", {"prompt": WORDS}))
    [call] = logged()
    assert (call.status, call.image_id) == (499, Generation.objects.get().public_id)
    assert kept()
    purge()
    assert kept() == []


def test_words_that_were_noted_before_calls_named_images_go_too(serve: Serve, wallet: Wallet, logged: Logged) -> None:
    serve("POST", GENERATE[0], json=ASYNC)
    logged()
    ApiCall.objects.update(image_id="", images=0, created_at=timezone.now() - timedelta(days=20))
    purge()
    assert kept() == []


def test_look_ups_go_whenever_they_came(serve: Serve, wallet: Wallet, logged: Logged) -> None:
    id = serve("POST", GENERATE[0], json=ASYNC).json()["id"]
    finish(created_at=timezone.now() - timedelta(days=5))
    serve("GET", STATUS[0] + id)
    of_agent(serve, "image_status", id=id, wait_seconds=0)
    assert {call.image_id for call in logged()} == {id}
    assert len(kept()) == 3
    purge()
    assert kept() == []


def test_of_lists_no_answer_is_kept(serve: Serve, wallet: Wallet, logged: Logged) -> None:
    serve("POST", GENERATE[0], json=ASYNC)
    logged()
    ApiCall.objects.all().delete()
    finish()
    assert WORDS in serve("GET", "/v1/reve-image").text
    assert WORDS in of_agent(serve, "list_images").text
    listed = logged()
    assert [(call.status, call.image_id, call.images) for call in listed] == [(200, "", 0)] * 2
    assert kept() == []
    serve("GET", "/v1/models")
    assert "text2image_v1" in logged()[-1].answer_body  # other lists tell of nobody's images


def test_what_an_agent_asks_for_is_about_its_image(serve: Serve, wallet: Wallet, logged: Logged) -> None:
    answer = of_agent(serve, "generate_image", prompt=WORDS, wait=False)
    [call] = logged()
    assert call.image_id == Generation.objects.get().public_id
    assert call.image_id in answer.text
    purge()
    assert kept() == []


def test_they_are_found_by_indexes(generation: Generation) -> None:
    plan = ApiCall.objects.filter(subjects.about(generation)).explain()
    if connection.vendor == "sqlite":
        assert "apicall_image" in plan
        assert "SCAN" not in plan
