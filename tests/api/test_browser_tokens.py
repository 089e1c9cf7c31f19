"""Browser tokens: one origin, a few credits, some minutes, and no more than the key that minted them."""

import asyncio
import io
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connection
from django.utils import timezone
from PIL import Image

from accounts import keys, tokens
from accounts.errors import InvalidApiKey, TooManyTokens
from accounts.models import ApiKey, BrowserToken, User
from billing.models import Wallet
from generator.api.calling import ApiRequest
from generator.ask import admission, callers, retried
from generator.ask.admission import ImageRequest
from generator.errors import KeyLimitReached, OutOfCredits, RateLimit
from generator.jobs import lifecycle
from generator.models import Generation, TokenUpload, Upload
from reveweb.mcp import errors as mcp_errors
from tests.api.answers import GENERATE, STATUS, assert_error, assert_json
from tests.conftest import Api

pytestmark = pytest.mark.services

SITE = "https://app.example.com"
ASK = {"prompt": "a lighthouse", "async": True}
Serve = Callable[..., httpx.Response]


def picture(color: str = "red") -> str:
    """A PNG in base64."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(file, "PNG")
    return b64encode(file.getvalue()).decode()


PICTURE = picture()


@pytest.fixture
def token(api: Api, wallet: Wallet) -> str:
    """The secret of a token of Alice's key, for two credits."""
    return tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=2)[1]


def using(secret: str, origin: str | None = SITE) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", **({"Origin": origin} if origin else {})}


# --- Minting ---------------------------------------------------------------------------------------------------


def test_a_key_mints_a_token_and_its_secret_is_told_once(api: Api, wallet: Wallet, serve: Serve) -> None:
    answer = serve("POST", "/v1/tokens", json={"origin": "https://App.Example.com:443", "credit_cap": 5})
    body = assert_json(answer)
    assert answer.status_code == 200, body
    assert body.keys() == {"id", "token", "origin", "credit_cap", "expires_at"}
    assert (body["origin"], body["credit_cap"]) == (SITE, 5)
    assert body["token"].startswith(body["id"] + "_")
    assert "X-Credits-Charged" not in answer.headers
    row = BrowserToken.objects.get()
    assert (row.prefix, len(row.prefix), row.digest) == (body["id"], 15, keys.digest_of(body["token"]))
    assert timedelta(seconds=590) < row.expires_at - timezone.now() <= timedelta(seconds=600)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "origin"),
        ({"origin": "http://app.example.com"}, "origin"),
        ({"origin": "https://app.example.com/"}, "origin"),
        ({"origin": "https://*.example.com"}, "origin"),
        ({"origin": "null"}, "origin"),
        ({"origin": SITE, "expires_in": 59}, "expires_in"),
        ({"origin": SITE, "expires_in": 3601}, "expires_in"),
        ({"origin": SITE, "credit_cap": 0}, "credit_cap"),
        ({"origin": SITE, "credit_cap": "5"}, "credit_cap"),
    ],
)
def test_what_no_token_can_be_is_refused(api: Api, wallet: Wallet, serve: Serve, body: Any, param: str) -> None:
    answer = serve("POST", "/v1/tokens", json=body)
    assert_error(answer, 422, "invalid_request", param)
    assert "X-Credits-Remaining" not in answer.headers
    assert not BrowserToken.objects.exists()


