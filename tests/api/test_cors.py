"""Pages of other sites may use the API and show images; they never get at a cookie."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.api.answers import GENERATE, STATUS
from tests.conftest import PASSWORD, Api

ORIGIN = "https://app.example.com"


def preflight(client: Client, path: str, method: str = "POST", headers: str = "authorization, content-type") -> Any:
    return client.options(
        path,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )


@pytest.mark.parametrize("path", [*GENERATE, *(path + "/" for path in GENERATE), *(path + "img_1" for path in STATUS)])
def test_a_preflight_is_answered_without_a_key(client: Client, path: str) -> None:
    response = preflight(client, path)
    assert (response.status_code, response.json(), response["Content-Type"]) == (200, {}, "application/json")
    assert response["Access-Control-Allow-Origin"] == "*"
    assert {"GET", "POST"} <= set(response["Access-Control-Allow-Methods"].split(", "))
    assert int(response["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize("header", ["authorization", "content-type", "idempotency-key", "traceparent", "cache-control"])
def test_a_preflight_allows_the_headers_that_the_api_reads(client: Client, header: str) -> None:
    allowed = preflight(client, GENERATE[0], headers=header)["Access-Control-Allow-Headers"]
    assert header in allowed.lower().split(", ")


def test_cookies_are_never_allowed_along(client: Client, api: Api) -> None:
    for response in (preflight(client, GENERATE[0]), api.get(STATUS[0] + "img_1", Origin=ORIGIN)):
        assert response["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response


def test_a_simple_request_can_be_read_by_any_page_good_or_bad(api: Api) -> None:
    good = api.post({"prompt": "a lighthouse", "async": True}, Origin=ORIGIN)
    bad = api.post({"prompt": ""}, Origin=ORIGIN)
    unknown = api.get("/v1/nothing", Origin=ORIGIN)
    nobody = api.post({}, Origin=ORIGIN, Authorization="")
    wrong_method = api.get(GENERATE[0], Origin=ORIGIN)
    for response in (good, bad, unknown, nobody, wrong_method):
        assert response["Access-Control-Allow-Origin"] == "*"
    for name in ("x-request-id", "x-credits-remaining", "retry-after", "ratelimit-remaining", "idempotent-replayed"):
        assert name in good["Access-Control-Expose-Headers"].lower().split(", ")


def test_the_null_origin_of_a_sandboxed_page_may_read_too(api: Api) -> None:
    assert api.get("/v1/nothing", Origin="null")["Access-Control-Allow-Origin"] == "*"


def test_the_api_sets_no_cookie_and_reads_none(api: Api, alice: User) -> None:
    api.client.force_login(alice)
    response = api.post({"prompt": "a lighthouse", "async": True})
    assert response.status_code == 202
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")
    assert api.post({"prompt": "x"}, Authorization="").status_code == 401


def test_the_api_asks_for_no_csrf_token(alice: User, api: Api) -> None:
    api.client = Client(enforce_csrf_checks=True)
    assert api.post({"prompt": "a lighthouse", "async": True}, Origin=ORIGIN).status_code == 202


def test_the_sites_pages_are_not_opened_to_other_sites(client: Client, alice: User) -> None:
    client.login(email=alice.email, password=PASSWORD)
    for path in ("/", "/dashboard/api-keys/"):
        response = client.get(path, headers={"Origin": ORIGIN})
        assert "Access-Control-Allow-Origin" not in response
