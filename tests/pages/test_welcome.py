"""Whoever got no welcome credits is told why, and what brings them."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from accounts.models import User
from billing.models import OutgoingMail
from reveweb.login import proof
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def sign_up(client: Client, email: str) -> str:
    """Sign up and return the dashboard."""
    client.post("/accounts/signup/", {"email": email, "password1": PASSWORD})
    return client.get("/dashboard/").content.decode()


def test_an_address_that_is_thrown_away_is_told_what_to_do(client: Client) -> None:
    page = sign_up(client, "ann@mailinator.com")
    assert "Addresses like yours come without free credits." in page
    assert 'href="/accounts/email/"' in page
    assert "You have no credits left" not in page


def test_a_mailbox_that_had_them_is_told_so(client: Client) -> None:
    sign_up(Client(), "ann@example.com")
    assert "This mailbox has had its free credits." in sign_up(client, "ann+2@example.com")


def test_whoever_has_them_is_told_nothing(client: Client) -> None:
    page = sign_up(client, "ann@example.com")
    assert "free credits" not in page


def test_whoever_has_to_confirm_first_is_told_and_greeted_then(
    client: Client, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION, settings.WELCOME_AFTER_CONFIRMING = "optional", True
    assert "Confirm your address to get your free credits." in sign_up(client, "ann@example.com")
    assert not OutgoingMail.objects.filter(template="welcome").exists()
    (link,) = re.findall(r"http://testserver(/accounts/confirm-email/\S+)", mailoutbox[-1].body)
    client.post(link)
    assert "3 free credits are in your account" in mailoutbox[-1].body
    assert "free credits" not in client.get("/dashboard/").content.decode()


def test_a_sign_up_whose_credits_were_held_back_gives_way(client: Client, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    sign_up(client, "ann@mailinator.com")
    user = User.objects.get()
    EmailAddress.objects.update(verified=False)
    User.objects.update(last_login=None)
    assert proof.gives_way(User.objects.get())
    proof.make_way("ann@mailinator.com")
    assert not User.objects.filter(pk=user.pk).exists()