@pytest.mark.parametrize(
    ("told", "origin"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://localhost:80", "http://localhost"),
        ("https://EXAMPLE.com", "https://example.com"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("https://exa mple.com", None),
        ("https://example.com@evil.example", None),
        ("https://example.com\nhttps://evil.example", None),
        ("http://localhost.evil.example", None),
        ("https://-a.example", None),
    ],
)
def test_origins_are_taken_as_browsers_send_them(told: str, origin: str | None) -> None:
    assert tokens.origin_of(told) == origin


def test_a_token_ends_with_its_key_at_the_latest(api: Api) -> None:
    ends = timezone.now() + timedelta(minutes=2)
    ApiKey.objects.filter(pk=api.key.pk).update(expires_at=ends)
    assert tokens.mint(api.key, origin=SITE, seconds=3600, credit_cap=1)[0].expires_at == ends
    keys.revoke(api.key)
    with pytest.raises(InvalidApiKey):
        tokens.mint(api.key, origin=SITE, seconds=3600, credit_cap=1)


def test_a_key_has_so_many_tokens_and_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 5)

    def mint(_: int) -> str:
        try:
            tokens.mint(api.key, origin=SITE, seconds=60, credit_cap=1)
        except TooManyTokens:
            return "refused"
        else:
            return "minted"
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(mint, range(20))) == {"minted": 5, "refused": 15}
    BrowserToken.objects.filter(pk=BrowserToken.objects.earliest("pk").pk).update(expires_at=timezone.now())
    assert mint(0) == "minted"


# --- What it may do --------------------------------------------------------------------------------------------


def test_a_token_makes_images_and_follows_its_own(
    api: Api, wallet: Wallet, serve: Serve, token: str, generation: Generation
) -> None:
    made = serve("POST", GENERATE[0], json=ASK, headers=using(token))
    assert made.status_code == 202, made.text
    assert (made.headers["X-Credits-Charged"], made.headers["X-Credits-Remaining"]) == ("1", "1")
    row = Generation.objects.get(public_id=made.json()["id"])
    assert (row.api_key, row.browser_token) == (api.key, BrowserToken.objects.get())
    by_key = serve("POST", GENERATE[0], json=ASK).json()["id"]
    assert serve("GET", STATUS[0] + row.public_id, headers=using(token)).status_code == 200
    for other in (by_key, generation.public_id):
        assert serve("GET", STATUS[0] + other, headers=using(token)).status_code == 404
    assert serve("GET", STATUS[0] + row.public_id).status_code == 200
    assert serve("GET", "/v1/models", headers=using(token)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/tokens"),
        ("DELETE", "/v1/tokens/rv_tok_x"),
        ("GET", "/v1/account"),
        ("GET", "/v1/usage"),
        ("DELETE", "/v1/files/file_x"),
        ("DELETE", "/v1/reve-image/img_x"),
        ("DELETE", "/v1/reve-image/img_x/"),
    ],
)
def test_a_token_has_no_business_there(wallet: Wallet, serve: Serve, token: str, method: str, path: str) -> None:
    options = {"json": {"origin": SITE}} if method == "POST" else {}
    words = assert_error(serve(method, path, headers=using(token), **options), 403, "scope_missing")
    assert "browser token" in words


def test_a_token_deletes_not_even_what_it_made(wallet: Wallet, serve: Serve, token: str) -> None:
    made = serve("POST", GENERATE[0], json=ASK, headers=using(token)).json()["id"]
    lifecycle.cancel(Generation.objects.get())
    assert_error(serve("DELETE", f"/v1/reve-image/{made}", headers=using(token)), 403, "scope_missing")
    assert serve("DELETE", f"/v1/reve-image/{made}").json() == {"id": made, "deleted": True}


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "null", SITE + ".evil.example", "http://app.example.com"]
)
@pytest.mark.parametrize("call", [("POST", GENERATE[0]), ("POST", GENERATE[1]), ("GET", f"{STATUS[0]}img_1")])
def test_a_token_works_in_pages_of_its_site_only(
    wallet: Wallet, serve: Serve, token: str, origin: str | None, call: tuple[str, str]
) -> None:
    options = {"json": ASK} if call[0] == "POST" else {}
    serve(*call, headers=using(token), **options)
    assert callers.remembered(token)
    answer = serve(*call, headers=using(token, origin), **options)
    assert_error(answer, 403, "origin_not_allowed")


