"""What a request is charged and how many are allowed, and the headers that tell it."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing.models import Plan, Wallet
from generator.ask import prices
from generator.models import Generation, ImageModel, Price
from kit import wakeups
from tests.api.answers import GENERATE, STATUS, assert_error
from tests.billing import books
from tests.billing.books import audit
from tests.conftest import Api

BODY = {"prompt": "a lighthouse", "async": True}


@pytest.fixture
def plain(alice: User, client: Client) -> Api:
    """The API with a key of Alice's that has no limit of its own."""
    key, secret = keys.mint(user=alice, name="plain")
    return Api(client, key, secret)


@pytest.fixture
def first_model(transactional_db: None) -> ImageModel:
    return ImageModel.objects.get()


@pytest.mark.services
def test_each_image_costs_a_credit_and_the_headers_count_down(plain: Api, wallet: Wallet) -> None:
    answers = [plain.post(BODY) for _ in range(3)]
    assert [answer["X-Credits-Charged"] for answer in answers] == ["1", "1", "1"]
    assert [answer["X-Credits-Remaining"] for answer in answers] == ["2", "1", "0"]
    assert audit(wallet) == 0


@pytest.mark.services
def test_without_credits_a_request_is_refused_and_charged_nothing(plain: Api, wallet: Wallet) -> None:
    call_command("grant_credits", "alice@example.com", "-3", "--reason", "test", stdout=io.StringIO())
    response = plain.post(BODY)
    assert_error(response, 402, "insufficient_credits")
    assert (response["X-Credits-Charged"], response["X-Credits-Remaining"]) == ("0", "0")
    assert response["RateLimit-Limit"] == "10"
    assert not Generation.objects.exists()
    assert audit(wallet) == 0


@pytest.fixture
def dear(first_model: ImageModel) -> ImageModel:
    """The model, at 2 credits an image, or 5 of high quality."""
    ImageModel.objects.filter(pk=first_model.pk).update(qualities=["standard", "high"])
    Price.objects.create(model=first_model, credits=2)
    Price.objects.create(model=first_model, credits=5, quality="high")
    return first_model


@pytest.mark.services
def test_an_image_is_charged_what_it_costs(plain: Api, wallet: Wallet, dear: ImageModel) -> None:
    answer = plain.post(BODY)
    assert (answer["X-Credits-Charged"], answer["X-Credits-Remaining"]) == ("2", "1")
    refused = plain.post(BODY)
    assert_error(refused, 402, "insufficient_credits")
    assert refused.json()["error"]["message"].startswith("This costs 2 credits; you have 1 credit. ")
    assert (refused["X-Credits-Charged"], refused["X-Credits-Remaining"]) == ("0", "1")
    assert audit(wallet) == 1


@pytest.mark.services
def test_a_repeat_after_the_price_has_changed_is_free(plain: Api, wallet: Wallet, dear: ImageModel) -> None:
    first = plain.post(BODY, **{"Idempotency-Key": "order-1"})
    Price.objects.create(model=dear, credits=9)
    prices.forget()
    again = plain.post(BODY, **{"Idempotency-Key": "order-1"})
    assert (again["X-Credits-Charged"], again["Idempotent-Replayed"]) == ("0", "true")
    assert again.json()["id"] == first.json()["id"]
    assert audit(wallet) == 1


@pytest.mark.services
def test_a_shape_that_the_model_does_not_draw_is_named_and_charges_nothing(
    plain: Api, wallet: Wallet, first_model: ImageModel
) -> None:
    ImageModel.objects.filter(pk=first_model.pk).update(aspect_ratios=["1:1", "16:9"])
    refused = plain.post({**BODY, "aspect_ratio": "3:4"})
    message = assert_error(refused, 422, "invalid_request", "aspect_ratio")
    assert message == "aspect_ratio: text2image_v1 takes 1:1, 16:9"
    assert (refused["X-Credits-Charged"], refused["X-Credits-Remaining"]) == ("0", "3")
    assert audit(wallet) == 3


@pytest.mark.services
def test_a_refusal_tells_the_balance_after_what_expired_in_it(plain: Api, wallet: Wallet) -> None:
    wallet.grants.update(expires_at=timezone.now() - timedelta(seconds=1))  # and no sweep has come by yet
    response = plain.post(BODY)
    assert_error(response, 402, "insufficient_credits")
    assert response["X-Credits-Remaining"] == str(audit(wallet)) == "0"


