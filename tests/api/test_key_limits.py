"""What a key may do: its scopes, models, caps and addresses, in both handlers and from one call to the next."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import keys, places
from accounts.models import ApiKey
from billing.models import Wallet
from generator.ask import admission, callers, prices
from generator.ask.admission import ImageRequest
from generator.errors import KeyLimitReached
from generator.jobs import caps, lifecycle
from generator.models import Generation, ImageModel, KeyMonth, Operation, Route, Upstream
from generator.upstreams import routing
from tests.api.answers import GENERATE, STATUS, assert_error
from tests.conftest import Api

pytestmark = pytest.mark.services

ASK = {"prompt": "a lighthouse", "async": True}
Send = Callable[..., httpx.Response]


@pytest.fixture(params=["lean", "django"])
def send(request: pytest.FixtureRequest, api: Api) -> Send:
    """Send a request with Alice's key to one of the two handlers, from an address."""
    from reveweb import asgi  # only now: it wants the static files to be there

    handler: Any = asgi.application if request.param == "lean" else asgi.held

    def ask(method: str, path: str, *, ip: str = "127.0.0.1", secret: str = "", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret or api.secret}", **options.pop("headers", {})}

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=handler, client=(ip, 1234))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(call())

    return ask


def let(api: Api, **fields: Any) -> None:
    keys.change(api.key, **fields)
    api.key.refresh_from_db()


def ask(api: Api, wallet: Wallet, request: ImageRequest | None = None) -> Generation:
    wanted = request or ImageRequest(prompt="a lighthouse")
    return admission.admit(wallet=wallet, request=wanted, api_key=api.key).generation


# --- Scopes ----------------------------------------------------------------------------------------------------


def test_whoever_only_makes_images_follows_its_own_and_no_others(
    api: Api, wallet: Wallet, send: Send, generation: Generation, unlogged: None
) -> None:
    let(api, scopes=["generate"])
    made = send("POST", GENERATE[0], json=ASK).json()["id"]
    assert callers.remembered(api.secret)
    assert send("GET", STATUS[0] + made).status_code == 200
    assert send("GET", STATUS[0] + generation.public_id).status_code == 404  # of the studio
    let(api, scopes=["generate", "read"])
    assert send("GET", STATUS[0] + generation.public_id).status_code == 200


def test_a_key_that_was_narrowed_a_moment_ago_is_narrow(
    api: Api, wallet: Wallet, send: Send, generation: Generation, unlogged: None
) -> None:
    assert send("GET", STATUS[0] + generation.public_id).status_code == 200
    assert send("POST", GENERATE[0], json=ASK).status_code == 202
    assert callers.remembered(api.secret)
    let(api, scopes=["generate"])
    assert send("GET", STATUS[0] + generation.public_id).status_code == 404
    assert callers.remembered(api.secret)
    let(api, scopes=["read"])
    assert_error(send("POST", GENERATE[0], json=ASK), 403, "scope_missing")
    assert send("GET", STATUS[0] + generation.public_id).status_code == 200
    let(api, scopes=["account"])
    assert_error(send("GET", STATUS[0] + generation.public_id), 403, "scope_missing")
    let(api, scopes=["generate"])
    assert send("POST", GENERATE[0], json=ASK).status_code == 202  # and what was widened is so at once
    keys.revoke(api.key)
    assert_error(send("POST", GENERATE[0], json=ASK), 401, "invalid_api_key")


def test_a_successor_follows_what_its_predecessor_made(api: Api, wallet: Wallet, send: Send, unlogged: None) -> None:
    let(api, scopes=["generate"])
    made = send("POST", GENERATE[0], json=ASK).json()["id"]
    _, secret = keys.rotate(api.key, overlap=timedelta(hours=1))
    assert send("GET", STATUS[0] + made, secret=secret).status_code == 200
    later = send("POST", GENERATE[0], json=ASK, secret=secret).json()["id"]
    assert send("GET", STATUS[0] + later).status_code == 200


def test_an_idempotency_key_shows_nobody_what_it_may_not_see(
    api: Api, wallet: Wallet, client: Client, unlogged: None
) -> None:
    first = api.post(ASK, **{"Idempotency-Key": "one"}).json()["id"]
    key, secret = keys.mint(user=wallet.user, name="narrow", rate_limit=1000, scopes=["generate"])
    narrow = Api(client, key, secret)
    for body in (ASK, {**ASK, "prompt": "another"}):
        answer = narrow.post(body, **{"Idempotency-Key": "one"})
        assert answer.status_code == 409
        assert "image_id" not in answer.json()["error"]
        assert first not in answer.content.decode()
    own = narrow.post(ASK, **{"Idempotency-Key": "two"}).json()["id"]
    assert narrow.post(ASK, **{"Idempotency-Key": "two"}).json()["id"] == own
    Generation.objects.filter(public_id=own).update(deleted_at=timezone.now())  # its own all the same
    assert narrow.post(ASK, **{"Idempotency-Key": "two"}).json()["id"] == own


