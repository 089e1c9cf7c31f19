"""The secret is changed, with the old one as a fallback: nobody notices."""

from typing import Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from accounts import keys, sessions, unsubscribe
from accounts.models import User
from billing import identity
from billing.models import OutgoingMail, Wallet
from billing.outbox import rendering
from kit import site


@pytest.fixture
def rotate(settings: Any) -> Any:
    def rotate() -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-secret-that-is-as-long-as-secrets-have-to-be-and-new"

    return rotate


def test_browsers_stay_logged_in_and_are_listed(alice: User, rotate: Any) -> None:
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.force_login(alice, backend="reveweb.login.backends.AuthenticationBackend")
        assert browser.get("/account/").status_code == 200
    listed = [len(sessions.of(alice, None))]
    rotate()
    listed.append(len(sessions.of(alice, None)))
    assert listed[0] == listed[1]
    key = browsers[0].session.session_key
    assert key
    assert sessions.user_of(key) == alice
    for browser in browsers:
        assert browser.get("/account/").status_code == 200


def test_links_in_mails_work(client: Client, alice: User, rotate: Any) -> None:
    stop = unsubscribe.path_for(alice, "mail_receipts")
    confirm = EmailConfirmationHMAC(EmailAddress.objects.create(user=alice, email="new@example.com")).key
    reset = default_token_generator.make_token(alice)
    rotate()
    assert client.post(stop).status_code == 200
    alice.refresh_from_db()
    assert not alice.mail_receipts
    assert default_token_generator.check_token(alice, reset)
    assert EmailConfirmationHMAC.from_key(confirm).email_address.email == "new@example.com"


def test_keys_and_second_factors_open_what_they_opened(alice: User, rotate: Any) -> None:
    secret = keys.mint(user=alice, name="mine")[1]
    shared = totp.generate_totp_secret()
    factor = totp.TOTP.activate(alice, shared)
    rotate()
    assert keys.verify(secret).user_id == alice.pk
    now = next(totp.yield_hotp_counters_from_time())
    assert factor.validate_code(totp.format_hotp_value(totp.hotp_value(shared, now)))


def test_the_installation_keeps_its_names(settings: Any, wallet: Wallet, rotate: Any) -> None:
    mail = OutgoingMail(pk=7, wallet=wallet, template="welcome")
    settings.REDIS_NAMESPACE = ""
    site.forget()
    before = _names(mail)
    rotate()
    site.forget()
    assert _names(mail) == before
    site.forget()


def _names(mail: OutgoingMail) -> tuple[str, str, str]:
    headers = rendering.compose(mail).extra_headers
    return identity.installation(), site.name(), headers["Message-ID"]