def test_what_the_account_has_is_none_of_a_browsers_business(
    api: Api, wallet: Wallet, give: Any, serve: Serve, token: str
) -> None:
    give(1000)
    for status, left in ((202, "1"), (202, "0"), (402, "0")):
        answer = serve("POST", GENERATE[0], json=ASK, headers=using(token))
        assert (answer.status_code, answer.headers["X-Credits-Remaining"]) == (status, left)
    assert "browser token" in assert_error(answer, 402, "key_limit_reached")
    told = serve("GET", "/v1/key", headers=using(token)).json()
    assert told["kind"] == "browser_token"
    assert told["caps"] == {"token": {"limit": 2, "spent": 2, "left": 0}}
    assert "1003" not in str(told)
    assert api.key.prefix not in str(told)


@pytest.mark.parametrize("path", GENERATE)
def test_a_token_orders_no_messages(wallet: Wallet, serve: Serve, token: str, path: str) -> None:
    body = {**ASK, "webhook_url": "https://evil.example/"}
    assert_error(serve("POST", path, json=body, headers=using(token)), 403, "scope_missing")
    assert_error(serve("POST", path, json={**body, "dry_run": True}, headers=using(token)), 403, "scope_missing")
    assert not Generation.objects.exists()


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(("operation", "field"), [("edit", "image"), ("remix", "images")])
def test_nor_with_pictures(wallet: Wallet, serve: Serve, token: str, operation: str, field: str) -> None:
    body = {**ASK, "webhook_url": "https://evil.example/", field: [PICTURE] if field == "images" else PICTURE}
    answer = serve("POST", f"/v1/reve-image/{operation}", json=body, headers=using(token))
    assert_error(answer, 403, "scope_missing")
    assert not Generation.objects.exists()
    assert BrowserToken.objects.get().credits_spent == 0


# --- What it takes of its account's limits ---------------------------------------------------------------------


def test_a_spent_token_leaves_its_account_the_minute(api: Api, wallet: Wallet, serve: Serve, token: str) -> None:
    keys.change(api.key, rate_limit=None)
    BrowserToken.objects.update(credits_spent=2)
    for path in GENERATE * 10:
        answer = serve("POST", path, json=ASK, headers=using(token))
        assert "browser token" in assert_error(answer, 402, "key_limit_reached")
    assert serve("POST", GENERATE[0], json=ASK).headers["RateLimit-Remaining"] == "9"


@pytest.mark.parametrize("lacks", ["credits", "its key's limit"])
def test_nor_does_one_whose_account_or_key_lacks_something(api: Api, wallet: Wallet, serve: Serve, lacks: str) -> None:
    keys.change(api.key, rate_limit=None, **({} if lacks == "credits" else {"daily_credit_cap": 1}))
    large = tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=50)[1]
    for _ in range(3):
        assert serve("POST", GENERATE[0], json={**ASK, "n": 5}, headers=using(large)).status_code == 402
    assert serve("POST", GENERATE[0], json=ASK).headers["RateLimit-Remaining"] == "9"
    assert BrowserToken.objects.get().credits_spent == 0


def test_a_token_looks_up_at_its_own_expense(wallet: Wallet, serve: Serve, token: str, settings: Any) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 5
    paths = ["/v1/key", "/v1/models", STATUS[0] + "img_0"]
    answers = [serve("GET", path, headers=using(token)).status_code for path in paths * 2]
    assert answers == [200, 200, 404, 200, 200, 429]
    assert [serve("GET", path).status_code for path in paths] == [200, 200, 404]


def test_test_keys_look_up_at_their_own_expense(alice: User, wallet: Wallet, serve: Serve, settings: Any) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 5
    _, secret = keys.mint(user=alice, name="test", is_test=True)
    paths = ["/v1/key", "/v1/models", "/v1/account", "/v1/usage", "/v1/files/file_0", "/api/misc/balance"]
    answers = [serve("GET", path, headers={"Authorization": f"Bearer {secret}"}).status_code for path in paths]
    assert answers == [200, 200, 200, 200, 404, 429]
    assert [serve("GET", path).status_code for path in paths] == [200, 200, 200, 200, 404, 429]


