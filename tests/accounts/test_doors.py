"""Every door of allauth's and of the admin's own pages: which are ours, which lead elsewhere, which are none."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from accounts.models import User
from tests.conftest import PASSWORD

LOG_IN = "/accounts/login/"
SECURITY = "/account/security/"
AGAIN = "/accounts/reauthenticate/"  # before something that matters
PROVIDERS = "/accounts/3rdparty/"
ADMIN_LOG_IN = "/admin/login/"  # which says 403 to whoever is logged in and no staff

# The door → what a stranger gets, and what somebody who is logged in gets: a status, or where it leads.
DOORS: dict[str, tuple[int | str, int | str]] = {
    "account_login": (200, "/create/"),
    "account_logout": ("/", 200),
    "account_signup": (200, "/create/"),
    "account_inactive": (200, 200),
    "account_reauthenticate": (LOG_IN, 200),
    "account_email": (LOG_IN, 200),
    "account_email_verification_sent": (200, 200),
    "account_confirm_email": (200, 200),
    "account_change_password": (LOG_IN, 200),
    "account_set_password": (LOG_IN, "/accounts/password/change/"),
    "account_reset_password": (200, 200),
    "account_reset_password_done": (200, 200),
    "account_reset_password_from_key": (200, 200),
    "account_reset_password_from_key_done": (200, 200),
    "account_confirm_login_code": (LOG_IN, "/create/"),
    "mfa_index": (SECURITY, SECURITY),
    "mfa_authenticate": (LOG_IN, "/create/"),
    "mfa_reauthenticate": (LOG_IN, AGAIN),
    "mfa_trust": (LOG_IN, "/create/"),
    "mfa_activate_totp": (LOG_IN, AGAIN),
    "mfa_deactivate_totp": (LOG_IN, 404),
    "mfa_view_recovery_codes": (LOG_IN, 404),
    "mfa_generate_recovery_codes": (LOG_IN, AGAIN),
    "mfa_download_recovery_codes": (LOG_IN, 404),
    "mfa_list_webauthn": (SECURITY, SECURITY),
    "mfa_add_webauthn": (LOG_IN, AGAIN),
    "mfa_reauthenticate_webauthn": (LOG_IN, AGAIN),
    "mfa_remove_webauthn": (LOG_IN, AGAIN),
    "mfa_edit_webauthn": (LOG_IN, AGAIN),
    "mfa_login_webauthn": (LOG_IN, "/create/"),
    "socialaccount_login_cancelled": (200, 200),
    "socialaccount_login_error": (401, 401),
    "socialaccount_signup": (LOG_IN, LOG_IN),
    "socialaccount_connections": (LOG_IN, 200),
    "usersessions_list": ("/account/sessions/", "/account/sessions/"),
    "accounts/social/login/cancelled/": (f"{PROVIDERS}login/cancelled/", f"{PROVIDERS}login/cancelled/"),
    "accounts/social/login/error/": (f"{PROVIDERS}login/error/", f"{PROVIDERS}login/error/"),
    "accounts/social/signup/": (f"{PROVIDERS}signup/", f"{PROVIDERS}signup/"),
    "accounts/social/connections/": (PROVIDERS, PROVIDERS),
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "account_confirm_email": {"key": "none"},
    "account_reset_password_from_key": {"uidb36": "1", "key": "none"},
    "mfa_remove_webauthn": {"pk": 1},
    "mfa_edit_webauthn": {"pk": 1},
}

# The same for the admin's doors that are no list: what staff get, and what somebody else gets who is logged in.
ADMIN_DOORS: dict[str, tuple[int | str, int | str]] = {
    "books": (200, ADMIN_LOG_IN),
    "books_csv": (200, ADMIN_LOG_IN),
    "books_repair": (200, ADMIN_LOG_IN),
    "index": (200, ADMIN_LOG_IN),
    "search": (200, ADMIN_LOG_IN),
    "login": ("/admin/", 403),
    "logout": (200, "/admin/"),
    "password_change": ("/accounts/password/change/", ADMIN_LOG_IN),
    "password_change_done": (SECURITY, ADMIN_LOG_IN),
    "autocomplete": (403, ADMIN_LOG_IN),
    "jsi18n": (200, ADMIN_LOG_IN),
}


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


def doors(below: str) -> Iterator[tuple[str, str]]:
    """Yield each address below a path, as its pattern, with its name or else the pattern."""
    for prefix, pattern in _patterns(get_resolver().url_patterns, ""):
        address = prefix + str(pattern.pattern)
        if address.startswith(below):
            yield address, pattern.name or address


def _patterns(found: Any, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for one in found:
        if isinstance(one, URLPattern):
            yield prefix, one
        else:
            yield from _patterns(one.url_patterns, prefix + str(one.pattern))


def went(client: Client, address: str) -> int | str:
    """Return the status, or where it led: the path alone."""
    answer = client.get(address)
    return str(answer["Location"]).partition("?")[0] if answer.status_code in (301, 302) else answer.status_code


def address_of(door: str) -> str:
    return f"/{door}" if "/" in door else reverse(door, kwargs=ARGUMENTS.get(door))


def test_the_table_has_every_door() -> None:
    assert {name for _, name in doors("accounts/")} == set(DOORS)
    apps = ("accounts", "billing", "generator", "reveweb", "r")
    lists = (*(f"admin/{app}/" for app in apps), "admin/^", "admin/(")
    assert {name for address, name in doors("admin/") if not address.startswith(lists)} == set(ADMIN_DOORS)


@pytest.mark.parametrize("door", DOORS)
def test_a_stranger_meets_a_page_of_ours_or_none(client: Client, db: None, door: str) -> None:
    assert went(client, address_of(door)) == DOORS[door][0]


@pytest.mark.parametrize("door", DOORS)
def test_somebody_logged_in_meets_a_page_of_ours_or_none(client: Client, alice: User, door: str) -> None:
    client.post(LOG_IN, {"login": alice.email, "password": PASSWORD})
    assert went(client, address_of(door)) == DOORS[door][1]


@pytest.mark.parametrize("door", ADMIN_DOORS)
def test_the_admin_has_no_door_of_its_own_beside_the_sites(client: Client, sam: User, door: str) -> None:
    client.post(LOG_IN, {"login": sam.email, "password": PASSWORD})
    assert went(client, reverse(f"admin:{door}")) == ADMIN_DOORS[door][0]


@pytest.mark.parametrize("door", ADMIN_DOORS)
def test_the_admins_doors_are_for_staff(client: Client, alice: User, door: str) -> None:
    client.post(LOG_IN, {"login": alice.email, "password": PASSWORD})
    assert went(client, reverse(f"admin:{door}")) == ADMIN_DOORS[door][1]


def test_a_password_is_not_changed_in_the_admin(client: Client, sam: User) -> None:
    client.post(LOG_IN, {"login": sam.email, "password": PASSWORD})
    new = {"old_password": PASSWORD, "new_password1": "a much newer one", "new_password2": "a much newer one"}
    client.post("/admin/password_change/", new)
    sam.refresh_from_db()
    assert sam.check_password(PASSWORD)


def test_a_password_is_not_guessed_at_a_persons_page(client: Client, sam: User, alice: User) -> None:
    client.post(LOG_IN, {"login": sam.email, "password": PASSWORD})
    assert client.get(f"/admin/accounts/user/{alice.pk}/password/").status_code in (302, 404)
    client.post(f"/admin/accounts/user/{alice.pk}/password/", {"password1": "x" * 20, "password2": "x" * 20})
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_logging_out_of_the_admin_logs_out_of_the_site(client: Client, sam: User) -> None:
    client.post(LOG_IN, {"login": sam.email, "password": PASSWORD})
    assert client.post("/admin/logout/")["Location"] == "/"
    assert client.get("/account/").status_code == 302
