"""Every way to be refused: always JSON in one shape, never HTML, never a 5xx for what a client sent."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import User
from billing.models import Wallet
from generator.ask import limits
from generator.errors import GeneratorError, UpstreamPaused
from generator.models import Generation, Upstream
from generator.upstreams import routing, trouble
from generator.upstreams.errors import OperatorTrouble
from reveweb import https
from reveweb.answers import ANSWERS
from tests.api.answers import GENERATE, STATUS, assert_error, assert_json
from tests.billing.books import audit
from tests.conftest import Api
from tests.environment import free_port

PROMPT = {"prompt": "a lighthouse", "async": True}
PATHS = [(path, "POST") for path in GENERATE] + [(path + "img_1", "GET") for path in STATUS]


def ask(client: Client, path: str, method: str = "POST", **headers: str) -> Any:
    return client.generic(method, path, b'{"prompt": "x"}', "application/json", headers=headers)


# --- 400 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"prompt": "a lighthouse"',
        b"{'prompt': 'a lighthouse'}",
        b'{"prompt": "a lighthouse",}',
        b'{"prompt": NaN}',
        b'{"prompt": "x", "n": Infinity}',
        b'{"prompt": "x", "n": -Infinity}',
        b'{"prompt": "\xff"}',
        b'{"prompt": "\xed\xa0\x80"}',  # a surrogate, in what is not UTF-8
        '{"prompt": "é"}'.encode("latin-1"),
        '{"prompt": "x"}'.encode("utf-16"),
        b'{"prompt": "a\nb"}',
        b"\x00",
        b"prompt=x",
        b"[" * 60_000,
        b'{"a":' * 12_000,
    ],
)
def test_what_is_no_json_is_told_so(api: Api, wallet: Wallet, body: bytes) -> None:
    assert_error(api.post(body), 400, "invalid_json")
    assert audit(wallet) == 3


@pytest.mark.parametrize("host", ["a_b", "example.com:port", "exa mple", "[::1", "'", "\xff"])
def test_a_malformed_host_is_refused_before_anything_is_charged(api: Api, wallet: Wallet, host: str) -> None:
    """An answer names the site's address, and with such a header nobody could tell it."""
    assert_error(api.post(PROMPT, Host=host), 400, "invalid_host")
    assert not Generation.objects.exists()
    assert audit(wallet) == 3


def test_with_a_public_url_the_host_does_not_matter(api: Api, settings: Any) -> None:
    settings.PUBLIC_URL = "https://images.example.com"
    assert api.post(PROMPT, Host="reveweb_app:8000").status_code == 202


# --- 401 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "rv_", "Token x"])
def test_a_request_without_a_key_is_told_how_to_send_one(
    client: Client, transactional_db: None, header: str | None
) -> None:
    for path, method in PATHS:
        response = ask(client, path, method, **({} if header is None else {"Authorization": header}))
        assert "Authorization: Bearer" in assert_error(response, 401, "missing_api_key")
        assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", ["x", "rv_", "sk-123", "rv_00000000_" + "0" * 38, "\xff\xfe", "a b c", "x" * 5000])
def test_a_key_that_opens_nothing_is_refused(client: Client, transactional_db: None, key: str) -> None:
    for path, method in PATHS:
        response = ask(client, path, method, Authorization=f"Bearer {key}")
        assert f" {key} " not in assert_error(response, 401, "invalid_api_key")
        assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("cut", ["…", "_…", "_...", "_", ""])
def test_a_key_that_was_cut_is_told_so(api: Api, cut: str) -> None:
    """As lists of keys show it, and as a Copy button took it once."""
    for path, method in PATHS:
        header = f"Bearer {api.key.prefix}{cut}".encode().decode("latin-1")
        assert "not a whole API key" in assert_error(
            ask(api.client, path, method, Authorization=header), 401, "invalid_api_key"
        )
        whole = f"Bearer {api.secret[:-1]}{'a' if api.secret[-1] != 'a' else 'b'}"
        assert "unknown, revoked" in assert_error(
            ask(api.client, path, method, Authorization=whole), 401, "invalid_api_key"
        )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_case_does_not_matter(api: Api, scheme: str) -> None:
    assert api.post(PROMPT, Authorization=f"{scheme} {api.secret}").status_code == 202


