"""Dashboard → Requests: one's own calls, and running one again."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing import ledger
from billing.models import Wallet
from generator.ask import prices
from generator.models import ApiCall, Generation, ImageModel, Price, Route, Upstream
from reveweb.pages import requests
from tests.billing.books import audit
from tests.conftest import Api
from tests.pages.conftest import Draw

PAGE = "/dashboard/requests/"
BODY = {"prompt": "a lighthouse", "aspect_ratio": "3:2"}
Note = Callable[..., ApiCall]


@pytest.fixture
def note(api: Api, wallet: Wallet) -> Note:
    """Note a call with Alice's key."""

    def noted(**fields: Any) -> ApiCall:
        number = ApiCall.objects.count()
        path = fields.get("path", "/v1/reve-image/generate")
        values: dict[str, Any] = {
            "request_id": f"req_{number:024d}",
            "wallet": wallet,
            "api_key": api.key,
            "key_prefix": api.key.prefix,
            "method": "POST",
            "path": path,
            "route": path,
            "status": 202,
            "duration_ms": 123,
            "request_body": json.dumps(BODY),
            "request_bytes": len(json.dumps(BODY)),
            "created_at": timezone.now() - timedelta(minutes=number),
        }
        return ApiCall.objects.create(**values | fields)

    return noted


def listed(browser: Client, query: str = "") -> list[str]:
    text = browser.get(PAGE + query).text
    return re.findall(r'href="/dashboard/requests/(req_\d+)/"', text)


def test_whoever_never_called_learns_how(browser: Client) -> None:
    text = browser.get(PAGE).text
    assert "No requests yet" in text
    assert "/v1/reve-image/generate" in text


def test_a_stranger_sees_nothing(note: Note, strangers_browser: Client, client: Client) -> None:
    call = note()
    assert listed(strangers_browser) == []
    theirs, nobodys = (strangers_browser.get(f"{PAGE}{one}/") for one in (call.request_id, f"req_{'f' * 24}"))
    assert theirs.status_code == nobodys.status_code == 202  # one's own may be on its way: all are told the same
    assert strangers_browser.get(f"{PAGE}{call.request_id}/?looks={requests.LOOKS}").status_code == 404
    assert strangers_browser.post(f"{PAGE}{call.request_id}/again/", {"nonce": uuid4()}).status_code == 404
    assert client.get(PAGE).status_code == 302


def test_a_call_that_is_not_written_down_yet_is_waited_for(note: Note, browser: Client) -> None:
    page = browser.get(f"{PAGE}req_{0:024d}/")
    assert (page.status_code, page["Refresh"]) == (202, "1; url=?looks=1")
    assert "looks again by itself" in page.text
    last = browser.get(f"{PAGE}req_{0:024d}/?looks={requests.LOOKS - 1}")
    assert browser.get(f"{PAGE}req_{0:024d}/{last['Refresh'].partition('url=')[2]}").status_code == 404
    for looks in ("x", "-1", "99", "٣"):
        assert browser.get(f"{PAGE}req_{0:024d}/?looks={looks}").status_code == 404
    assert browser.get(f"{PAGE}no-such-id/").status_code == 404
    call = note()
    page = browser.get(f"{PAGE}{call.request_id}/?looks=3")
    assert (page.status_code, "Refresh" in page) == (200, False)


def test_look_ups_are_shown_when_somebody_asks(note: Note, browser: Client) -> None:
    drawn, look = note(), note(method="GET", status=200, is_look_up=True, count=40)
    assert listed(browser) == [drawn.request_id]
    assert listed(browser, "?lookups=1") == [drawn.request_id, look.request_id]
    assert listed(browser, f"?q={look.request_id}") == [look.request_id]
    assert "40 times" in browser.get(PAGE + "?lookups=1").text


def test_filters_find_what_they_say(note: Note, browser: Client, alice: User, wallet: Wallet) -> None:
    other, _ = keys.mint(user=alice, name="other")
    long_ago = timezone.now() - timedelta(days=9)
    fine, refused = note(), note(status=429, error_code="rate_limited")
    broken = note(status=503, error_code="unavailable", api_key=other)
    older = note(path="/v1/files", created_at=long_ago)
    day = long_ago.date().isoformat()
    for query, found in {
        "?status=2xx": [fine, older],
        "?status=4xx": [refused],
        "?status=5xx": [broken],
        "?code=rate_limited": [refused],
        f"?key={other.pk}": [broken],
        "?path=/v1/files/": [older],
        f"?from={day}&to={day}": [older],
        f"?q={refused.request_id}": [refused],
        "?q=req_nothing": [],
        "?status=9xx&key=x&from=yesterday&to=2026-13-45&before=x": [fine, refused, broken, older],
        "?q=%00&path=%00&code=%00": [fine, refused, broken, older],
        "?key=99999999999999999": [],
    }.items():
        assert listed(browser, query) == [one.request_id for one in found], query


