"""Logging in and out, signing up, and getting a new password, as a person meets it."""

import re
from typing import Any

from django.core import mail
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD


def test_a_wrong_password_is_told_in_words_and_the_email_stays(client: Client, alice: User) -> None:
    html = client.post("/accounts/login/", {"login": alice.email, "password": "wrong"}).content.decode()
    assert "are not correct" in html
    assert f'value="{alice.email}"' in html
    assert "wrong" not in html


def test_a_weak_password_is_explained_beside_the_field(client: Client, db: None) -> None:
    html = client.post("/accounts/signup/", {"email": "carol@example.com", "password1": "12345678"}).content.decode()
    assert re.search(r'id="id_password1-error"><p>This password is too common', html)
    assert 'aria-invalid="true"' in html


def test_logging_out_takes_a_post(browser: Client) -> None:
    assert "Log out?" in browser.get("/accounts/logout/").content.decode()
    assert browser.get("/create/").status_code == 200
    response = browser.post("/accounts/logout/", follow=True)
    assert "You are logged out." in response.content.decode()
    assert browser.get("/create/").status_code == 302


def test_logging_in_greets_nobody_with_a_message(client: Client, alice: User) -> None:
    response = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD}, follow=True)
    assert 'class="messages"' not in response.content.decode()


def test_a_forgotten_password_is_replaced_through_a_short_email(client: Client, alice: User) -> None:
    client.post("/accounts/password/reset/", {"email": alice.email})
    message = mail.outbox[0]
    assert message.subject == "Choose a new password"
    assert message.body.endswith("\n\nreveweb")
    link = re.search(r"http://testserver(\S+)", str(message.body))
    assert link
    form = client.get(link[1], follow=True)
    fields = {"password1": "a much newer password", "password2": "a much newer password"}
    done = client.post(form.redirect_chain[-1][0], fields, follow=True)
    assert "Your password is changed" in done.content.decode()
    assert client.login(email=alice.email, password="a much newer password")


def test_a_used_reset_link_says_so(client: Client, db: None) -> None:
    assert "This link no longer works" in client.get("/accounts/password/reset/key/1-abc/").content.decode()


def test_a_new_address_is_confirmed_through_a_short_email(client: Client, db: None, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sent = client.post("/accounts/signup/", {"email": "carol@example.com", "password1": PASSWORD}, follow=True)
    assert "Check your email" in sent.content.decode()
    message = mail.outbox[0]
    assert message.subject == "Confirm your email address"
    assert "gave it to reveweb" in message.body
    link = re.search(r"http://testserver(\S+)", str(message.body))
    assert link
    assert "Is <strong>carol@example.com</strong> yours?" in client.get(link[1]).content.decode()
    assert client.post(link[1]).status_code == 302


def test_a_broken_confirmation_link_says_so(client: Client, db: None) -> None:
    assert "This link no longer works" in client.get("/accounts/confirm-email/xx/").content.decode()