def test_a_key_in_the_address_is_not_a_key(api: Api) -> None:
    response = ask(api.client, f"/v1/reve-image/generate?api_key={api.secret}&key={api.secret}")
    assert_error(response, 401, "missing_api_key")


def test_a_logged_in_page_is_not_a_key(alice: User, client: Client) -> None:
    client.force_login(alice)
    assert_error(ask(client, "/v1/reve-image/generate"), 401, "missing_api_key")


def test_a_revoked_key_is_refused_on_the_next_request(api: Api) -> None:
    assert api.post(PROMPT).status_code == 202
    call_command("revoke_api_key", api.key.prefix)
    assert_error(api.post(PROMPT), 401, "invalid_api_key")
    assert_error(api.get("/v1/images/status/img_1"), 401, "invalid_api_key")


def test_a_suspended_user_is_refused_on_the_next_request(api: Api, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert_error(api.post(PROMPT), 401, "invalid_api_key")


def test_a_use_of_a_key_is_noted_with_its_address(api: Api) -> None:
    api.post(PROMPT)
    api.key.refresh_from_db()
    assert api.key.last_used_at is not None
    assert api.key.last_used_ip == "127.0.0.1"


# --- 404 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1//",
        "/v1/nothing",
        "/v1/reve-image/generate/x",
        "/v1/images/",
        "/v1/IMAGES/generate",
        "/v1/docs",
        "/v1/../v1/x",
        "/v1/%00",
        "/v1/%ff%fe",
        "/v1/images/status/a%2Fb",
        "/v1/images/generate%0a",
    ],
)
def test_an_unknown_address_is_not_found(client: Client, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert_error(ask(client, path, method), 404, "not_found")


# --- 405 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_generate_takes_only_post(client: Client, method: str) -> None:
    for path in [path + slash for path in GENERATE for slash in ("", "/")]:
        response = ask(client, path, method)
        if method == "HEAD":
            assert (response.status_code, response.content) == (405, b"")
        else:
            assert_error(response, 405, "method_not_allowed")
        assert response["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_status_takes_only_get(client: Client, method: str) -> None:
    for path in [path + "img_1" + slash for path in STATUS for slash in ("", "/")]:
        response = ask(client, path, method)
        assert_error(response, 405, "method_not_allowed")
        assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_who_asks_for_the_methods_is_told_them_in_json(client: Client) -> None:
    for path, methods in ((GENERATE[0], ["POST", "OPTIONS"]), (STATUS[0] + "img_1", ["GET", "HEAD", "OPTIONS"])):
        response = ask(client, path, "OPTIONS")
        assert assert_json(response) == {"methods": methods}
        assert (response.status_code, response["Allow"]) == (200, ", ".join(methods))


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v2", "/v2/", "/v2/images/generate", "/v1//x"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_what_is_not_there_is_told_in_json_in_every_version(client: Client, path: str, method: str) -> None:
    assert_error(ask(client, path, method), 404, "not_found")


def test_head_says_what_get_says_without_a_body(api: Api) -> None:
    made = api.post(PROMPT).json()["id"]
    for path in (STATUS[0] + made, "/v1/openapi.json"):
        whole, head = (
            ask(api.client, path, method, Authorization=f"Bearer {api.secret}") for method in ("GET", "HEAD")
        )
        assert (head.status_code, head.content) == (200, b"")
        assert head["Content-Length"] == str(len(whole.content))
        assert head["Content-Type"] == whole["Content-Type"]
    assert ask(api.client, STATUS[0] + made, "HEAD").status_code == 401


# --- 413 -------------------------------------------------------------------------------------------------------


def padded(size: int) -> bytes:
    """A good request of `size` bytes."""
    start, end = b'{"prompt": "a lighthouse", "async": true, "padding": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize(("size", "fits"), [(64 * 1024, True), (64 * 1024 + 1, False), (3 * 1024 * 1024, False)])
def test_a_body_has_at_most_64_kib(api: Api, size: int, fits: bool) -> None:
    response = api.post(padded(size))
    if fits:
        assert response.status_code == 202
    else:
        assert "64 KiB" in assert_error(response, 413, "body_too_large")


@pytest.mark.parametrize(("size", "fits"), [(64 * 1024, True), (64 * 1024 + 1, False), (3 * 1024 * 1024, False)])
@pytest.mark.parametrize("chunk", [1000, 65_536, 100_000])
def test_a_body_that_comes_in_chunks_without_a_length_has_the_same_limit(
    serve: Callable[..., httpx.Response], size: int, fits: bool, chunk: int
) -> None:
    body = padded(size)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), chunk):
            yield body[start : start + chunk]

    response = serve("POST", GENERATE[0], content=chunks(), headers={"Content-Type": "application/json"})
    assert "content-length" not in response.request.headers
    if fits:
        assert response.status_code == 202
    else:
        assert_error(response, 413, "body_too_large")