def test_an_images_calls_are_found_by_its_id(note: Note, browser: Client, draw: Draw) -> None:
    image = draw()
    mine = note(image_id=image.public_id, created_at=image.created_at)
    note()
    assert listed(browser, f"?q={image.public_id}") == [mine.request_id]
    assert listed(browser, "?q=img_nothing") == []
    text = browser.get(PAGE).text
    assert f'href="/gallery/{image.public_id}/"' in text


def test_another_accounts_key_filters_nothing_of_ones_own(note: Note, browser: Client, bob: User) -> None:
    note()
    theirs, _ = keys.mint(user=bob, name="bobs")
    ApiCall.objects.create(
        request_id="req_9", wallet=ledger.wallet_of(bob.pk), api_key=theirs, key_prefix="", method="GET", path="/",
        route="/", status=200, duration_ms=1,
    )  # fmt: skip
    assert listed(browser, f"?key={theirs.pk}") == []


def test_pages_follow_each_other_without_a_gap_however_close_calls_came(
    note: Note, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.calls.listing.page.__kwdefaults__", {"before": "", "size": 3})
    at = timezone.now()
    calls = [note(created_at=at) for _ in range(8)]
    found, query = [], ""
    for _ in range(3):
        text = browser.get(PAGE + query).text
        found += re.findall(r'href="/dashboard/requests/(req_\d+)/"', text)
        older = re.search(r'rel="next" href="(\?[^"]+)"', text)
        query = older[1].replace("&amp;", "&") if older else ""
    assert found == [call.request_id for call in reversed(calls)]
    assert not query


def test_a_list_takes_a_handful_of_queries_and_no_bodies(
    note: Note, browser: Client, statements: list[str], draw: Draw
) -> None:
    for _ in range(5):
        note(image_id=draw().public_id)
    browser.get(PAGE)
    statements.clear()
    browser.get(PAGE)
    asked = [one for one in statements if "generator_apicall" in one]
    assert len(asked) == 1
    assert "request_body" not in asked[0]


def test_a_page_tells_all_about_a_call(note: Note, browser: Client) -> None:
    call = note(
        status=402, error_code="insufficient_credits", answer_body='{"error": {"code": "insufficient_credits"}}',
        request_headers={"Idempotency-Key": "one"}, user_agent="fox/1.0", ip="192.0.2.7",
        request_body=json.dumps({"prompt": "<script>alert(1)</script>"}),
    )  # fmt: skip
    text = browser.get(f"{PAGE}{call.request_id}/").text
    for words in ("192.0.2.7", "fox/1.0", "Idempotency-Key", "Was I billed?", "/docs/errors/#insufficient_credits"):
        assert words in text
    for language in ("bash", "python", "javascript"):
        assert f'id="code-call-{language}"' in text
    assert "<script>alert" not in text


def test_its_price_is_what_it_costs_when_it_is_sent(note: Note, browser: Client, api: Api, give: Any) -> None:
    give(100)
    first = ImageModel.objects.get()
    first.sizes, first.qualities = ["1K", "4K"], ["medium", "high"]
    first.save()
    fine = ImageModel.objects.create(slug="fine", name="Fine", operations=["create"], order=99)
    Route.objects.create(model=fine, operation="create", upstream=Upstream.objects.get(slug="reve"))
    for model, size, quality, credits in ((first, "4K", "", 4), (first, "4K", "high", 7), (fine, "", "", 9)):
        Price.objects.create(model=model, operation="create", size=size, quality=quality, credits=credits)
    prices.forget()
    for body, only, credits in (
        ({}, [], 1),
        ({"size": "4K"}, [], 4),
        ({"size": "4K", "quality": "high", "n": 2}, [], 14),
        ({}, ["fine"], 9),
        ({"model": "fine"}, [], 9),
    ):
        ApiKey.objects.filter(pk=api.key.pk).update(image_models=only)
        call = note(request_body=json.dumps({**BODY, **body}))
        assert f"Run again for {credits} credit" in browser.get(f"{PAGE}{call.request_id}/").text
        before = Generation.objects.count()
        again(browser, call)
        made = Generation.objects.order_by("pk")[before:]
        assert sum(one.credits for one in made) == credits


def again(browser: Client, call: ApiCall, nonce: Any = None) -> Any:
    return browser.post(f"{PAGE}{call.request_id}/again/", {"nonce": nonce or uuid4()})


def test_a_call_runs_again_once_however_often_it_is_pressed(note: Note, browser: Client, wallet: Wallet) -> None:
    call = note()
    assert "Run again for 1 credit" in browser.get(f"{PAGE}{call.request_id}/").text
    nonce = uuid4()
    first, second = again(browser, call, nonce), again(browser, call, nonce)
    image = Generation.objects.get()
    assert {first.url, second.url} == {f"/gallery/{image.public_id}/"}
    assert (image.prompt, image.aspect_ratio, image.api_key) == ("a lighthouse", "3:2", call.api_key)
    assert audit(wallet) == 2
    assert again(browser, call).url != first.url
    assert audit(wallet) == 1


OPENAIS = {"model": "gpt-image-1", "prompt": "a lighthouse", "size": "1536x1024", "n": 2, "stream": True}


@pytest.mark.parametrize(
    ("path", "body", "images"),
    [
        ("/v1/images/generations", OPENAIS, 2),
        ("/v1/images/generations/", OPENAIS, 2),
        ("/v1/image/create", BODY | {"version": "latest"}, 1),
        ("/v1/image/create", BODY | {"version": "text2image_v1"}, 1),
    ],
)
def test_calls_of_other_clients_run_again_too(
    note: Note, browser: Client, wallet: Wallet, path: str, body: dict[str, Any], images: int
) -> None:
    call = note(path=path, request_body=json.dumps(body))
    page = f"{PAGE}{call.request_id}/"
    assert f"Run again for {images} credit" in browser.get(page).text
    first = again(browser, call).url
    made = list(Generation.objects.order_by("pk"))
    assert first in [f"/gallery/{one.public_id}/" for one in made]
    assert [(one.prompt, one.aspect_ratio, one.api_key) for one in made] == [
        ("a lighthouse", "3:2", call.api_key)
    ] * images
    assert audit(wallet) == 3 - images


@pytest.mark.parametrize("named", [{"model": "gone"}, {"size": "huge"}, {"markup": "x"}])
def test_what_openais_endpoints_would_refuse_now_goes_to_the_studio(
    note: Note, browser: Client, named: dict[str, Any]
) -> None:
    call = note(path="/v1/images/generations", request_body=json.dumps(OPENAIS | named))
    text = browser.get(f"{PAGE}{call.request_id}/").text
    assert "Run again for" not in text
    assert "/create/?prompt=a+lighthouse" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/reve-image/generate", 402), ("/v1/images/generations", 429), ("/v1/image/create", 402)],  # as each has it
)
def test_what_refuses_it_is_said_on_the_calls_page(
    note: Note, browser: Client, wallet: Wallet, api: Api, path: str, status: int
) -> None:
    call = note(path=path)
    ApiKey.objects.filter(pk=api.key.pk).update(monthly_credit_cap=0)
    answer = again(browser, call)
    assert answer.status_code == status
    assert "limit" in answer.text
    assert audit(wallet) == 3