def test_a_narrow_key_makes_nothing_from_images_that_it_may_not_see(
    api: Api, wallet: Wallet, send: Send, generation: Generation, offers_edits: None, unlogged: None
) -> None:
    let(api, scopes=["generate"])
    Generation.objects.update(status="completed", width=10, height=10)
    body = {**ASK, "image": generation.public_id}
    assert_error(send("POST", "/v1/reve-image/edit", json=body), 422, "invalid_request", "image")
    let(api, scopes=["generate", "read"])
    assert send("POST", "/v1/reve-image/edit", json=body).status_code == 202


@pytest.fixture
def offers_edits(transactional_db: None) -> None:
    ImageModel.objects.update(operations=list(Operation.values))
    Route.objects.create(
        model=ImageModel.objects.get(), operation=Operation.EDIT, upstream=Upstream.objects.get(slug="reve")
    )
    prices.forget()
    routing.forget()


# --- Models ----------------------------------------------------------------------------------------------------


@pytest.fixture
def other_model(transactional_db: None) -> ImageModel:
    """Another model on offer, behind the first."""
    first = ImageModel.objects.get()
    other = ImageModel.objects.create(slug="fine-1", name="Fine", operations=["create"], order=first.order + 1)
    Route.objects.create(model=other, operation=Operation.CREATE, upstream=Upstream.objects.get(slug="reve"))
    prices.forget()
    return other


def test_a_key_uses_the_models_that_it_may(
    api: Api, wallet: Wallet, send: Send, other_model: ImageModel, unlogged: None
) -> None:
    first = ImageModel.objects.exclude(pk=other_model.pk).get()
    send("POST", GENERATE[0], json=ASK)
    assert callers.remembered(api.secret)
    let(api, image_models=[other_model.slug])
    words = assert_error(
        send("POST", GENERATE[0], json={**ASK, "model": first.slug}), 422, "model_not_allowed", "model"
    )
    assert "fine-1" in words
    unnamed = send("POST", GENERATE[0], json=ASK)
    assert unnamed.status_code == 202
    assert Generation.objects.get(public_id=unnamed.json()["id"]).image_model == other_model
    listed = send("GET", "/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["fine-1"]
    let(api, image_models=["gone"])
    assert_error(send("POST", GENERATE[0], json=ASK), 422, "model_not_allowed", "model")


# --- Addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places_", "ip", "allowed"),
    [
        ([], None, True),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["192.0.2.7"], None, False),
        (["192.0.2.0/24", "2001:db8::/32"], "192.0.2.200", True),
        (["192.0.2.0/24", "2001:db8::/32"], "2001:db8:1::9", True),
        (["192.0.2.0/24", "2001:db8::/32"], "2001:db9::1", False),
        (["192.0.2.0/24"], "::ffff:192.0.2.1", True),
    ],
)
def test_an_address_is_allowed_or_not(places_: list[str], ip: str | None, allowed: bool) -> None:
    assert places.allow(places_, ip) == allowed


