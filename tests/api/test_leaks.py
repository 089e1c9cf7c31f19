"""Keys that somebody found: whoever has one can only revoke it, and its owner is told."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import keys, tokens
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, BrowserToken, User
from billing.models import Wallet
from generator.ask import limits
from reveweb.leaks import reports
from tests.api.answers import assert_error, assert_json
from tests.conftest import Api

pytestmark = pytest.mark.services

PATH = "/v1/keys/report"
Serve = Callable[..., httpx.Response]


def report(serve: Serve, body: Any) -> httpx.Response:
    return serve("POST", PATH, json=body, headers={"Authorization": ""})


def test_a_key_that_was_found_is_revoked_at_once_and_its_owner_told(
    api: Api, wallet: Wallet, serve: Serve, mailoutbox: list[Any]
) -> None:
    _, token = tokens.mint(api.key, origin="https://a.example", seconds=600, credit_cap=1)
    answer = report(serve, {"key": api.secret, "where": "https://github.example/acme/shop\n<b>line 3</b>"})
    assert answer.status_code == 202
    assert_json(answer)
    with pytest.raises(InvalidApiKey):
        keys.verify(api.secret)
    with pytest.raises(InvalidApiKey):
        tokens.verify(token, origin="https://a.example")
    key = ApiKey.objects.get(pk=api.key.pk)
    assert key.reported_at
    assert key.revoked_at
    assert key.reported_where == "https://github.example/acme/shop <b>line 3</b>"
    [mail] = mailoutbox
    assert mail.to == ["alice@example.com"]
    assert key.prefix in mail.body
    assert "https://github.example/acme/shop" in mail.body
    html = str(mail.alternatives[0][0])
    assert "<b>line 3" not in html
    assert api.secret not in mail.body + html
    assert not report(serve, {"key": api.secret}).headers.get("X-Credits-Remaining")
    assert len(mailoutbox) == 1


def test_the_answer_is_the_same_whatever_it_was(
    api: Api, wallet: Wallet, serve: Serve, alice: User, mailoutbox: list[Any]
) -> None:
    expired = keys.mint(user=alice, name="old", expires_at=timezone.now() - timedelta(days=1))[1]
    body = f"{api.key.prefix}_{'0' * 32}"
    forged = body + keys._checksum(body)
    found = [api.secret[:-1], "nonsense", "rv_", forged, api.key.prefix, "\x00", expired, api.secret]
    answers = {(answer.status_code, answer.text) for answer in (report(serve, {"key": one}) for one in found)}
    assert len(answers) == 1
    assert "alice" not in str(answers)
    assert {mail.to[0] for mail in mailoutbox} == {"alice@example.com"}
    # Only the last was one that worked, and the one before it is looked at no more than that.
    assert ApiKey.objects.get(pk=api.key.pk).revoked_at


def test_several_come_at_once(api: Api, alice: User, wallet: Wallet, serve: Serve, mailoutbox: list[Any]) -> None:
    made = [keys.mint(user=alice, name=f"key {number}")[1] for number in range(5)]
    row, token = tokens.mint(api.key, origin="https://a.example", seconds=600, credit_cap=1)
    assert report(serve, {"keys": [*made, token, "nonsense"]}).status_code == 202
    assert ApiKey.objects.filter(reported_at__isnull=False).count() == 5 == len(mailoutbox)
    assert BrowserToken.objects.get(pk=row.pk).revoked_at
    assert keys.verify(api.secret)  # whoever finds a token stops that one


@pytest.mark.parametrize(
    ("body", "param"), [({}, "keys"), ({"keys": []}, "keys"), ({"keys": ["x"] * 101}, "keys"), ({"key": 5}, "key")]
)
def test_what_is_no_report_is_refused(transactional_db: None, serve: Serve, api: Api, body: Any, param: str) -> None:
    assert_error(report(serve, body), 422, "invalid_request", param)


def test_twenty_reports_of_one_key_make_one_mail(api: Api, wallet: Wallet, mailoutbox: list[Any]) -> None:
    def tell(_: int) -> None:
        try:
            reports.report([api.secret])
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(tell, range(20)))
    assert len(mailoutbox) == 1


def test_reports_are_counted_by_the_address_that_they_come_from(
    api: Api, wallet: Wallet, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REPORTS_PER_MINUTE", 3)
    statuses = Counter(report(serve, {"key": "rv_x"}).status_code for _ in range(5))
    assert statuses == {202: 3, 429: 2}
    assert limits._number_of("2001:db8::1") == limits._number_of("2001:db8::ffff") != limits._number_of("2001:db9::1")
    assert limits._number_of("192.0.2.1") != limits._number_of("192.0.2.2")


def test_people_report_a_key_on_a_page(api: Api, wallet: Wallet, client: Client, mailoutbox: list[Any]) -> None:
    assert client.get("/report-key/").status_code == 200
    assert client.post("/report-key/", {"keys": ""}).status_code == 422
    right = client.post("/report-key/", {"keys": f"  {api.secret}\n", "where": "a forum"})
    wrong = client.post("/report-key/", {"keys": "nonsense"})
    assert right.status_code == wrong.status_code == 200
    assert reports.ANSWER in right.content.decode()
    assert reports.ANSWER in wrong.content.decode()
    assert api.secret not in right.content.decode()
    assert ApiKey.objects.get(pk=api.key.pk).reported_where == "a forum"
    assert len(mailoutbox) == 1


def test_its_owner_sees_it_on_the_dashboard(api: Api, wallet: Wallet, alice: User, client: Client) -> None:
    reports.report([api.secret], "a forum <i>")
    client.force_login(alice)
    for page in ("/dashboard/", "/dashboard/api-keys/"):
        text = client.get(page).content.decode()
        assert "was found and reported" in text
        assert "a forum &lt;i&gt;" in text
    ApiKey.objects.update(reported_at=timezone.now() - timedelta(days=15))
    assert "was found and reported" not in client.get("/dashboard/").content.decode()
