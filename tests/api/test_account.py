"""What a key is told of itself, of its account, and of what was used."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys, tokens
from accounts.models import ApiKey, User
from billing.models import CreditEntry, CreditGrant, Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.jobs import lifecycle
from generator.library import usage
from generator.models import Generation
from reveweb.openapi import document as describe
from tests.api import described
from tests.api.answers import assert_error, assert_json
from tests.billing import books
from tests.conftest import Api

pytestmark = pytest.mark.services

Serve = Callable[..., httpx.Response]


def told(serve: Serve, path: str, status: int = 200, **options: Any) -> Any:
    """Ask, and hold the answer to the document."""
    answer = serve("GET", path, **options)
    assert answer.status_code == status, answer.text
    document = describe("http://testserver")
    described.check_answer(document, path.partition("?")[0], "get", status, answer.headers, answer.json())
    return assert_json(answer)


def ask(wallet: Wallet, key: ApiKey | None = None, count: int = 1) -> list[Generation]:
    return list(admission.admit(wallet=wallet, request=ImageRequest(prompt="x", count=count), api_key=key).generations)


# --- The key ---------------------------------------------------------------------------------------------------


def test_a_key_is_told_what_it_is_and_what_is_left(api: Api, wallet: Wallet, serve: Serve) -> None:
    ends = datetime(2090, 1, 2, tzinfo=UTC)
    keys.change(
        api.key,
        expires_at=ends,
        scopes=["generate"],
        daily_credit_cap=5,
        lifetime_credit_cap=1,
        allowed_ips=["127.0.0.0/8"],
    )
    ask(wallet, api.key)
    body = told(serve, "/v1/key")
    assert (body["id"], body["kind"], body["name"]) == (api.key.prefix, "live", "test")
    assert (body["scopes"], body.get("models"), body["allowed_ips"]) == (["generate"], None, ["127.0.0.0/8"])
    assert body["expires_at"] == "2090-01-02T00:00:00Z"
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    assert body["caps"]["day"] == {"limit": 5, "spent": 1, "left": 4, "resets_at": tomorrow}
    assert body["caps"]["month"].keys() == {"spent", "resets_at"}
    assert body["caps"]["lifetime"] == {"limit": 1, "spent": 1, "left": 0}
    assert body["rate_limit"]["limit"] == 100_000
    assert api.secret not in str(body)


@pytest.mark.parametrize("scope", ["generate", "read", "account"])
def test_any_key_may_ask_what_it_is_and_only_some_may_ask_of_the_account(
    api: Api, wallet: Wallet, serve: Serve, scope: str
) -> None:
    keys.change(api.key, scopes=[scope])
    assert told(serve, "/v1/key")["scopes"] == [scope]
    for path in ("/v1/account", "/v1/usage"):
        answer = serve("GET", path)
        if scope == "account":
            assert answer.status_code == 200
        else:
            assert_error(answer, 403, "scope_missing")


def test_a_test_key_is_one(alice: User, wallet: Wallet, serve: Serve) -> None:
    _, secret = keys.mint(user=alice, name="t", is_test=True)
    assert told(serve, "/v1/key", headers={"Authorization": f"Bearer {secret}"})["kind"] == "test"


# --- The account -----------------------------------------------------------------------------------------------


def test_an_account_is_told_its_credits_and_when_they_expire(api: Api, wallet: Wallet, serve: Serve) -> None:
    ends = timezone.now().replace(microsecond=0) + timedelta(days=30)
    books.grant(wallet=wallet, credits=7, source=CreditGrant.Source.PACK, reference="p", cause="x", expires_at=ends)
    ask(wallet, api.key)
    body = told(serve, "/v1/account")
    assert body["balance"] == 9 == sum(bucket["credits"] for bucket in body["buckets"])
    assert body["buckets"][0] == {
        "source": "pack",
        "credits": 6,
        "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert body["buckets"][1] == {"source": "welcome", "credits": 3}
    assert body["unfinished"] == 1
    assert wallet.user.email not in str(body)


# --- Usage -----------------------------------------------------------------------------------------------------


@pytest.fixture
def history(api: Api, wallet: Wallet, give: Any, alice: User) -> ApiKey:
    """Images of three days, two keys and the studio, some failed, and samples; return the second key."""
    give(50)
    other, _ = keys.mint(user=alice, name="=1+1")
    now = timezone.now()
    for days, key, count, failed in ((0, api.key, 3, 1), (0, None, 2, 0), (1, other, 4, 4), (40, api.key, 5, 0)):
        made = ask(wallet, key, count)
        for one in made[:failed]:
            lifecycle.fail(one, code="upstream_failed", message="No.")
        Generation.objects.filter(pk__in=[one.pk for one in made]).update(created_at=now - timedelta(days=days))
    test, _ = keys.mint(user=alice, name="t", is_test=True)
    ask(wallet, test, 2)
    return other


def test_usage_is_told_apart_by_day_key_and_model(api: Api, wallet: Wallet, serve: Serve, history: ApiKey) -> None:
    today = datetime.now(UTC).date()
    by_day = told(serve, "/v1/usage")
    assert by_day["data"] == [
        {"day": str(today - timedelta(days=1)), "images": 0, "credits": 0, "failed": 4},
        {"day": str(today), "images": 4, "credits": 4, "failed": 1},
    ]
    assert by_day["total"] == {"images": 4, "credits": 4, "failed": 5}
    by_key = told(serve, f"/v1/usage?group_by=key&from={today - timedelta(days=60)}")
    assert {part["key"]: (part["images"], part["failed"]) for part in by_key["data"]} == {
        api.key.prefix: (7, 1),
        history.prefix: (0, 4),
        "": (2, 0),
    }
    all_of_it = told(serve, "/v1/usage?group_by=model,key,day")
    assert all_of_it["group_by"] == ["day", "key", "model"]
    assert {part["model"] for part in all_of_it["data"]} == {"text2image_v1"}
    assert all_of_it["total"] == by_day["total"]


def test_usage_is_what_the_dashboard_and_the_ledger_say(
    api: Api, wallet: Wallet, serve: Serve, history: ApiKey
) -> None:
    today = datetime.now(UTC).date()
    told_here = {part["day"]: part for part in told(serve, f"/v1/usage?from={today - timedelta(days=89)}")["data"]}
    for day in usage.of_days(wallet, 90).days:
        mine = told_here.pop(str(day.day), {"images": 0, "credits": 0, "failed": 0})
        assert (mine["images"], mine["credits"], mine["failed"]) == (day.images, day.credits, day.failed)
    assert not told_here
    moved = CreditEntry.objects.filter(wallet=wallet, kind__in=["hold", "release"]).values_list("amount", flat=True)
    assert told(serve, f"/v1/usage?from={today - timedelta(days=89)}")["total"]["credits"] == -sum(moved)


@pytest.mark.parametrize("how", [{"path": "?format=csv"}, {"headers": {"Accept": "text/csv"}}])
def test_usage_comes_as_a_file_that_spreadsheets_open_safely(
    api: Api, wallet: Wallet, serve: Serve, history: ApiKey, how: Any
) -> None:
    path = "/v1/usage" + how.get("path", "?") + "&group_by=day,key"
    answer = serve("GET", path, headers=how.get("headers", {}))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == ["day", "key", "key_name", "images", "credits", "failed"]
    named = {row["key"]: row for row in rows}
    assert named[history.prefix]["key_name"] == "'=1+1"
    assert (named[""]["images"], named[""]["key_name"]) == ("2", "")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("from=2026-01-01&to=2027-01-02", "from"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from=yesterday", "from"),
        ("to=9999-12-31", "to"),
        ("group_by=prompt", "group_by"),
        ("group_by=", "group_by"),
        ("format=xml", "format"),
    ],
)
def test_what_no_usage_can_be_told_for_is_refused(
    api: Api, wallet: Wallet, serve: Serve, query: str, param: str
) -> None:
    assert_error(serve("GET", f"/v1/usage?{query}"), 422, "invalid_request", param)


def test_a_year_of_usage_is_told_and_no_more_rows_than_somebody_reads(
    api: Api, wallet: Wallet, serve: Serve, history: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(serve, "/v1/usage?from=2024-01-01&to=2024-12-31")["data"] == []
    monkeypatch.setattr(usage, "MOST_PARTS", 1)
    assert "fewer days" in assert_error(serve("GET", "/v1/usage"), 422, "invalid_request", "group_by")


def test_usage_takes_as_many_queries_for_many_keys(alice: User, wallet: Wallet, history: ApiKey) -> None:
    from django.db import connection

    today = datetime.now(UTC).date()
    with CaptureQueriesContext(connection) as captured:
        usage.parts(wallet, today - timedelta(days=30), today, ["day", "key", "model"])
    assert len(captured) == 2


def test_of_others_nothing_is_told(bob: User, wallet: Wallet, serve: Serve, history: ApiKey) -> None:
    _, secret = keys.mint(user=bob, name="his")
    body = told(serve, "/v1/usage?group_by=key", headers={"Authorization": f"Bearer {secret}"})
    assert body["data"] == []


def test_a_token_is_told_of_itself_only(api: Api, wallet: Wallet, serve: Serve) -> None:
    row, secret = tokens.mint(api.key, origin="https://a.example", seconds=60, credit_cap=3)
    headers = {"Authorization": f"Bearer {secret}", "Origin": "https://a.example"}
    body = told(serve, "/v1/key", headers=headers)
    assert (body["id"], body["origin"]) == (row.prefix, "https://a.example")