def test_addresses_are_stored_in_one_way() -> None:
    asked = [" 192.0.2.7 ", "192.0.2.9/24", "2001:DB8::/32", "::ffff:198.51.100.4", "192.0.2.0/24", "::1"]
    assert places.normal(asked) == ["192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "198.51.100.4", "::1"]
    with pytest.raises(ValueError, match=r"192\.0\.2"):
        places.normal(["::1", "192.0.2"])


def test_each_call_comes_from_an_allowed_address(api: Api, wallet: Wallet, send: Send, unlogged: None) -> None:
    let(api, allowed_ips=["192.0.2.0/24"])
    made = send("POST", GENERATE[0], json=ASK, ip="192.0.2.1")
    assert made.status_code == 202
    used = ApiKey.objects.get(pk=api.key.pk).last_used_ip
    assert callers.remembered(api.secret)
    for method, path in (("POST", GENERATE[0]), ("GET", STATUS[0] + made.json()["id"]), ("GET", "/v1/models")):
        answer = send(method, path, ip="198.51.100.1", **({"json": ASK} if method == "POST" else {}))
        assert "198.51.100.1" in assert_error(answer, 403, "ip_not_allowed", has_type=path == "/v1/models")
        assert "X-Credits-Remaining" not in answer.headers
    assert ApiKey.objects.get(pk=api.key.pk).last_used_ip == used == "192.0.2.1"
    let(api, allowed_ips=["198.51.100.1"])
    assert send("POST", GENERATE[0], json=ASK, ip="198.51.100.1").status_code == 202
    assert_error(send("POST", GENERATE[0], json=ASK, ip="192.0.2.1"), 403, "ip_not_allowed")


# --- Caps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", ["daily", "monthly", "lifetime"])
def test_fifty_at_once_on_a_cap_of_ten_make_ten(api: Api, wallet: Wallet, give: Any, period: str) -> None:
    give(60)
    let(api, **{f"{period}_credit_cap": 10})

    def call(_: int) -> str:
        try:
            ask(api, Wallet.objects.select_related("plan").get(pk=wallet.pk))
        except KeyLimitReached:
            return "refused"
        else:
            return "admitted"
        finally:
            connection.close()

    with ThreadPoolExecutor(25) as pool:
        assert Counter(pool.map(call, range(50))) == {"admitted": 10, "refused": 40}
    assert Generation.objects.count() == 10
    assert [cap.spent for cap in caps.of(api.key)] == [10, 10, 10]


def test_a_refusal_says_which_cap_and_when_it_resets(api: Api, wallet: Wallet, unlogged: None) -> None:
    assert api.post(ASK).status_code == 202
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    let(api, daily_credit_cap=1)
    words = assert_error(api.post(ASK), 402, "key_limit_reached")
    assert "daily credit limit of 1" in words
    assert tomorrow in words
    let(api, lifetime_credit_cap=1)  # of two the one that lasts longer
    words = assert_error(api.post(ASK), 402, "key_limit_reached")
    assert "lifetime credit limit of 1" in words
    assert "resets" not in words


def test_a_new_day_has_a_count_of_its_own(api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    let(api, daily_credit_cap=2)
    noon = caps.month_start() + timedelta(days=10, hours=12)

    def on(day: int) -> None:
        monkeypatch.setattr(timezone, "now", lambda: noon + timedelta(days=day))

    def spent() -> list[int]:
        return [cap.spent for cap in caps.of(api.key)]

    on(0)
    first, _ = ask(api, wallet), ask(api, wallet)
    with pytest.raises(KeyLimitReached):
        ask(api, wallet)
    on(1)
    assert spent() == [0, 2, 2]
    second = ask(api, wallet)
    assert spent() == [1, 3, 3]
    # What fails of the day before leaves its month, and makes no room today.
    lifecycle.fail(first, code="upstream_failed", message="The brush broke.")
    assert spent() == [1, 2, 2]
    lifecycle.fail(second, code="upstream_failed", message="The brush broke.")
    assert spent() == [0, 1, 1]


def test_whoever_comes_late_over_midnight_keeps_the_new_days_count(api: Api, wallet: Wallet) -> None:
    noon = caps.month_start() + timedelta(days=10, hours=12)
    caps.take(api.key, 3, noon)
    caps.take(api.key, 2, noon - timedelta(days=1))
    row = KeyMonth.objects.get(api_key=api.key)
    assert (row.credits, row.day, row.day_credits) == (5, noon.date(), 5)


def test_a_replaced_key_and_its_successor_share_each_cap(api: Api, wallet: Wallet, client: Client) -> None:
    let(api, daily_credit_cap=2, lifetime_credit_cap=2)
    assert api.post(ASK).status_code == 202
    successor, secret = keys.rotate(api.key, overlap=timedelta())
    new = Api(client, successor, secret)
    assert new.post(ASK).status_code == 202
    assert_error(new.post(ASK), 402, "key_limit_reached")
    # In all means in all, however long ago the first key of the line stopped.
    ApiKey.objects.filter(pk=api.key.pk).update(
        created_at=timezone.now() - timedelta(days=400), expires_at=timezone.now() - timedelta(days=300)
    )
    KeyMonth.objects.filter(api_key=api.key).update(month=caps.month_start().date().replace(year=2020), day=None)
    assert [cap.spent for cap in caps.of(successor)][1:] == [1, 2]


def test_whatever_a_key_may_do_changes_its_version(api: Api) -> None:
    before = ApiKey.objects.get(pk=api.key.pk).version
    keys.change(api.key, name="other")
    assert ApiKey.objects.get(pk=api.key.pk).version == before + 1


@pytest.mark.parametrize("times", [1, 1000])
def test_counting_a_day_costs_one_row_however_many_images(api: Api, wallet: Wallet, times: int) -> None:
    let(api, daily_credit_cap=1_000_000)
    KeyMonth.objects.create(
        api_key=api.key, month=caps.month_start().date(), credits=times, day=timezone.now().date(), day_credits=times
    )
    ask(api, wallet)
    assert KeyMonth.objects.count() == 1
    assert caps.of(api.key)[0].spent == times + 1
