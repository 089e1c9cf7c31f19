"""A test key at the API: the answers of a live one, marked and free, and every refusal for whoever wants to see it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts import keys
from accounts.models import ApiKey
from billing import ledger
from billing.models import Wallet
from generator.ask import forced, prices
from generator.jobs import engine, outcomes
from generator.models import Generation, ImageModel, Operation, Route, Upstream
from reveweb.docs import errors, forcing
from reveweb.openapi import operations
from tests.api.answers import STATUS, assert_error, assert_json
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working
from tests.generator.test_bare import file
from tests.generator.test_failover import wait_until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

GENERATE = "/v1/reve-image/generate"


@pytest.fixture
def test(wallet: Wallet, client: Client) -> Api:
    """Alice's test key; she has no credit."""
    with ledger.books(wallet) as books:
        books.hold(reference="elsewhere", cause="elsewhere", credits=books.balance)
    key, secret = keys.mint(user=wallet.user, name="tests", is_test=True, rate_limit=100_000)
    return Api(client, key, secret)


def make_edits() -> None:
    model, upstream = ImageModel.objects.get(), Upstream.objects.get(slug="reve")
    ImageModel.objects.update(operations=list(Operation.values))
    for operation in (Operation.EDIT, Operation.REMIX):
        Route.objects.create(model=model, operation=operation, upstream=upstream)
    prices.forget()


def test_it_answers_as_a_live_key_does_and_charges_nothing(test: Api, wallet: Wallet) -> None:
    with working():
        answer = test.post({"prompt": "a lighthouse", "aspect_ratio": "16:9"})
    body = assert_json(answer)
    assert answer.status_code == 200
    assert set(body) == {"id", "status", "url", "metadata", "test"}
    assert body["test"] is True
    assert body["metadata"]["width"] * 9 == body["metadata"]["height"] * 16
    told = {name: answer[f"X-Credits-{name}"] for name in ("Charged", "Remaining", "Would-Charge")}
    assert told == {"Charged": "0", "Remaining": "0", "Would-Charge": "1"}
    looked = assert_json(test.get(STATUS[0] + body["id"]))
    assert (looked["test"], looked["credits"], looked["model"]) == (True, 0, "text2image_v1")
    assert test.client.get(body["url"].removeprefix("http://testserver")).status_code == 200
    assert audit(wallet) == 0


def test_live_and_test_keys_do_not_see_each_others_images(test: Api, api: Api, give: Callable[[int], None]) -> None:
    give(1)
    live, tested = (one.post({"prompt": "x", "async": True}).json()["id"] for one in (api, test))
    assert "test" not in api.get(STATUS[0] + live).json()
    assert_error(test.get(STATUS[0] + live), 404, "not_found")
    assert_error(api.get(STATUS[0] + tested), 404, "not_found")


def test_looks_of_test_keys_are_counted_apart(test: Api, api: Api, settings: Any) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 2
    for _ in range(2):
        assert test.get(f"{STATUS[0]}img_1").status_code == 404
    assert_error(test.get(f"{STATUS[0]}img_1"), 429, "rate_limited")
    assert_error(api.get(f"{STATUS[0]}img_1"), 404, "not_found")


def test_a_sample_is_made_from_samples_and_uploads_and_from_nothing_else(
    serve: Callable[..., httpx.Response], test: Api, api: Api, give: Callable[[int], None]
) -> None:
    make_edits()
    give(1)
    live = api.post({"prompt": "x", "async": True}).json()["id"]
    Generation.objects.filter(public_id=live).update(status="completed", file_extension="png", width=9, height=9)
    tested = test.post({"prompt": "x", "async": True}).json()["id"]
    engine.send_now()
    head = {"Authorization": f"Bearer {test.secret}"}
    upload = serve("POST", "/v1/files", files={"file": ("a.png", file("PNG"))}).json()["id"]
    for picture, status in ((upload, 202), (tested, 202), (live, 422)):
        body = {"prompt": "hats on", "image": picture, "async": True}
        assert serve("POST", "/v1/reve-image/edit", json=body, headers=head).status_code == status, picture
    assert serve("POST", "/v1/reve-image/edit", json={"prompt": "x", "image": tested}).status_code == 422
    full = {"prompt": "[test:uploads_full]", "images": [upload], "async": True}
    assert_error(serve("POST", "/v1/reve-image/remix", json=full, headers=head), 422, "uploads_full")


