"""`n`, `dry_run` and `deadline_seconds`: several images in one call, its price beforehand, and a time it must keep."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing.models import CreditEntry, Plan, Wallet
from generator.ask import prices
from generator.models import Generation, Group, ImageModel, Operation, Route, Upload, Upstream
from generator.upstreams import trouble
from generator.upstreams.errors import OperatorTrouble
from tests.api.answers import GENERATE, STATUS, assert_error
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working
from tests.generator.test_bare import file

pytestmark = pytest.mark.services
Serve = Callable[..., httpx.Response]
ASYNC = {"prompt": "a lighthouse", "async": True}


def able() -> None:
    """Let the model do all that there is."""
    ImageModel.objects.update(operations=list(Operation.values))
    for operation in (Operation.EDIT, Operation.REMIX):
        Route.objects.create(model=ImageModel.objects.get(), operation=operation, upstream=Upstream.objects.get())
    prices.forget()


# --- Several ----------------------------------------------------------------------------------------------------


def test_several_are_one_group_and_each_has_its_price(api: Api, wallet: Wallet, give: Callable[[int], None]) -> None:
    give(7)
    answer = api.post({**ASYNC, "n": 10})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (202, "pending")
    assert [one["status"] for one in body["images"]] == ["pending"] * 10
    assert [one["id"] for one in body["images"]] == list(
        Generation.objects.order_by("position").values_list("public_id", flat=True)
    )
    assert Group.objects.get().count == 10
    assert (answer["X-Credits-Charged"], answer["X-Credits-Remaining"]) == ("10", "0")
    assert int(answer["RateLimit-Remaining"]) == 100_000 - 10
    assert audit(wallet) == 0


def test_one_is_answered_as_ever(api: Api) -> None:
    assert "images" not in api.post({**ASYNC, "n": 1}).json()


@pytest.mark.parametrize("n", [0, -1, 11, "2", 2.5, True, [2]])
def test_a_number_that_is_none_is_refused_by_its_name(api: Api, wallet: Wallet, n: Any) -> None:
    assert_error(api.post({**ASYNC, "n": n}), 422, "invalid_request", "n")
    assert audit(wallet) == 3


def test_all_are_taken_on_or_none(api: Api, wallet: Wallet) -> None:
    message = assert_error(api.post({**ASYNC, "n": 4}), 402, "insufficient_credits")
    assert "4 credits" in message
    ApiKey.objects.update(monthly_credit_cap=1)
    assert_error(api.post({**ASYNC, "n": 2}), 402, "key_limit_reached")
    ApiKey.objects.update(monthly_credit_cap=None, rate_limit=2)
    for dry in ({}, {"dry_run": True}):
        assert "at most 2 " in assert_error(api.post({**ASYNC, "n": 3, **dry}), 422, "invalid_request", "n")
    Wallet.objects.update(
        plan=Plan.objects.create(slug="p", name="P", credits=10, price=0, interval="", max_in_flight=1)
    )
    for dry in ({}, {"dry_run": True}):
        assert "at most 1 " in assert_error(api.post({**ASYNC, "n": 2, **dry}), 422, "invalid_request", "n")
    assert not Generation.objects.exists()
    assert audit(wallet) == 3


def test_more_than_there_is_room_for_now_may_be_asked_for_again(api: Api, wallet: Wallet) -> None:
    ApiKey.objects.update(rate_limit=3)
    Wallet.objects.update(
        plan=Plan.objects.create(slug="p", name="P", credits=10, price=0, interval="", max_in_flight=2)
    )
    assert api.post({**ASYNC, "n": 1}).status_code == 202
    assert_error(api.post({**ASYNC, "n": 2}), 429, "too_many_unfinished")
    assert_error(api.post({**ASYNC, "n": 2}), 429, "rate_limited")
    assert audit(wallet) == 2


@pytest.mark.usefixtures("images", "sandbox")
def test_a_call_waits_for_all_of_them(api: Api, wallet: Wallet) -> None:
    with working():
        answer = api.post({"prompt": "a lighthouse", "n": 3})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "completed")
    assert len({one["url"] for one in body["images"]}) == 3
    assert (answer["X-Credits-Charged"], answer["X-Credits-Remaining"]) == ("3", "0")
    assert audit(wallet) == 0


@pytest.mark.usefixtures("images", "sandbox")
@pytest.mark.parametrize(
    ("mode", "status", "code"), [("fail", 502, "upstream_failed"), ("refuse", 422, "prompt_refused")]
)
def test_none_of_them_is_a_failure_and_costs_nothing(
    api: Api, wallet: Wallet, mode: str, status: int, code: str
) -> None:
    with working():
        answer = api.post({"prompt": f"a lighthouse [sandbox:{mode}]", "n": 2})
    body = answer.json()
    assert (answer.status_code, body["status"], body["error"]["code"]) == (status, "failed", code)
    assert [one["status"] for one in body["images"]] == ["failed", "failed"]
    assert (answer["X-Credits-Charged"], answer["X-Credits-Remaining"]) == ("0", "3")
    assert audit(wallet) == 3


@pytest.mark.usefixtures("images", "sandbox")
def test_some_of_them_cost_what_they_are(api: Api, wallet: Wallet) -> None:
    headers = {"Idempotency-Key": "one"}
    first = api.post({**ASYNC, "n": 3}, **headers).json()
    Generation.objects.filter(public_id=first["images"][1]["id"]).update(deadline_at=timezone.now())
    with working():
        answer = api.post({**ASYNC, "n": 3}, **headers, Prefer="wait=20")
    body = answer.json()
    assert answer.status_code == 200
    assert answer["Idempotent-Replayed"] == "true"
    assert [one["id"] for one in body["images"]] == [one["id"] for one in first["images"]]
    assert Counter(one["status"] for one in body["images"]) == {"completed": 2, "failed": 1}
    assert (answer["X-Credits-Charged"], answer["X-Credits-Remaining"]) == ("0", "1")
    assert_error(api.post({**ASYNC, "n": 2}, **headers), 409, "idempotency_conflict")
    assert audit(wallet) == 1


@pytest.mark.usefixtures("images")
def test_edits_and_remixes_are_several_too(serve: Serve, wallet: Wallet, give: Callable[[int], None]) -> None:
    able()
    give(3)
    form = {"prompt": "x", "n": "3", "async": "true", "deadline_seconds": "60"}
    edited = serve("POST", "/v1/reve-image/edit", data=form, files={"image": ("a.png", file("PNG"))})
    assert (edited.status_code, len(edited.json()["images"])) == (202, 3)
    body = {**ASYNC, "n": 3, "images": [Upload.objects.get().public_id]}
    assert len(serve("POST", "/v1/reve-image/remix", json=body).json()["images"]) == 3
    assert audit(wallet) == 0
    dry = serve("POST", "/v1/reve-image/edit", data={**form, "dry_run": "1"}, files={"image": ("a.png", file("PNG"))})
    assert (dry.status_code, dry.json()["credits"], dry.json()["operation"]) == (200, 3, "edit")


def test_fifty_calls_for_several_spend_what_there_is_and_no_more(
    wallet: Wallet, alice: User, give: Callable[[int], None]
) -> None:
    """Fifty calls for three at once, and credits for eleven images."""
    give(30)
    from reveweb.asgi import application

    _, secret = keys.mint(user=alice, name="many", rate_limit=100_000)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:
            key = {"Authorization": f"Bearer {secret}"}
            return await asyncio.gather(
                *(client.post(GENERATE[0], json={**ASYNC, "n": 3}, headers=key) for _ in range(50))
            )

    assert Counter(one.status_code for one in asyncio.run(ask())) == {202: 11, 402: 39}
    assert Generation.objects.count() == 33
    assert audit(wallet) == 0


# --- Dry runs ---------------------------------------------------------------------------------------------------


def test_a_dry_run_says_the_price_and_changes_nothing(api: Api, wallet: Wallet) -> None:
    before = CreditEntry.objects.count()
    answer = api.post({**ASYNC, "n": 4, "dry_run": True}, **{"Idempotency-Key": "one"})
    assert answer.status_code == 200
    assert answer.json() == {
        "dry_run": True,
        "credits": 4,
        "credits_each": 1,
        "credits_remaining": 3,
        "affordable": False,
        "operation": "create",
        "model": "text2image_v1",
        "size": "",
        "quality": "",
        "aspect_ratio": "1:1",
        "n": 4,
    }
    assert (answer["X-Credits-Charged"], answer["X-Credits-Remaining"]) == ("0", "3")
    assert answer["RateLimit-Remaining"] == "100000"
    assert (Generation.objects.count(), Group.objects.count(), CreditEntry.objects.count()) == (0, 0, before)
    assert ApiKey.objects.get().months.count() == 0
    # The idempotency key is still to be had.
    assert api.post({**ASYNC, "n": 2}, **{"Idempotency-Key": "one"}).status_code == 202


def test_a_dry_run_knows_what_the_key_may_spend(api: Api) -> None:
    assert api.post({**ASYNC, "n": 2, "dry_run": True}).json()["affordable"] is True
    ApiKey.objects.update(monthly_credit_cap=1)
    assert api.post({**ASYNC, "n": 2, "dry_run": True}).json()["affordable"] is False
    assert api.post({**ASYNC, "dry_run": True}).json()["affordable"] is True


@pytest.mark.usefixtures("images")
def test_a_dry_run_refuses_what_the_request_would_be_refused_for(
    api: Api, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    able()
    for body, param in (
        ({"model": "none"}, "model"),
        ({"size": "9K"}, "size"),
        ({"prompt": ""}, "prompt"),
        ({"n": 11}, "n"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
    ):
        assert_error(api.post({**ASYNC, "dry_run": True, **body}), 422, "invalid_request", param)
    edit = "/v1/reve-image/edit"
    for image in ("bm8=", "img_1"):
        answer = serve("POST", edit, json={**ASYNC, "dry_run": True, "image": image})
        assert_error(answer, 422, "invalid_request", "image")
    monkeypatch.setattr(trouble, "CACHE_SECONDS", -1.0)
    trouble.note(Upstream.objects.get(), OperatorTrouble("402"))
    assert_error(api.post({**ASYNC, "dry_run": True}), 503, "unavailable")


def test_dry_runs_are_counted_with_the_look_ups(api: Api, settings: Any) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 2
    assert [api.post({**ASYNC, "dry_run": True}).status_code for _ in range(3)] == [200, 200, 429]


# --- Deadlines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, 601, "60", 1.5])
def test_a_deadline_that_is_none_is_refused_by_its_name(api: Api, settings: Any, seconds: Any) -> None:
    settings.GENERATION_DEADLINE_SECONDS = 600
    assert_error(api.post({**ASYNC, "deadline_seconds": seconds}), 422, "invalid_request", "deadline_seconds")


@pytest.mark.usefixtures("images", "sandbox")
def test_what_is_not_finished_by_its_deadline_fails_on_time_and_returns_its_credit(api: Api, wallet: Wallet) -> None:
    with working():
        began = time.monotonic()
        answer = api.post({"prompt": "a lighthouse [sandbox:never]", "deadline_seconds": 1, "n": 2})
        took = time.monotonic() - began
    assert answer.status_code == 502
    assert 1.0 <= took < 60  # its call would wait for 90 seconds, and other images have 600
    looked = api.get(STATUS[0] + answer.json()["images"][0]["id"]).json()
    assert (looked["status"], looked["error"]["code"]) == ("failed", "timed_out")
    assert looked["error"]["message"] == "No image after 1 second. Your credit was returned."
    late = [one.finished_at - one.deadline_at for one in Generation.objects.all() if one.finished_at]
    assert timedelta(0) <= min(late) <= max(late) < timedelta(seconds=60)
    assert audit(wallet) == 3