@pytest.mark.usefixtures("images")
def test_a_token_brings_a_few_pictures(api: Api, wallet: Wallet, serve: Serve, token: str, settings: Any) -> None:
    settings.UPLOAD_RATE_LIMIT_PER_MINUTE = 8

    def bring(headers: Any = None) -> httpx.Response:
        return serve("POST", "/v1/files", files={"file": b64decode(PICTURE)}, headers=headers or {})

    answers = [bring(using(token)) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert 3000 < int(answers[-1].headers["Retry-After"]) <= 3600
    edit = {**ASK, "image": PICTURE}
    assert serve("POST", "/v1/reve-image/edit", json=edit, headers=using(token)).status_code == 429
    assert bring().status_code == 200
    other = tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=100)[1]
    assert [bring(using(other)).status_code for _ in range(9)] == [200] * 8 + [429]


@pytest.mark.usefixtures("images")
def test_a_token_reaches_only_files_that_it_brought(api: Api, wallet: Wallet, serve: Serve, token: str) -> None:
    other = tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=2)[1]

    def bring(data: bytes, headers: Any) -> str:
        return str(assert_json(serve("POST", "/v1/files", files={"file": data}, headers=headers))["id"])

    def look(id: str, headers: Any) -> int:
        return serve("GET", f"/v1/files/{id}", headers=headers).status_code

    def edit(id: str, headers: Any) -> Any:
        answer = serve("POST", "/v1/reve-image/edit", json={**ASK, "image": id}, headers=headers)
        assert answer.status_code == 422  # no model here edits: a picture that may be used is not at fault
        return answer.json()["error"]["param"]

    id = bring(b64decode(PICTURE), using(token))
    assert [look(id, one) for one in (using(token), {}, using(other))] == [200, 200, 404]
    assert [edit(id, one) for one in (using(token), {}, using(other))] == ["model", "model", "image"]
    assert bring(b64decode(PICTURE), using(other)) == bring(b64decode(PICTURE), {}) == id
    assert [look(id, one) for one in (using(token), {}, using(other))] == [200, 200, 200]
    accounts_own = bring(b64decode(picture("navy")), {})
    assert [look(accounts_own, one) for one in ({}, using(token))] == [200, 404]
    assert edit(accounts_own, using(token)) == "image"
    assert (Upload.objects.count(), TokenUpload.objects.count()) == (2, 2)
    BrowserToken.objects.update(expires_at=timezone.now() - timedelta(days=90))
    assert tokens.purge() == 2
    assert (Upload.objects.count(), TokenUpload.objects.count()) == (2, 0)


def test_a_token_makes_images_from_its_own_alone(api: Api, wallet: Wallet, serve: Serve, token: str) -> None:
    mine = serve("POST", GENERATE[0], json=ASK, headers=using(token)).json()["id"]
    accounts_own = serve("POST", GENERATE[0], json=ASK).json()["id"]
    Generation.objects.update(status="completed", file_extension="png", width=96, height=64, finished_at=timezone.now())
    for id, param in ((mine, "model"), (accounts_own, "image")):
        answer = serve("POST", "/v1/reve-image/edit", json={**ASK, "image": id}, headers=using(token))
        assert_error(answer, 422, "invalid_request", param)


# --- What it calls its calls -----------------------------------------------------------------------------------


def test_the_same_idempotency_key_is_each_ones_own(api: Api, wallet: Wallet, serve: Serve, token: str) -> None:
    other = tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=2)[1]
    name = {"Idempotency-Key": "order-1042"}
    callers_of_it = [using(token), using(other), {}]
    for at, caller in enumerate(callers_of_it):
        body, headers = {"prompt": str(at), "async": True}, {**caller, **name}
        made, again = (serve("POST", path, json=body, headers=headers) for path in GENERATE)
        assert made.status_code == 202, made.text
        assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (made.json()["id"], "true")
    assert Generation.objects.count() == 3


