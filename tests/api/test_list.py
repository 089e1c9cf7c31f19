"""`GET /v1/reve-image`, `GET` and `DELETE …/{id}`: what was asked for, newest first, and taking it away."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import keys
from accounts.models import User
from billing.models import Wallet
from generator.ask import admission, prices
from generator.ask.admission import ImageRequest
from generator.jobs import lifecycle
from generator.library import trash
from generator.models import Generation, ImageModel
from tests.api.answers import STATUS, assert_error, assert_json
from tests.billing.books import audit
from tests.conftest import Api
from tests.generator.test_lifecycle import complete, drawing

LIST = "/v1/reve-image"


@pytest.fixture(autouse=True)
def _unlimited(wallet: Wallet) -> None:
    Wallet.objects.update(rate_limit=1000)
    wallet.refresh_from_db()


def asked(wallet: Wallet, prompt: str = "a lighthouse", **fields: Any) -> Generation:
    return admission.admit(wallet=wallet, request=ImageRequest(prompt=prompt, **fields)).generation


def listed(api: Api, query: str = "") -> Any:
    answer = api.get(f"{LIST}?{query}")
    assert answer.status_code == 200, answer.content
    return assert_json(answer)


def ids(body: Any) -> list[str]:
    return [one["id"] for one in body["data"]]


@pytest.mark.services
def test_it_lists_the_newest_first_a_page_at_a_time(api: Api, wallet: Wallet, give: Callable[[int], None]) -> None:
    give(20)
    several = admission.admit(wallet=wallet, request=ImageRequest(prompt="x", count=4)).generations
    others = [asked(wallet) for _ in range(6)]
    # As everywhere, a group's first image stands before its second.
    wanted = [one.public_id for one in [*reversed(others), *several]]
    assert ids(listed(api)) == wanted
    found, cursor = [], ""
    for size in (3, 3, 3, 1):
        page = listed(api, f"limit=3&cursor={cursor}")
        assert len(page["data"]) == size
        found += ids(page)
        cursor = page.get("next_cursor", "")
        assert page["has_more"] is bool(cursor)
        asked(wallet)  # what arrives meanwhile moves nothing
    assert found == wanted


@pytest.mark.services
def test_each_is_told_as_its_status_is(api: Api, wallet: Wallet) -> None:
    complete(drawing(asked(wallet)))
    lifecycle.fail(drawing(asked(wallet)), code="upstream_failed", message="No.")
    asked(wallet)
    body = listed(api)
    assert [one["status"] for one in body["data"]] == ["pending", "failed", "completed"]
    for one in body["data"]:
        assert one == api.get(STATUS[0] + one["id"]).json() == api.get(f"{LIST}/{one['id']}").json()
    assert (body["object"], body["has_more"], "next_cursor" in body) == ("list", False, False)


@pytest.mark.services
def test_it_can_be_filtered(api: Api, wallet: Wallet, give: Callable[[int], None]) -> None:
    give(10)
    other = ImageModel.objects.create(slug="other", name="Other")
    old, done, failed, words = (asked(wallet, prompt) for prompt in ("one", "two", "three", "A Grösse fox"))
    Generation.objects.filter(pk=old.pk).update(
        created_at=timezone.now() - timedelta(days=2), image_model=None, operation="edit"
    )
    complete(drawing(done))
    Generation.objects.filter(pk=done.pk).update(image_model=other)
    lifecycle.cancel(failed)
    day = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query, wanted in {
        "status=pending": [words, old],
        "status=completed": [done],
        "status=failed": [failed],
        "operation=edit": [old],
        "operation=create": [words, failed, done],
        "model=other": [done],
        "model=text2image_v1": [words, failed, old],  # that of before there were models is the first
        f"created_after={day}": [words, failed, done],
        f"created_before={day}": [old],
        "q=GR%C3%96SSE+fox": [words],
        "q=%25": [],
        f"status=pending&created_after={day}": [words],
    }.items():
        assert ids(listed(api, query)) == [one.public_id for one in wanted], query


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE", "cursor"),
        ("status=done", "status"),
        ("operation=draw", "operation"),
        ("model=none", "model"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-01-01T00:00:00", "created_before"),  # of which zone?
        (f"q={'x' * 201}", "q"),
    ],
)
def test_what_is_wrong_with_a_list_is_told_by_its_name(api: Api, query: str, param: str) -> None:
    assert_error(api.get(f"{LIST}?{query}"), 422, "invalid_request", param)


@pytest.mark.services
def test_it_has_ones_own_and_nothing_deleted(api: Api, wallet: Wallet, generation: Generation, bob: User) -> None:
    mine, gone = generation, asked(wallet)
    complete(drawing(gone))
    trash.discard(wallet, [gone.public_id])
    Generation.objects.filter(pk=asked(wallet).pk).update(is_test=True)  # a sample is for keys that draw samples
    assert ids(listed(api)) == [mine.public_id]
    api.secret = keys.mint(user=bob, name="test")[1]
    assert ids(listed(api)) == []
    assert_error(api.get(f"{LIST}/{mine.public_id}"), 404, "not_found")
    assert_error(api.client.delete(f"{LIST}/{mine.public_id}", headers=bearer(api)), 404, "not_found")


def bearer(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.secret}"}


@pytest.mark.services
def test_a_finished_image_is_deleted_once_and_can_be_taken_back(
    api: Api, generation: Generation, wallet: Wallet
) -> None:
    path = f"{LIST}/{generation.public_id}"
    assert_error(api.client.delete(path, headers=bearer(api)), 409, "not_finished")
    complete(drawing(generation))
    answer = api.client.delete(path, headers=bearer(api))
    assert (answer.status_code, answer.json()) == (200, {"id": generation.public_id, "deleted": True})
    assert_error(api.client.delete(path, headers=bearer(api)), 404, "not_found")
    for gone in (path, STATUS[0] + generation.public_id):
        assert_error(api.get(gone), 404, "not_found")
    assert audit(wallet) == 2
    assert trash.restore(wallet, [generation.public_id]) == 1
    assert api.get(path).status_code == 200


@pytest.mark.services
def test_a_list_takes_the_same_statements_however_long(
    api: Api,
    wallet: Wallet,
    give: Callable[[int], None],
    statements: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", 600)
    give(60)
    asked(wallet)
    listed(api, "limit=100")
    statements.clear()
    listed(api, "limit=100")
    few = len(statements)
    for _ in range(5):
        admission.admit(wallet=wallet, request=ImageRequest(prompt="x", count=10))
    statements.clear()
    assert len(listed(api, "limit=100")["data"]) == 51
    assert len(statements) == few
    assert sum("generator_generation" in one for one in statements) == 2