@pytest.mark.services
@pytest.mark.parametrize("limit", ["key", "plan"])
def test_a_refusal_for_another_reason_tells_it_too(plain: Api, wallet: Wallet, limit: str) -> None:
    assert plain.post(BODY)["X-Credits-Remaining"] == "2"
    wallet.grants.update(expires_at=timezone.now() - timedelta(seconds=1))
    books.grant(wallet, 7, reference="checkout:cs_1")
    if limit == "key":
        ApiKey.objects.filter(pk=plain.key.pk).update(monthly_credit_cap=1)
    else:
        Wallet.objects.update(
            plan=Plan.objects.create(slug="p", name="P", credits=10, price=0, interval="", max_in_flight=1)
        )
    response = plain.post(BODY)
    assert response.status_code == (402 if limit == "key" else 429)
    assert response["X-Credits-Remaining"] == str(audit(wallet)) == "7"


def test_credits_that_are_granted_can_be_spent_at_once(plain: Api, give: Callable[[int], None]) -> None:
    for _ in range(3):
        plain.post(BODY)
    assert_error(plain.post(BODY), 402, "insufficient_credits")
    give(1)
    assert plain.post(BODY).status_code == 202


@pytest.mark.services
def test_ten_requests_a_minute_are_taken_and_the_headers_tell(plain: Api, give: Callable[[int], None]) -> None:
    give(20)
    answers = [plain.post(BODY, GENERATE[number % 2]) for number in range(10)]
    assert {answer.status_code for answer in answers} == {202}
    assert [answer["RateLimit-Remaining"] for answer in answers] == [str(left) for left in range(9, -1, -1)]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"10"}
    assert {answer["RateLimit-Policy"] for answer in answers} == {"10;w=60"}
    assert all(1 <= int(answer["RateLimit-Reset"]) <= 60 for answer in answers)


def test_the_eleventh_is_told_when_to_come_back_and_charged_nothing(
    plain: Api, give: Callable[[int], None], wallet: Wallet
) -> None:
    give(20)
    for _ in range(10):
        plain.post(BODY)
    response = plain.post(BODY)
    assert_error(response, 429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["RateLimit-Remaining"] == "0"
    assert response["X-Credits-Charged"] == "0"
    assert Generation.objects.count() == 10
    assert audit(wallet) == 13


def test_status_look_ups_go_on_when_the_generate_limit_is_reached(plain: Api) -> None:
    ids = [plain.post(BODY).json()["id"]]
    for _ in range(10):
        plain.post(BODY)
    assert plain.post(BODY).status_code == 429
    for _ in range(30):
        assert plain.get(STATUS[0] + ids[0]).status_code == 200


def test_status_look_ups_have_a_limit_of_their_own(plain: Api, settings: Any) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 2
    plain.get(STATUS[0] + "img_1")
    plain.get(STATUS[1] + "img_1")
    response = plain.get(STATUS[0] + "img_1")
    assert_error(response, 429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert plain.post(BODY).status_code == 202


def test_a_key_with_its_own_limit_goes_by_that(alice: User, client: Client, give: Callable[[int], None]) -> None:
    give(30)
    key, secret = keys.mint(user=alice, name="fast", rate_limit=15)
    fast = Api(client, key, secret)
    answers = [fast.post(BODY) for _ in range(16)]
    assert [answer.status_code for answer in answers] == [202] * 15 + [429]
    assert answers[0]["RateLimit-Limit"] == "15"


@pytest.mark.parametrize("body", [{"prompt": ""}, {"prompt": 1}, b"{", b"[]"])
def test_a_request_that_is_no_request_does_not_count(plain: Api, body: Any) -> None:
    response = plain.post(body)
    assert (response["X-Credits-Charged"], response["X-Credits-Remaining"]) == ("0", "3")
    assert plain.post(BODY)["RateLimit-Remaining"] == "9"


def test_a_refused_key_learns_nothing_about_credits(client: Client, wallet: Wallet) -> None:
    response = client.post(GENERATE[0], BODY, "application/json", headers={"Authorization": "Bearer rv_x"})
    assert not [name for name in response.headers if name.startswith(("X-Credits", "RateLimit"))]


def test_a_worker_is_told_of_each_admitted_request_once(plain: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(wakeups, "publish", lambda *topics: woken.extend(topics))
    for _ in range(4):
        plain.post(BODY)
    assert woken.count(wakeups.WORK) == 3  # the fourth had no credit