def test_the_last_credit_of_a_token_is_found_again_by_its_key(wallet: Wallet, serve: Serve, token: str) -> None:
    headers = {**using(token), "Idempotency-Key": "mine"}
    made, again = (serve("POST", GENERATE[0], json={**ASK, "n": 2}, headers=headers) for _ in range(2))
    assert (made.status_code, again.status_code) == (202, 202)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Generation.objects.count() == 2


def test_two_visitors_try_again_and_get_their_own(api: Api, wallet: Wallet, token: str) -> None:
    rows = [BrowserToken.objects.get(), tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=2)[0]]
    first, second = (callers.Caller(api.key, wallet, row) for row in rows)
    by_key = callers.Caller(api.key, wallet)

    async def tries() -> list[str]:
        begun = [await retried.begin(caller, "same", 0) for caller in (first, second, by_key)]
        for one in begun:
            await one.hung_up()
        again = [await retried.begin(caller, "same", 1) for caller in (first, second, by_key)]
        return [one.key for one in begun + again]

    names = asyncio.run(tries())
    assert names[:3] == names[3:]
    assert len(set(names)) == 3


# --- What it may spend -----------------------------------------------------------------------------------------


def test_a_browser_is_not_told_what_its_account_lacks(api: Api, wallet: Wallet, serve: Serve) -> None:
    dear = tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=50)[1]
    answer = serve("POST", GENERATE[0], json={**ASK, "n": 10}, headers=using(dear))
    assert "you have" not in assert_error(answer, 402, "insufficient_credits")


def test_fifty_at_once_on_a_cap_of_ten_make_ten(api: Api, wallet: Wallet, give: Any) -> None:
    give(60)
    row, _ = tokens.mint(api.key, origin=SITE, seconds=600, credit_cap=10)

    def call(_: int) -> str:
        mine = Wallet.objects.select_related("plan").get(pk=wallet.pk)
        try:
            admission.admit(wallet=mine, request=ImageRequest(prompt="x"), api_key=api.key, token=row)
        except KeyLimitReached:
            return "refused"
        else:
            return "admitted"
        finally:
            connection.close()

    with ThreadPoolExecutor(25) as pool:
        assert Counter(pool.map(call, range(50))) == {"admitted": 10, "refused": 40}
    row.refresh_from_db()
    assert row.credits_spent == 10 == Generation.objects.count()
    for number, failed in enumerate(Generation.objects.all()[:3], start=1):
        for _ in range(2):  # the second time it has failed already
            lifecycle.fail(failed, code="upstream_failed", message="The brush broke.")
        row.refresh_from_db()
        assert row.credits_spent == 10 - number


def test_what_is_refused_otherwise_is_not_counted(api: Api, wallet: Wallet, serve: Serve, token: str) -> None:
    keys.change(api.key, daily_credit_cap=0)
    assert "of a day" in assert_error(
        serve("POST", GENERATE[0], json=ASK, headers=using(token)), 402, "key_limit_reached"
    )
    assert BrowserToken.objects.get().credits_spent == 0


def test_a_browser_is_not_told_the_limits_of_its_key(api: Api, wallet: Wallet, serve: Serve, token: str) -> None:
    keys.change(api.key, daily_credit_cap=0, monthly_credit_cap=0)
    for caller, is_told in (({}, True), (using(token), False)):
        words = assert_error(serve("POST", GENERATE[0], json=ASK, headers=caller), 402, "key_limit_reached")
        assert ("limit of 0" in words) is is_told
    request = ApiRequest()
    request.META["HTTP_HOST"] = "testserver"
    request.caller = callers.look_up(token, None, SITE)
    full = KeyLimitReached(cap=77, rate=RateLimit(1, 1, 1), balance=88, period="day")
    poor = OutOfCredits(balance=99, rate=RateLimit(1, 1, 1), needed=100)
    for error in (full, poor):
        told = mcp_errors.tell(request, error)
        assert not any(number in f"{told.words} {told.data}" for number in ("77", "88", "99"))


