"""Guesses and mails are limited so that nobody can spend another's."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from billing.outbox import mail as mails
from reveweb.login import limits
from tests.conftest import PASSWORD
from tests.reveweb.test_cache import away, keys_like

__all__ = ["away"]  # a fixture

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"
TOO_MANY = "Wait five minutes"


def guess(email: str, network: str = ELSEWHERE, password: str = "a guess", client: Client | None = None) -> str:
    form = {"login": email, "password": password}
    return (client or Client()).post("/accounts/login/", form, REMOTE_ADDR=network).content.decode()


def logs_in(email: str, network: str = HERE, client: Client | None = None, password: str = PASSWORD) -> bool:
    client = client or Client()
    guess(email, network, password, client)
    return "_auth_user_id" in client.session


def known(user: User) -> Client:
    """A browser that `user` has logged in with, and out again."""
    client = Client()
    assert logs_in(user.email, "203.0.113.9", client)
    client.post("/accounts/logout/")
    return client


def some(rates: Any, **changed: str) -> dict[str, str]:
    return {**rates, **changed}


# --- Guesses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["alice", "sam"])
def test_a_strangers_guesses_lock_nobody_out_who_is_elsewhere(who: str, request: pytest.FixtureRequest) -> None:
    user: User = request.getfixturevalue(who)
    assert TOO_MANY in [guess(user.email) for _ in range(10)][-1]
    assert logs_in(user.email)


def test_guesses_at_one_account_lock_nobody_else_out_who_is_here(alice: User, bob: User) -> None:
    for _ in range(10):
        guess(alice.email, HERE)
    assert logs_in(bob.email, HERE)


def test_ten_guesses_at_ten_accounts_lock_nobody_out_who_is_here(bob: User) -> None:
    for number in range(30):
        guess(f"{number}@example.com", HERE)
    assert logs_in(bob.email, HERE)


def test_a_network_that_is_past_its_limit_fills_no_memory_with_addresses(db: None, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, login_failed_network="3/d/ip")
    for number in range(9):
        guess(f"{number}@example.com")
    assert len(keys_like("*account:login_failed:5*")) == 3


def test_another_name_for_the_site_gives_no_guesses_more(alice: User) -> None:
    client = Client()
    for number in range(6):
        form = {"login": alice.email, "password": "a guess"}
        page = client.post("/accounts/login/", form, headers={"Host": f"{number}.example.com"}).content.decode()
    assert TOO_MANY in page


def test_a_stranger_who_comes_from_everywhere_is_stopped(alice: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, login_failed_anywhere="20/d/key")
    for number in range(20):
        assert TOO_MANY not in guess(alice.email, f"198.51.100.{number}")
    assert TOO_MANY in guess(alice.email, "198.51.100.20")


@pytest.mark.parametrize("spent", ["login_failed_anywhere", "login_failed_network", "login_failed"])
def test_a_browser_that_knows_the_account_is_let_in_whatever_strangers_do(
    alice: User, settings: Any, spent: str
) -> None:
    browser, others = known(alice), known(alice)
    per = "ip" if spent == "login_failed_network" else "key"
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, **{spent: f"3/d/{per}"})
    for _ in range(4):
        guess(alice.email, HERE)
    assert not logs_in(alice.email, HERE)
    assert logs_in(alice.email, HERE, browser)
    for _ in range(4):
        guess(alice.email, HERE, client=others)
    assert logs_in(alice.email, HERE, known_again(browser))


def known_again(client: Client) -> Client:
    client.post("/accounts/logout/")
    return client


def test_a_known_browser_guesses_no_more_often_than_others(alice: User) -> None:
    browser = known(alice)
    pages = [guess(alice.email, f"198.51.100.{number}", client=browser) for number in range(6)]
    assert TOO_MANY in pages[-1]


def test_a_browser_is_known_for_who_logged_in_with_it_alone(alice: User, bob: User, settings: Any) -> None:
    browser = known(alice)
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, login_failed_anywhere="1/d/key")
    guess(bob.email)
    assert not logs_in(bob.email, HERE, browser)


@pytest.mark.parametrize("value", ["", "x", "WyJ4IixbMV1d:1x:y", "ä"])
def test_a_cookie_that_we_did_not_sign_makes_nothing_known(alice: User, settings: Any, value: str) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, login_failed_anywhere="1/d/key")
    guess(alice.email)
    client = Client()
    client.cookies[limits.COOKIE] = value
    assert not logs_in(alice.email, HERE, client)


def test_the_cookie_says_who_to_nobody_and_only_where_one_logs_in(alice: User) -> None:
    cookie = known(alice).cookies[limits.COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/accounts/", True, "Lax")
    assert alice.email not in cookie.value


def test_a_new_password_by_mail_lets_the_owner_in_at_once(alice: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, login_failed_anywhere="1/d/key")
    guess(alice.email)
    client = Client()
    assert not logs_in(alice.email, HERE, client)
    client.post("/accounts/password/reset/", {"email": alice.email}, REMOTE_ADDR=HERE)
    form = client.get(written_to(alice.email)[-1])["Location"]
    client.post(form, {"password1": "a much newer one", "password2": "a much newer one"}, REMOTE_ADDR=HERE)
    assert logs_in(alice.email, HERE, client, "a much newer one")


def test_an_ipv6_network_is_one_place(alice: User) -> None:
    for number in range(6):
        page = guess(alice.email, f"2001:db8:1:2::{number}")
    assert TOO_MANY in page
    assert logs_in(alice.email, "2001:db8:1:3::1")


@pytest.mark.usefixtures("away")
def test_the_limits_hold_and_tell_apart_without_the_server_that_counts(alice: User, bob: User) -> None:
    assert TOO_MANY in [guess(alice.email) for _ in range(6)][-1]
    assert logs_in(alice.email, HERE)
    assert logs_in(bob.email, ELSEWHERE)


# --- Mails ------------------------------------------------------------------------------------------------------


def written_to(email: str) -> list[str]:
    """Send what is due, and return the link in each mail to somebody."""
    mails.send_due()
    texts = [str(message.body) for message in mail.outbox if message.to == [email]]
    return [found[1] for text in texts if (found := re.search(r"http://testserver(/accounts\S+)", text))]


def ask(email: str, network: str = ELSEWHERE, client: Client | None = None) -> Any:
    client = client or Client()
    return client.post("/accounts/password/reset/", {"email": email}, REMOTE_ADDR=network, follow=True)


def test_a_stranger_sends_three_reset_mails_and_is_told_the_same_always(alice: User) -> None:
    pages = [
        re.sub(r'name="csrf\w+" value="\w+"|"X-CSRF\w+": ?"\w+"', "", ask(alice.email).content.decode())
        for _ in range(9)
    ]
    assert len(set(pages)) == 1
    assert len(written_to(alice.email)) == 3


def test_reset_mails_to_a_mailbox_end_for_a_day_by_any_of_its_names(alice: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, reset_mail_anywhere="5/d/key")
    for number in range(9):
        ask(f"alice+{number}@example.com" if number % 2 else alice.email, f"198.51.100.{number}")
    mails.send_due()
    assert len(mail.outbox) == 5


def test_strangers_do_not_hold_back_the_owners_reset_mail(alice: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, reset_mail_anywhere="3/d/key")
    browser = known(alice)
    for number in range(4):
        ask(alice.email, f"198.51.100.{number}")
    last = written_to(alice.email)[-1]
    ask(alice.email, HERE)
    assert len(written_to(alice.email)) == 3  # and the links in those work
    assert "Choose a new password" in Client().get(last, follow=True).content.decode()
    ask(alice.email, HERE, browser)
    assert len(written_to(alice.email)) == 4


def test_reset_mails_hold_back_no_confirmation(db: None, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    for number in range(40):
        ask("carol@example.com", f"198.51.100.{number}")
    form = {"email": "carol@example.com", "password1": PASSWORD}
    Client().post("/accounts/signup/", form, REMOTE_ADDR=HERE)
    assert any("confirm-email" in link for link in written_to("carol@example.com"))


def test_a_strangers_sign_up_does_not_hold_back_the_owners_confirmation(db: None, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    form = {"email": "carol@example.com", "password1": PASSWORD}
    for _ in range(9):
        Client().post("/accounts/signup/", form, REMOTE_ADDR=ELSEWHERE)
    assert len(written_to("carol@example.com")) == 3
    Client().post("/accounts/signup/", form, REMOTE_ADDR=HERE)
    assert len(written_to("carol@example.com")) == 4


def test_changes_to_an_address_hold_back_no_confirmation_of_it(alice: User, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, manage_email="99/d/user")
    client = Client()
    client.force_login(alice)
    client.post("/accounts/reauthenticate/?next=/account/", {"password": PASSWORD})
    for number in range(40):
        form = {"email": "carol@example.com", "action_send" if number else "action_add": ""}
        client.post("/accounts/email/", form, REMOTE_ADDR=f"198.51.100.{number}")
    assert len(written_to("carol@example.com")) == 15
    Client().post("/accounts/signup/", {"email": "carol@example.com", "password1": PASSWORD}, REMOTE_ADDR=HERE)
    assert len(written_to("carol@example.com")) == 16


def test_an_account_that_nobody_confirmed_mails_no_exports_without_end(alice: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, export="2/d/user")
    client = Client()
    client.force_login(alice)
    answers = [client.post("/account/data/export/").status_code for _ in range(3)]
    assert answers == [302, 302, 429]


def test_sign_ups_of_a_network_end_for_a_day(db: None, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = some(settings.ACCOUNT_RATE_LIMITS, signup="3/d/ip")
    forms = [{"email": f"{number}@example.com", "password1": PASSWORD} for number in range(4)]
    answers = [Client().post("/accounts/signup/", form, REMOTE_ADDR=ELSEWHERE).status_code for form in forms]
    assert answers == [302, 302, 302, 429]
    assert Client().post("/accounts/signup/", forms[3], REMOTE_ADDR=HERE).status_code == 302


def test_every_limit_lasts_for_a_day_too(settings: Any) -> None:
    """But those of a stage of something else, and the one of log-ins, which counts those that succeed."""
    lasting = {action for action, rates in settings.ACCOUNT_RATE_LIMITS.items() if "/d/" in rates}
    assert set(settings.ACCOUNT_RATE_LIMITS) - lasting == {"login", "confirm_email"}
