"""The secret is changed, with the old one as a fallback: nobody notices."""

import io
from typing import Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.totp.internal import auth as totp
from django.core import signing as signing_of_django
from django.core.management import call_command
from django.core.signing import TimestampSigner
from django.test import Client

from accounts import keys, sessions, unsubscribe
from accounts.models import User
from billing import identity
from billing.models import OutgoingMail, Wallet
from billing.outbox import rendering
from generator.models import Upstream
from generator.upstreams import secret as upstreams
from generator.upstreams import trouble
from generator.webhooks import endpoints, signing
from kit import site
from reveweb.login import limits


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


def test_what_is_sealed_opens_under_the_former_secret_and_once_it_is_sealed_anew_without_it(
    settings: Any, wallet: Wallet, rotate: Any, sam: User
) -> None:
    """Upstreams' keys and webhooks' secrets, the new one and the one before that is still good."""
    secret = keys.mint(user=wallet.user, name="mine")[1]
    upstream = Upstream.objects.first()
    assert upstream
    Upstream.objects.filter(pk=upstream.pk).update(secret=upstreams.seal("sk-upstream"))
    endpoint = endpoints.add(wallet, url="https://example.com/", description="", events=[])
    endpoints.rotate(endpoint)
    signer = signing.signer_of(wallet)

    def opened() -> list[str]:
        upstream.refresh_from_db()
        endpoint.refresh_from_db()
        signer.refresh_from_db()
        kept = (endpoint.secret, endpoint.old_secret, signer.secret)
        return [upstreams.reveal(upstream.secret), *map(signing.shown, kept)]

    before = opened()
    assert all(before)
    former = settings.SECRET_KEY
    rotate()
    assert opened() == before
    endpoint.refresh_from_db()
    endpoints.rotate(endpoint)  # what is the old one now is sealed under the former secret still
    call_command("upstreams", "--reseal", stderr=io.StringIO())
    sealed_anew = opened()
    assert sealed_anew[2:] == [before[1], before[3]]
    settings.SECRET_KEY_FALLBACKS = []
    assert former != settings.SECRET_KEY
    assert opened() == sealed_anew
    assert keys.verify(secret).user_id == wallet.user_id


def test_an_upstreams_trouble_stays_its_own(wallet: Wallet, rotate: Any, settings: Any) -> None:
    upstream = Upstream.objects.first()
    assert upstream
    kept = trouble.access_of(upstream)
    rotate()
    assert trouble._is_access_of(kept, upstream)
    settings.SECRET_KEY_FALLBACKS = []
    assert not trouble._is_access_of(kept, upstream)


def test_an_agents_session_and_a_known_browser_go_on(rotate: Any) -> None:
    signed = signing_of_django.dumps(["browser", [1]], salt=limits.COOKIE)
    session = TimestampSigner(salt="reveweb.mcp.session").sign("abc")
    rotate()
    assert signing_of_django.loads(signed, salt=limits.COOKIE) == ["browser", [1]]
    assert TimestampSigner(salt="reveweb.mcp.session").unsign(session) == "abc"