# --- When it ends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["revoked", "expired", "suspended", "own end", "deleted", "narrowed"])
def test_a_token_dies_with_its_key_or_alone(
    api: Api, alice: User, wallet: Wallet, serve: Serve, token: str, how: str
) -> None:
    made = serve("POST", GENERATE[0], json=ASK, headers=using(token)).json()["id"]
    assert callers.remembered(token)
    status, code = 401, "invalid_api_key"
    if how == "revoked":
        keys.revoke(api.key)
    elif how == "expired":
        ApiKey.objects.filter(pk=api.key.pk).update(expires_at=timezone.now())
    elif how == "suspended":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    elif how == "own end":
        BrowserToken.objects.update(expires_at=timezone.now())
    elif how == "deleted":
        prefix = BrowserToken.objects.get().prefix
        assert serve("DELETE", f"/v1/tokens/{prefix}").json() == {"id": prefix, "deleted": True}
        assert_error(serve("DELETE", f"/v1/tokens/{prefix}"), 404, "not_found")
    else:
        keys.change(api.key, scopes=["read"])
        status, code = 403, "scope_missing"
    assert_error(serve("POST", GENERATE[0], json=ASK, headers=using(token)), status, code)
    if how != "narrowed":
        assert_error(serve("GET", STATUS[0] + made, headers=using(token)), status, code)


def test_nobody_deletes_the_tokens_of_another_key(
    api: Api, wallet: Wallet, serve: Serve, token: str, bob: User
) -> None:
    for user in (wallet.user, bob):
        _, secret = keys.mint(user=user, name="other")
        prefix = BrowserToken.objects.get().prefix
        answer = serve("DELETE", f"/v1/tokens/{prefix}", headers={"Authorization": f"Bearer {secret}"})
        assert_error(answer, 404, "not_found")
    assert serve("POST", GENERATE[0], json=ASK, headers=using(token)).status_code == 202


def test_a_keys_addresses_are_its_servers_and_not_its_browsers(
    api: Api, wallet: Wallet, serve: Serve, token: str
) -> None:
    keys.change(api.key, allowed_ips=["192.0.2.1"])
    assert serve("POST", GENERATE[0], json=ASK).status_code == 403
    assert serve("POST", GENERATE[0], json=ASK, headers=using(token)).status_code == 202


def test_tokens_that_ended_are_purged_and_their_images_stay(api: Api, wallet: Wallet, serve: Serve, token: str) -> None:
    made = serve("POST", GENERATE[0], json=ASK, headers=using(token)).json()["id"]
    BrowserToken.objects.update(expires_at=timezone.now() - timedelta(hours=23))
    assert tokens.purge() == 0
    BrowserToken.objects.update(expires_at=timezone.now() - timedelta(hours=25))
    tokens.purge()
    assert not BrowserToken.objects.exists()
    assert serve("GET", STATUS[0] + made).status_code == 200


def test_a_cut_token_is_told_from_a_mistyped_one(wallet: Wallet, serve: Serve, token: str) -> None:
    assert "not a whole" in assert_error(serve("GET", "/v1/key", headers=using(token[:-1])), 401, "invalid_api_key")
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert "unknown" in assert_error(serve("GET", "/v1/key", headers=using(wrong)), 401, "invalid_api_key")
    body = BrowserToken.objects.get().prefix + "_" + "0" * 32
    forged = body + keys._checksum(body)
    assert_error(serve("GET", "/v1/key", headers=using(forged)), 401, "invalid_api_key")