@pytest.mark.parametrize("length", ["65537", "3000000", "99999999999999999999"])
def test_a_declared_length_is_enough_to_refuse(serve: Callable[..., httpx.Response], length: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": length}
    assert_error(serve("POST", GENERATE[0], content=b"{}", headers=headers), 413, "body_too_large")


# --- 415 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/xml",
        "application/jsonp",
        "json",
    ],
)
def test_another_kind_of_body_is_refused(api: Api, wallet: Wallet, kind: str) -> None:
    response = api.client.post(
        GENERATE[0], b'{"prompt": "x"}', content_type=kind, headers={"Authorization": f"Bearer {api.secret}"}
    )
    assert "application/json" in assert_error(response, 415, "unsupported_media_type")
    assert audit(wallet) == 3


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json", "application/json;", ""]
)
def test_json_is_taken_under_all_its_names(api: Api, kind: str) -> None:
    response = api.client.generic(
        "POST",
        GENERATE[0],
        b'{"prompt": "x", "async": true}',
        kind,
        headers={"Authorization": f"Bearer {api.secret}"},
    )
    assert response.status_code == 202


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "nonsense", "\xff"])
def test_a_charset_changes_nothing_json_is_utf8(api: Api, charset: str) -> None:
    response = api.client.generic(
        "POST",
        GENERATE[0],
        '{"prompt": "é", "async": true}'.encode(),
        f"application/json; charset={charset}",
        headers={"Authorization": f"Bearer {api.secret}"},
    )
    assert response.status_code == 202
    assert Generation.objects.get().prompt == "é"


# --- 503 and 500 -----------------------------------------------------------------------------------------------


@pytest.fixture
def _limiter_away(settings: Any) -> Iterator[None]:
    """Nothing listens where the limiter's server should be."""
    limits._client.cache_clear()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    yield
    limits._client.cache_clear()


@pytest.mark.usefixtures("_limiter_away")
def test_without_the_limiters_server_nothing_is_taken_on_or_charged(api: Api, wallet: Wallet) -> None:
    response = api.post(PROMPT)
    assert_error(response, 503, "unavailable")
    assert int(response["Retry-After"]) > 0
    assert not Generation.objects.exists()
    assert audit(wallet) == 3


@pytest.mark.services
@pytest.mark.parametrize("path", GENERATE)
def test_while_nothing_can_be_drawn_nothing_is_taken_on_or_charged(
    serve: Callable[..., httpx.Response], wallet: Wallet, monkeypatch: pytest.MonkeyPatch, unlogged: None, path: str
) -> None:
    body, headers = {"prompt": "x", "async": True}, {"Idempotency-Key": "one"}
    first = serve("POST", path, json=body, headers=headers)
    monkeypatch.setattr(trouble, "CACHE_SECONDS", -1.0)
    trouble.note(Upstream.objects.get(), OperatorTrouble("402"))
    for key in ("two", "one"):
        answer = serve("POST", path, json=body, headers={"Idempotency-Key": key})
        if key == "two":
            assert_error(answer, 503, "unavailable")
            assert answer.headers["Retry-After"] == "60"
            assert (answer.headers["X-Credits-Charged"], answer.headers["X-Credits-Remaining"]) == ("0", "2")
        else:  # what was taken on before is told of as ever
            assert (answer.status_code, answer.json()) == (202, first.json())
    assert audit(wallet) == 2
    trouble.put_back("reve")
    assert serve("POST", path, json=body).status_code == 202


