"""`Idempotency-Key`: a request that is sent again makes no second image."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import User
from billing.models import Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.errors import OutOfCredits
from generator.models import Generation
from tests.api.answers import assert_error, assert_json
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working

BODY = {"prompt": "a lighthouse", "async": True}


def post(api: Api, key: str, body: Any = BODY, **headers: str) -> Any:
    return api.post(body, **{"Idempotency-Key": key, **headers})


@pytest.mark.services
def test_the_same_key_and_body_return_the_first_generation(api: Api, wallet: Wallet) -> None:
    first, again = post(api, "order-1"), post(api, "order-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert assert_json(first) == assert_json(again)
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert (again["X-Credits-Charged"], again["X-Credits-Remaining"]) == ("0", "2")
    assert Generation.objects.count() == 1
    assert audit(wallet) == 2


def test_what_was_deleted_is_told_again_and_not_charged(api: Api, wallet: Wallet) -> None:
    """As best-practices.md promises; OpenAI's clients, reve.com's and agents are told that it is gone."""
    first = post(api, "order-1").json()
    Generation.objects.update(status=Generation.Status.COMPLETED, deleted_at=timezone.now())
    again = post(api, "order-1")
    assert (again.status_code, again["Idempotent-Replayed"], again.json()["id"]) == (200, "true", first["id"])
    assert (again["X-Credits-Charged"], Generation.objects.count()) == ("0", 1)


def test_the_same_body_in_other_clothes_is_the_same(api: Api) -> None:
    post(api, "order-1")
    clothes = b' {"async" : true, "aspect_ratio": "1:1", "ignored": 1, "prompt":"a light\\u0068ouse"} '
    assert post(api, "order-1", clothes)["Idempotent-Replayed"] == "true"
    assert api.post(BODY, "/v1/images/generate/", **{"Idempotency-Key": "order-1"})["Idempotent-Replayed"] == "true"


@pytest.mark.services
@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "a lighthouse "},
        {"prompt": "A lighthouse"},
        {"negative_prompt": "fog"},
        {"aspect_ratio": "16:9"},
        {"async": False},
    ],
)
def test_the_same_key_with_another_body_is_a_conflict(api: Api, wallet: Wallet, other: dict[str, Any]) -> None:
    first = post(api, "order-1").json()["id"]
    conflict = post(api, "order-1", {**BODY, **other})
    assert_error(conflict, 409, "idempotency_conflict")
    assert conflict.json()["error"]["image_id"] == first
    assert Generation.objects.count() == 1
    assert audit(wallet) == 2


def test_without_a_key_every_request_is_a_new_one(api: Api, wallet: Wallet) -> None:
    api.post(BODY)
    api.post(BODY)
    assert Generation.objects.count() == 2
    assert audit(wallet) == 1


def test_another_key_is_another_request(api: Api) -> None:
    post(api, "order-1")
    assert "Idempotent-Replayed" not in post(api, "Order-1")
    assert Generation.objects.count() == 2


@pytest.mark.services
def test_accounts_do_not_share_idempotency_keys(api: Api, bob: User) -> None:
    _, bobs = keys.mint(user=bob, name="test")
    post(api, "order-1")
    response = post(api, "order-1", Authorization=f"Bearer {bobs}")
    assert "Idempotent-Replayed" not in response
    assert Generation.objects.count() == 2


def test_an_accounts_api_keys_share_idempotency_keys(api: Api, alice: User) -> None:
    _, other = keys.mint(user=alice, name="other")
    post(api, "order-1")
    assert post(api, "order-1", Authorization=f"Bearer {other}")["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "a\x7f", "a\tb", "\x00"])
def test_an_odd_key_is_refused_and_named(api: Api, wallet: Wallet, key: str) -> None:
    assert_error(post(api, key), 422, "invalid_request", "Idempotency-Key")
    assert audit(wallet) == 3


@pytest.mark.services
@pytest.mark.parametrize("key", ["x", "x" * 255, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "%s{0}"])
def test_any_printable_key_is_taken(api: Api, key: str) -> None:
    post(api, key)
    assert post(api, key)["Idempotent-Replayed"] == "true"


def test_a_replay_is_answered_though_no_credits_are_left(api: Api, wallet: Wallet) -> None:
    first = post(api, "order-1")
    api.post(BODY)
    api.post(BODY)
    assert audit(wallet) == 0
    again = post(api, "order-1")
    assert again.status_code == 202
    assert assert_json(again) == assert_json(first)


def test_a_replay_does_not_count_against_the_rate_limit(alice: User, client: Client) -> None:
    key, secret = keys.mint(user=alice, name="slow", rate_limit=1)
    slow = Api(client, key, secret)
    assert post(slow, "order-1").status_code == 202
    again = post(slow, "order-1")
    assert again.status_code == 202
    assert (again["RateLimit-Limit"], again["RateLimit-Remaining"]) == ("1", "0")
    assert_error(slow.post(BODY), 429, "rate_limited")


@pytest.mark.parametrize("body", [BODY, {**BODY, "n": 2}])
def test_replays_count_as_looks_at_the_status(api: Api, wallet: Wallet, settings: Any, body: dict[str, Any]) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 3
    assert "Idempotent-Replayed" not in post(api, "order-1", body)
    assert [post(api, "order-1", body).status_code for _ in range(3)] == [202, 202, 202]
    assert_error(post(api, "order-1", body), 429, "rate_limited")
    assert_error(api.get(f"/v1/reve-image/{Generation.objects.all()[0]}"), 429, "rate_limited")
    assert "Idempotent-Replayed" not in post(api, "order-2")  # what is new has its own limit
    assert audit(wallet) == 3 - body.get("n", 1) - 1


@pytest.mark.services
def test_a_refused_request_does_not_use_its_key_up(api: Api) -> None:
    assert_error(post(api, "order-1", {"prompt": ""}), 422, "invalid_request", "prompt")
    assert "Idempotent-Replayed" not in post(api, "order-1")


@pytest.mark.usefixtures("images", "sandbox")
def test_a_replayed_request_waits_and_gets_the_first_ones_image(api: Api, wallet: Wallet) -> None:
    body = {"prompt": "a lighthouse"}
    with working():
        first = post(api, "order-1", body)
    again = post(api, "order-1", body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert assert_json(first) == assert_json(again)
    assert again["Idempotent-Replayed"] == "true"
    assert audit(wallet) == 2


@pytest.mark.usefixtures("images", "sandbox")
def test_a_replay_of_a_failure_is_that_failure(api: Api, wallet: Wallet) -> None:
    body = {"prompt": "a lighthouse [sandbox:fail]"}
    with working():
        first = post(api, "order-1", body)
    again = post(api, "order-1", body)
    assert (first.status_code, again.status_code) == (502, 502)
    assert assert_json(first) == assert_json(again)
    assert audit(wallet) == 3


# --- At the same moment ----------------------------------------------------------------------------------------


def admit_at_once(wallet: Wallet, count: int, key: Callable[[int], str | None]) -> list[Any]:
    """Admit the same request on many threads that start together; return what came of each."""
    results: list[Any] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait(60)
        try:
            request = ImageRequest(prompt="a lighthouse")
            results.append(admission.admit(wallet=wallet, request=request, idempotency_key=key(number)))
        except Exception as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    return results


@pytest.fixture
def _no_limit(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 10_000


@pytest.mark.services
@pytest.mark.usefixtures("_no_limit")
@pytest.mark.parametrize("credits", [1, 3])
def test_of_many_that_come_at_once_one_is_charged_and_all_get_it(wallet: Wallet, credits: int) -> None:
    """Also when the first of them takes the last credit."""
    for number in range(3 - credits):
        admission.admit(wallet=wallet, request=ImageRequest(prompt=str(number)))
    results = admit_at_once(wallet, 8, lambda _: "order-1")
    assert {type(result) for result in results} == {admission.Admission}, results
    assert len({result.generation.pk for result in results}) == 1
    assert sum(result.credits_charged for result in results) == 1
    assert sum(not result.replayed for result in results) == 1
    assert audit(wallet) == credits - 1


@pytest.mark.services
@pytest.mark.usefixtures("_no_limit")
def test_of_many_different_ones_at_once_as_many_pass_as_there_are_credits(wallet: Wallet) -> None:
    results = admit_at_once(wallet, 12, lambda _: None)
    assert sum(isinstance(result, admission.Admission) for result in results) == 3
    assert sum(isinstance(result, OutOfCredits) for result in results) == 9
    assert Generation.objects.count() == 3
    assert audit(wallet) == 0
