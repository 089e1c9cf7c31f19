"""Whatever is asked below `/v1`, `/v2`, `/api` and `/mcp`, by whatever method: JSON comes back, and never a page."""

import json
from collections.abc import Callable

import httpx
import pytest
from django.urls import Resolver404, resolve

from reveweb import nowhere
from reveweb.lanes import Lane, lane_of
from tests.fuzz.site import addresses

Serve = Callable[..., httpx.Response]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY", "FROB", "get")
KNOWN = sorted(
    address.path(dict.fromkeys(address.parts, "x1"))
    for address in addresses({})
    if Lane.API in lane_of(f"/{address.pattern}")
)
NOTHING = [
    *("/v1", "/v1/", "/v2", "/v2/", "/v2/image/create", "/api", "/api/", "/api/v1/", "/mcp/x", "/v1//", "/v1/x"),
    *(
        "/v1/reve-image/a/nothing",
        "/v1/images",
        "/v1/chat/completions",
        "/v1/models/a/b",
        "/v1/.well-known/x",
        "/v1/x?y=%zz",
    ),
    *(
        "/v1/%",
        "/v1/%zz",
        "/v1/%00",
        "/v1/%ff%fe",
        "/v1/%2e%2e/%2e%2e/etc",
        "/v1/..;/x",
        "/%76%31/x",
        "/v1%2Fx",
        "/v1/é",
    ),
    *(
        "/v1/" + "a" * 20_000,
        "/v2/" + "a/" * 500,
        "/v1/<script>alert(1)</script>",
        "/v1/reve-image%2Fa%2Fnothing",
        "/v1/x#y",
    ),
]


def assert_json(response: httpx.Response, method: str) -> None:
    told = f"{method} {response.request.url}"[:200]
    assert response.headers["Content-Type"] == "application/json", told
    assert response.status_code < 500, told
    assert b"<" not in response.content.replace(b"<script>alert(1)</script>", b""), told
    if method != "HEAD":
        json.loads(response.content)


@pytest.mark.parametrize("path", NOTHING, ids=lambda path: path[:40])
def test_nothing_is_told_in_json(serve: Serve, transactional_db: None, path: str) -> None:
    for method in METHODS:
        response = serve(method, path)
        assert response.status_code in (404, 405), method
        assert_json(response, method)


@pytest.mark.parametrize("path", KNOWN)
def test_whatever_is_there_answers_every_method_in_json(serve: Serve, path: str) -> None:
    for method in METHODS:
        for headers in ({}, {"Authorization": ""}):
            response = serve(method, path, headers=headers)
            if method == "HEAD" and not response.headers.get("Content-Type"):
                continue
            assert_json(response, method)


@pytest.mark.parametrize("path", [*KNOWN, *NOTHING[:16]])
def test_options_carry_no_page_as_a_preflight_and_without(serve: Serve, transactional_db: None, path: str) -> None:
    preflight = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    for headers in (preflight, {"Origin": "https://example.org"}, {}):
        response = serve("OPTIONS", path, headers=headers)
        assert_json(response, "OPTIONS")
        if "Origin" in headers:
            assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_it_says_where_there_is_something(serve: Serve) -> None:
    message = serve("GET", "/v1/nothing").json()["error"]["message"]
    assert message.endswith("see http://testserver/docs/.")
    for family in nowhere.families():
        assert f"{family}," in message or f"{family} and" in message or f"{family}:" in message
        assert any(path.startswith(family) for path in KNOWN)
    assert {"/v1/files", "/v1/image", "/v1/images", "/v1/models", "/v1/reve-image", "/api/misc"} <= {
        *nowhere.families()
    }


def test_every_address_of_the_api_is_in_a_family() -> None:
    for path in KNOWN:
        if path.strip("/") not in ("v1", "api", "v1/openapi.json"):
            assert path.startswith(nowhere.families()), path


def test_none_of_these_addresses_is_there() -> None:
    for path in NOTHING:
        if path.rstrip("/") in ("/v1", "/api"):
            continue  # the framework's, which answers nothing
        with pytest.raises(Resolver404):
            resolve(httpx.URL(f"http://testserver{path.split('?')[0].split('#')[0]}").path)