@pytest.mark.parametrize("why", ["revoked", "deleted", "pictures", "invalid", "elsewhere"])
def test_what_cannot_run_again_goes_to_the_studio(
    note: Note, browser: Client, api: Api, wallet: Wallet, why: str
) -> None:
    call = note(
        is_whole=why != "pictures",
        error_code="invalid_request" if why == "invalid" else "",
        path="/v1/files" if why == "elsewhere" else "/v1/reve-image/generate",
    )
    if why == "revoked":
        keys.revoke(api.key)
    elif why == "deleted":
        api.key.delete()
    text = browser.get(f"{PAGE}{call.request_id}/").text
    assert "Run again for" not in text
    assert 'href="/create/?prompt=a+lighthouse&amp;aspect_ratio=3%3A2"' in text
    assert again(browser, call).url == f"{PAGE}{call.request_id}/"
    assert not Generation.objects.exists()


def test_who_asks_by_a_link_runs_nothing(note: Note, browser: Client) -> None:
    assert browser.get(f"{PAGE}{note().request_id}/again/").status_code in (302, 405)
    assert not Generation.objects.exists()


def test_staff_find_whoever_had_a_request_and_see_their_latest(note: Note, sam: User, alice: User) -> None:
    call = note(status=500, error_code="internal_error")
    staff = Client()
    staff.force_login(sam)
    found = staff.get(f"/admin/accounts/user/?q={call.request_id}", follow=True)
    assert call.request_id in found.text
    assert "internal_error" in found.text


@pytest.mark.parametrize("body", ["[" * 8000, '{"a":' * 8000, "[" * 600 + "]" * 600])
def test_a_body_that_nobody_can_read_is_shown_as_it_came(note: Note, browser: Client, body: str) -> None:
    call = note(request_body=body, answer_body=body, request_bytes=len(body), status=400)
    answer = browser.get(f"{PAGE}{call.request_id}/")
    assert answer.status_code == 200


def test_refusals_counted_together_have_no_address_to_call(note: Note, browser: Client) -> None:
    call = note(method="GET", path="…", status=404, count=900, request_body="", request_bytes=0)
    assert "900 times" in browser.get(PAGE).text
    text = browser.get(f"{PAGE}{call.request_id}/").text
    assert "curl" not in text
