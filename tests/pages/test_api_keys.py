"""Dashboard → API Keys: the secret is seen once, and only one's own keys can be touched."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, User
from billing.models import Wallet
from generator.ask import prices
from tests.conftest import Api
from tests.pages.test_billing_page import text_of

PAGE = "/dashboard/api-keys/"


def create(browser: Client, name: str = "Website", **fields: str) -> Any:
    return browser.post(PAGE, {"nonce": str(uuid4()), "name": name, **fields})


def secret_on(html: str) -> str:
    found = re.search(r'id="secret">([^<]+)<', html)
    assert found
    return found[1]


def test_a_new_key_is_shown_once_with_a_call_to_copy(browser: Client, alice: User) -> None:
    html = create(browser).content.decode()
    secret = secret_on(html)
    assert keys.verify(secret).user == alice
    assert f"export REVEWEB_API_KEY={secret}\n" in html
    assert html.count(secret) == 2  # by itself, and in the line that sets it
    assert secret not in browser.get(PAGE).content.decode()


def test_a_page_with_a_secret_is_never_stored(browser: Client) -> None:
    assert "no-store" in create(browser)["Cache-Control"]


def test_a_reload_makes_no_second_key(browser: Client) -> None:
    fields = {"nonce": str(uuid4()), "name": "Website"}
    browser.post(PAGE, fields)
    again = browser.post(PAGE, fields, follow=True)
    assert "That key exists already" in again.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_key_stops_at_the_end_of_the_chosen_day(browser: Client) -> None:
    create(browser, expires_on="2199-12-31")
    assert ApiKey.objects.get().expires_at == datetime(2200, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Give the key a name."),
        ({"name": "   "}, "Give the key a name."),
        ({"name": "x" * 81}, "Shorten the name to 80 characters. It has 81 now."),
        ({"name": "a\x00b"}, "Remove the invisible NUL character"),
        ({"monthly_credit_cap": "0"}, "Choose 1 credit or more"),
        ({"monthly_credit_cap": "-5"}, "Choose 1 credit or more"),
        ({"monthly_credit_cap": "lots"}, "Write a whole number of credits"),
        ({"monthly_credit_cap": "9" * 5000}, "Write a whole number of credits"),
        ({"monthly_credit_cap": "99999999999"}, "Choose a lower limit"),
        ({"expires_on": "2001-01-01"}, "Choose today or a later day."),
        ({"expires_on": "9999-12-31"}, "Choose an earlier day"),
        ({"expires_on": "soon"}, "Write the date as year-month-day"),
        ({"nonce": "x"}, "This page was out of date."),
    ],
)
def test_what_is_wrong_is_told_in_words(browser: Client, fields: dict[str, str], words: str) -> None:
    response = browser.post(PAGE, {"nonce": str(uuid4()), "name": "Website", **fields})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not ApiKey.objects.exists()


def test_the_list_tells_each_keys_state_and_last_use(browser: Client, alice: User) -> None:
    keys.mint(user=alice, name="fresh")
    old, _ = keys.mint(user=alice, name="old", expires_at=timezone.now() - timedelta(days=1))
    gone, _ = keys.mint(user=alice, name="gone")
    keys.revoke(gone)
    ApiKey.objects.filter(pk=old.pk).update(last_used_at=timezone.now(), last_used_ip="203.0.113.7")
    html = browser.get(PAGE).content.decode()
    for words in ("Active", "Expired", "Revoked", "from 203.0.113.7", "Never", old.prefix):
        assert words in html


def test_a_key_with_a_limit_shows_how_much_of_its_month_is_spent(browser: Client, wallet: Wallet, api: Api) -> None:
    ApiKey.objects.update(monthly_credit_cap=2)
    for _ in range(2):
        assert api.post({"prompt": "a lighthouse", "async": True}).status_code == 202
    text = text_of(browser.get(PAGE))
    assert "2 of 2 credits this month Refused until the 1st, or until you raise the limit" in text


def test_a_replaced_key_counts_together_with_its_successor(browser: Client, api: Api) -> None:
    ApiKey.objects.update(monthly_credit_cap=40)
    assert api.post({"prompt": "a lighthouse", "async": True}).status_code == 202
    browser.post(f"{PAGE}{api.key.pk}/rotate/", {"overlap": "7d"})
    assert text_of(browser.get(PAGE)).count("1 of 40 credits") == 2


def test_the_page_takes_as_many_queries_with_many_keys(
    browser: Client, alice: User, give: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", 600)
    prices.current()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(PAGE)
        return len(captured)

    keys.mint(user=alice, name="one")
    few = queries()
    for number in range(12):
        key, _ = keys.mint(user=alice, name=f"key {number}", monthly_credit_cap=5)
        if number % 2:
            keys.rotate(key, overlap=timedelta(days=1))
    assert queries() == few


def test_a_page_says_when_one_has_as_many_keys_as_one_may(
    browser: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_KEYS", 1)
    create(browser)
    answer = browser.post(PAGE, {"nonce": str(uuid4()), "name": "one more"}, follow=True)
    assert "You have 1 keys that work, as many as one may have. Revoke one first." in answer.content.decode()
    assert ApiKey.objects.count() == 1


# --- Edit


def test_a_key_gets_another_name_and_limit_and_keeps_its_secret(browser: Client, alice: User) -> None:
    key, secret = keys.mint(user=alice, name="Website", monthly_credit_cap=10)
    page = f"{PAGE}{key.pk}/"
    form = browser.get(page).content.decode()
    assert 'value="Website"' in form
    assert 'value="10"' in form
    assert secret not in form
    answer = browser.post(page, {"name": "Shop", "monthly_credit_cap": ""}, follow=True)
    assert "“Shop” is saved." in answer.content.decode()
    key.refresh_from_db()
    assert (key.name, key.monthly_credit_cap) == ("Shop", None)
    assert keys.verify(secret) == key


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "a\x00b"}, {"name": "x", "monthly_credit_cap": "0"}])
def test_an_edit_that_is_wrong_changes_nothing(browser: Client, alice: User, fields: dict[str, str]) -> None:
    key, _ = keys.mint(user=alice, name="Website", monthly_credit_cap=10)
    assert browser.post(f"{PAGE}{key.pk}/", fields).status_code == 422
    key.refresh_from_db()
    assert (key.name, key.monthly_credit_cap) == ("Website", 10)


def test_a_key_that_has_stopped_is_not_edited(browser: Client, alice: User) -> None:
    key, _ = keys.mint(user=alice, name="Website")
    keys.revoke(key)
    assert browser.post(f"{PAGE}{key.pk}/", {"name": "Shop"})["Location"] == PAGE
    key.refresh_from_db()
    assert key.name == "Website"


# --- Rotate


def test_rotating_shows_the_new_secret_once_and_until_when_the_old_one_works(browser: Client, alice: User) -> None:
    key, old = keys.mint(user=alice, name="Website")
    page = f"{PAGE}{key.pk}/rotate/"
    assert "Rotate “Website”?" in browser.get(page).content.decode()
    answer = browser.post(page, {"overlap": "24h"})
    assert "no-store" in answer["Cache-Control"]
    new = secret_on(answer.content.decode())
    assert keys.verify(new).rotated_from == key
    assert keys.verify(old) == key
    assert "“Website” has a new key. Copy it now." in text_of(answer)
    key.refresh_from_db()
    end = key.expires_at
    assert end
    assert f"{key.prefix}… , works until {end.day} {end:%B %Y, %H:%M} UTC" in text_of(answer)
    listed = browser.get(PAGE)
    assert new not in listed.content.decode()
    assert "Replaced works until" in text_of(listed)


def test_rotating_at_once_stops_the_old_key(browser: Client, alice: User) -> None:
    key, old = keys.mint(user=alice, name="Website")
    answer = browser.post(f"{PAGE}{key.pk}/rotate/", {"overlap": "0"})
    assert "has stopped" in text_of(answer)
    with pytest.raises(InvalidApiKey):
        keys.verify(old)


def test_a_resent_rotation_makes_no_second_key_and_shows_no_secret(browser: Client, alice: User) -> None:
    key, _ = keys.mint(user=alice, name="Website")
    for _ in range(2):
        answer = browser.post(f"{PAGE}{key.pk}/rotate/", {"overlap": "1h"}, follow=True)
    assert "“Website” has been replaced already." in answer.content.decode()
    assert 'id="secret"' not in answer.content.decode()
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("overlap", ["", "30d", "24h\x00", "x" * 10_000])
def test_an_overlap_that_is_not_offered_rotates_nothing(browser: Client, alice: User, overlap: str) -> None:
    key, _ = keys.mint(user=alice, name="Website")
    answer = browser.post(f"{PAGE}{key.pk}/rotate/", {"overlap": overlap})
    assert answer.status_code == 422
    assert "Choose when the old key stops" in answer.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_key_that_has_stopped_is_not_rotated(browser: Client, alice: User) -> None:
    key, _ = keys.mint(user=alice, name="Website")
    keys.revoke(key)
    assert browser.get(f"{PAGE}{key.pk}/rotate/")["Location"] == PAGE
    answer = browser.post(f"{PAGE}{key.pk}/rotate/", {"overlap": "24h"}, follow=True)
    assert "does not work any more" in answer.content.decode()
    assert ApiKey.objects.count() == 1


# --- Empty, revoke, strangers


def test_no_keys_yet_teaches_the_first_call_in_every_language(browser: Client, alice: User) -> None:
    html = browser.get(PAGE).content.decode()
    assert '"Idempotency-Key: ' in unescape(re.sub(r"<[^>]+>", "", html))
    assert re.findall(r'value="(\w+)"( checked)?><span>', html) == [
        ("bash", " checked"),
        ("python", ""),
        ("javascript", ""),
    ]
    keys.mint(user=alice, name="Website")
    assert "Idempotency-Key" not in browser.get(PAGE).content.decode()


def test_revoking_asks_first_and_then_stops_the_key(browser: Client, alice: User) -> None:
    key, secret = keys.mint(user=alice, name="Website")
    page = f"{PAGE}{key.pk}/revoke/"
    assert "Revoke “Website”?" in browser.get(page).content.decode()
    assert keys.verify(secret)
    assert "is revoked" in browser.post(page, follow=True).content.decode()
    key.refresh_from_db()
    assert key.revoked_at
    assert browser.get(page).status_code == 302


@pytest.mark.parametrize("act", ["", "rotate/", "revoke/"])
def test_a_strangers_key_is_not_there(strangers_browser: Client, alice: User, act: str) -> None:
    key, secret = keys.mint(user=alice, name="Website")
    page = f"{PAGE}{key.pk}/{act}"
    assert strangers_browser.get(page).status_code == 404
    assert strangers_browser.post(page, {"name": "Mine", "overlap": "0"}).status_code == 404
    assert "Website" not in strangers_browser.get(PAGE).content.decode()
    assert keys.verify(secret).name == "Website"
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("act", ["", "rotate/", "revoke/"])
def test_a_key_with_a_huge_number_is_not_there(browser: Client, act: str) -> None:
    assert browser.get(f"{PAGE}{'9' * 40}/{act}").status_code == 404


def test_a_form_without_its_token_is_refused_in_house_style(alice: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice)
    response = create(careful)
    assert response.status_code == 403
    assert "This form was out of date" in response.content.decode()
    assert not ApiKey.objects.exists()