@pytest.mark.parametrize("code", [code for code, refusal in forced.REFUSALS.items() if not refusal.with_pictures])
def test_a_prompt_names_its_refusal(test: Api, wallet: Wallet, code: str) -> None:
    answer = test.post({"prompt": f"a fox [test:{code}]"}, **{"Idempotency-Key": code})
    status = next(row.status for row in forcing.refusals() if row.code == code)
    assert_error(answer, status, code, "prompt" if code in ("invalid_request", "prompt_not_allowed") else None)
    assert ("Retry-After" in answer.headers) == (status in (429, 503))
    if status == 429:
        assert answer.headers["Retry-After"] == str(forced.RETRY_SECONDS)
    assert not Generation.objects.exists()
    assert test.post({"prompt": "a fox", "async": True}, **{"Idempotency-Key": code}).status_code == 202


def test_a_forced_breakdown_troubles_nobody(test: Api, caplog: pytest.LogCaptureFixture) -> None:
    test.post({"prompt": "[test:internal_error]"})
    assert [record for record in caplog.records if record.name == "reveweb.api"] == []


def test_a_word_that_nobody_knows_is_told(test: Api) -> None:
    message = assert_error(test.post({"prompt": "a fox [test:explode]"}), 422, "invalid_request", "prompt")
    assert "[test:explode]" in message
    assert "insufficient_credits" in message
    assert_error(test.post({"prompt": "a fox [test:uploads_full]"}), 422, "invalid_request", "prompt")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("refuse", 422, "prompt_refused"), ("fail", 502, "upstream_failed"), ("timeout", 502, "upstream_failed")],
)
def test_a_call_that_waits_meets_the_end_that_its_prompt_names(test: Api, name: str, status: int, code: str) -> None:
    with working():
        answer = test.post({"prompt": f"a fox [test:{name}]"})
    body = answer.json()
    assert (answer.status_code, body["error"]["code"], body["test"]) == (status, code, True)
    assert body["error"]["message"].endswith("It was a test: nothing was charged.")
    assert test.get(STATUS[0] + body["id"]).json()["error"]["code"] == outcomes.OUTCOMES[name].code


def test_every_error_that_drawing_can_meet_is_forced_or_told_how_to_meet() -> None:
    met = {answer.code for name in operations.DRAWS for answer in operations.answers(name)}
    assert met - set(forced.REFUSALS) == set(forcing.OTHERWISE)
    ended = {failure.code for failure in errors.failures()}
    assert ended - {outcome.code for outcome in outcomes.OUTCOMES.values()} == {"cancelled"}  # by [test:pending]


def test_it_lists_its_own_images_only(test: Api, api: Api, give: Callable[[int], None]) -> None:
    give(1)
    for one in (api, test):
        assert one.post({"prompt": "a lighthouse", "async": True}).status_code == 202
    [tested], [live] = (one.get("/v1/reve-image?q=light").json()["data"] for one in (test, api))
    assert (tested["test"], tested["credits"], live.get("test"), live["credits"]) == (True, 0, None, 1)


def test_what_is_queued_can_be_cancelled_and_what_is_drawn_cannot(test: Api) -> None:
    def cancelled(prompt: str, status: str) -> Any:
        id = test.post({"prompt": prompt, "async": True}).json()["id"]
        engine.send_now()
        wait_until(lambda: Generation.objects.get(public_id=id).status == status)
        return assert_json(test.post({}, f"/v1/reve-image/{id}/cancel"))

    assert cancelled("[test:pending]", "queued")["cancelled"] is True
    with working():
        assert cancelled("[test:slow]", "drawing")["cancelled"] is False


def test_of_several_the_answer_is_marked_too(test: Api) -> None:
    with working():
        body = test.post({"prompt": "[test:partial]", "n": 2}).json()
    assert (body["status"], body["test"]) == ("completed", True)
    assert [(one["status"], one["test"]) for one in body["images"]] == [("completed", True), ("failed", True)]


def test_a_dry_run_tells_the_price_and_can_be_afforded(test: Api) -> None:
    body = test.post({"prompt": "x", "n": 3, "dry_run": True}).json()
    assert (body["credits"], body["credits_remaining"], body["affordable"]) == (3, 0, True)


def test_words_of_outcomes_and_refusals_are_not_the_same() -> None:
    assert set(outcomes.OUTCOMES).isdisjoint(forced.REFUSALS)


def test_a_key_of_an_account_without_any_credit_works(api: Api, client: Client, bob: Any) -> None:
    wallet = ledger.wallet_of(bob.pk)
    with ledger.books(wallet) as books:
        books.hold(reference="elsewhere", cause="elsewhere", credits=books.balance)
    secret = keys.mint(user=bob, name="tests", is_test=True)[1]
    ApiKey.objects.filter(user=bob).update(monthly_credit_cap=0)
    assert Api(client, api.key, secret).post({"prompt": "x", "async": True}).status_code == 202
