"""Dashboard → API Keys: the secret is seen once, and only one's own keys can be touched."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User

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
    assert f"Authorization: Bearer {secret}" in html
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


def test_no_keys_yet_teaches_the_header(browser: Client) -> None:
    assert "Authorization: Bearer rv_…" in browser.get(PAGE).content.decode()


def test_revoking_asks_first_and_then_stops_the_key(browser: Client, alice: User) -> None:
    key, secret = keys.mint(user=alice, name="Website")
    page = f"{PAGE}{key.pk}/revoke/"
    assert "Revoke “Website”?" in browser.get(page).content.decode()
    assert keys.verify(secret)
    assert "is revoked" in browser.post(page, follow=True).content.decode()
    key.refresh_from_db()
    assert key.revoked_at
    assert browser.get(page).status_code == 302


def test_a_strangers_key_is_not_there(strangers_browser: Client, alice: User) -> None:
    key, _ = keys.mint(user=alice, name="Website")
    page = f"{PAGE}{key.pk}/revoke/"
    assert strangers_browser.get(page).status_code == 404
    assert strangers_browser.post(page).status_code == 404
    assert "Website" not in strangers_browser.get(PAGE).content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None


def test_a_form_without_its_token_is_refused_in_house_style(alice: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice)
    response = create(careful)
    assert response.status_code == 403
    assert "This form is out of date" in response.content.decode()
    assert not ApiKey.objects.exists()