@pytest.mark.parametrize("path", [GENERATE[0], "/v1/images/status/img_1"])
def test_a_bug_of_ours_shows_nothing_of_our_code(
    api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def bug(*args: Any, **options: Any) -> Any:
        raise RuntimeError("secret detail in /srv/site")

    monkeypatch.setattr(limits, "generate_window", bug)
    monkeypatch.setattr(limits, "take_status_soon", bug)
    response = api.post(PROMPT) if path == GENERATE[0] else api.get(path)
    assert "secret" not in assert_error(response, 500, "internal_error")
    assert audit(wallet) == 3


def test_what_a_500_says_of_charges_is_true_even_when_the_image_was_taken_on(
    api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*args: Any, **options: Any) -> Any:
        raise RuntimeError

    once = {"Idempotency-Key": "once"}
    with monkeypatch.context() as patch:
        patch.setattr("generator.api.calling.add_standing", bug)  # after the commit
        words = assert_error(api.post({**PROMPT, "async": True}, **once), 500, "internal_error")
    assert audit(wallet) == 2
    assert "again with the same Idempotency-Key: that never charges twice" in words
    again = api.post({**PROMPT, "async": True}, **once)
    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert audit(wallet) == 2


# --- The same for all ------------------------------------------------------------------------------------------


def test_every_request_has_an_id_of_its_own(api: Api) -> None:
    ids = {api.get("/v1/nothing")["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5
    assert all(re.fullmatch("req_[0-9a-f]{24}", id) for id in ids)


def test_a_callers_request_id_is_not_taken_over(api: Api) -> None:
    assert api.get("/v1/nothing", **{"X-Request-Id": "mine\r"})["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize("accept", ["text/html", "image/png", "*/*", ""])
def test_an_error_is_json_whatever_is_accepted(api: Api, accept: str) -> None:
    assert_error(api.get("/v1/nothing", Accept=accept), 404, "not_found")


def test_errors_are_json_through_the_asgi_server_too(serve: Callable[..., httpx.Response]) -> None:
    assert_error(serve("GET", "/v1/nothing"), 404, "not_found")
    assert_error(serve("DELETE", GENERATE[0]), 405, "method_not_allowed")
    assert_error(serve("POST", GENERATE[0], content=b"{"), 400, "invalid_json")
    assert assert_json(serve("POST", GENERATE[0], json=PROMPT))["status"] == "pending"


def test_a_key_with_an_expired_date_is_refused(api: Api, alice: User) -> None:
    _, secret = keys.mint(user=alice, name="old", expires_at=timezone.now())
    assert_error(api.post(PROMPT, Authorization=f"Bearer {secret}"), 401, "invalid_api_key")


# --- Any -------------------------------------------------------------------------------------------------------


def test_a_special_case_of_an_error_is_answered_as_the_error(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    class Paused(UpstreamPaused):
        """For a reason of its own."""

    def refuse(*_: Any) -> None:
        raise Paused

    monkeypatch.setattr(routing, "is_open", refuse)
    response = api.post(PROMPT)
    assert_error(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "60"


def test_every_error_of_ours_has_an_answer() -> None:
    """Whichever a look-up or a request can raise: one that is missing would be a 500."""
    for kind in GeneratorError.__subclasses__():
        assert any(issubclass(kind, known) for known in ANSWERS), kind


def test_no_answer_may_be_kept_and_a_look_up_says_nothing_of_credits(api: Api) -> None:
    made = api.post(PROMPT)
    found, missing = (api.get(STATUS[0] + id) for id in (made.json()["id"], "generate"))
    assert [answer.status_code for answer in (made, found, missing)] == [202, 200, 404]
    for answer in (made, found, missing, api.post({})):
        assert answer.headers["Cache-Control"] == "no-store"
    for look in (found, missing):
        assert not [name for name in look.headers if name.lower().startswith("x-credits")]


@pytest.mark.parametrize("path", ["/v1/reve-image/status/img_1", "/v1/openapi.json", "/v2/nothing"])
def test_a_bug_before_any_view_is_told_in_json_too(
    serve: Callable[..., httpx.Response], monkeypatch: pytest.MonkeyPatch, unlogged: None, path: str
) -> None:
    def bug(*args: Any) -> Any:
        raise RuntimeError("secret detail in /srv/site")

    monkeypatch.setattr(https, "is_needed", bug)
    answer = serve("PATCH", path)
    assert "secret" not in assert_error(answer, 500, "internal_error")
