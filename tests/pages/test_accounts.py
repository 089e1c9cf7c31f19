"""Logging in and out, signing up, and getting a new password, as a person meets it."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import allauth
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.cache import cache
from django.template.backends.django import Template
from django.template.loader import get_template, render_to_string
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts import browsers, sessions
from accounts.models import User
from billing.outbox import mail as mails
from tests.conftest import PASSWORD
from tests.pages.test_frame import assert_well_made


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Forget how often this machine's address has logged in."""
    cache.clear()


def test_a_wrong_password_is_told_in_words_and_the_email_stays(client: Client, alice: User) -> None:
    html = client.post("/accounts/login/", {"login": alice.email, "password": "wrong"}).content.decode()
    assert "is not correct" in html
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
    assert "\n\nreveweb\n" in message.body
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
    assert "confirm" in message.body
    link = re.search(r"http://testserver(\S+)", str(message.body))
    assert link
    assert "Is <strong>carol@example.com</strong> yours?" in client.get(link[1]).content.decode()
    assert client.post(link[1]).status_code == 302


def test_a_broken_confirmation_link_says_so(client: Client, db: None) -> None:
    assert "This link no longer works" in client.get("/accounts/confirm-email/xx/").content.decode()


# --- Every page is ours -----------------------------------------------------------------------------------------

# Frames and pieces of allauth's own pages, and pages of what is switched off: phones, codes by mail, other providers.
NOT_REACHED = re.compile(
    r"elements/|/base_|/base\.html|phone|login_code|email_verification_code|password_reset_code|signup_by_passkey"
    r"|webauthn/signup_form|account/email\.html|account/snippets|webauthn/snippets|mfa/index|authenticator_list"
    r"|usersession_list|^idp/|^openid/"
)
PAGES = sorted(
    str(path.relative_to(Path(allauth.__file__).parent / "templates"))
    for path in (Path(allauth.__file__).parent / "templates").rglob("*.html")
)


@pytest.mark.parametrize("name", [name for name in PAGES if not NOT_REACHED.search(name) and "/email/" not in name])
def test_no_page_of_allauths_own_is_shown(name: str) -> None:
    template = get_template(name)
    assert isinstance(template, Template)
    assert "site-packages" not in str(template.origin)


def test_the_pages_that_are_rarely_seen_are_well_made(rf: RequestFactory, db: None) -> None:
    request = rf.get("/")
    context = {"trust_until": timezone.now(), "provider": "GitHub", "redirect_to": "https://github.com/"}
    for name in (
        "mfa/trust",
        "account/signup_closed",
        "account/verified_email_required",
        "socialaccount/login_redirect",
    ):
        assert_well_made(render_to_string(f"{name}.html", context, request))


# --- The way in -------------------------------------------------------------------------------------------------


def test_somebody_who_is_logged_in_is_sent_on(browser: Client) -> None:
    assert browser.get("/accounts/login/?next=/gallery/")["Location"] == "/gallery/"
    assert browser.get("/accounts/signup/")["Location"] == "/create/"


def test_where_one_was_going_is_kept_over_log_in_and_sign_up(client: Client, alice: User) -> None:
    page = client.get("/accounts/login/?next=/gallery/").content.decode()
    assert page.count('name="next" value="/gallery/"') == 2  # with a password, and with a passkey
    assert "/accounts/signup/?next=/gallery/" in page.replace("%2F", "/")
    form = {"login": alice.email, "password": PASSWORD, "next": "/gallery/"}
    assert client.post("/accounts/login/", form)["Location"] == "/gallery/"


def test_nobody_is_sent_to_another_site(client: Client, alice: User) -> None:
    form = {"login": alice.email, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/accounts/login/", form)["Location"] == "/create/"


def test_too_many_wrong_passwords_have_to_wait(client: Client, bob: User) -> None:
    form = {"login": bob.email, "password": "wrong"}
    pages = [client.post("/accounts/login/", form, REMOTE_ADDR="192.0.2.7").content.decode() for _ in range(6)]
    assert "Wait five minutes" in pages[-1]


def test_browsers_know_what_to_fill_in(client: Client, db: None) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert 'autocomplete="username webauthn"' in page
    assert 'autocomplete="current-password"' in page
    assert 'autocomplete="new-password"' in client.get("/accounts/signup/").content.decode()


def test_a_code_from_the_app_is_asked_for_and_taken(client: Client, alice: User, monkeypatch: Any) -> None:
    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    answer = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD, "next": "/gallery/"})
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    page = client.get("/accounts/2fa/authenticate/").content.decode()
    assert_well_made(page)
    assert 'data-passkey="get"' not in page  # there is none to use
    assert "not accepted" in client.post("/accounts/2fa/authenticate/", {"code": "12"}).content.decode()
    monkeypatch.setattr(TOTP, "validate_code", lambda self, code: code == "123456")
    assert client.post("/accounts/2fa/authenticate/", {"code": "123456"})["Location"] == "/accounts/2fa/trust/"
    assert_well_made(client.get("/accounts/2fa/trust/").content.decode())
    answer = client.post("/accounts/2fa/trust/", {})
    assert answer["Location"] == "/gallery/"
    assert "mfa_trusted" not in answer.cookies


class TestABrowserThatIsTrusted:
    @pytest.fixture(autouse=True)
    def _trusted(self, client: Client, alice: User, monkeypatch: Any) -> None:
        monkeypatch.setattr(TOTP, "validate_code", lambda self, code: code == "123456")
        TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
        self.log_in(client, alice)
        client.post("/accounts/2fa/authenticate/", {"code": "123456"})
        self.cookie = client.post("/accounts/2fa/trust/", {"action": "trust"}).cookies["mfa_trusted"]
        client.post("/accounts/logout/")

    def log_in(self, client: Client, user: User, password: str = PASSWORD) -> str:
        return str(client.post("/accounts/login/", {"login": user.email, "password": password})["Location"])

    def test_is_not_asked_for_a_code_again(self, client: Client, alice: User) -> None:
        assert self.log_in(client, alice) == "/create/"
        assert (self.cookie["httponly"], self.cookie["samesite"]) == (True, "Lax")
        assert self.cookie["max-age"] == 14 * 24 * 3600

    def test_still_needs_the_password(self, client: Client, alice: User) -> None:
        client.post("/accounts/login/", {"login": alice.email, "password": "wrong"})
        assert "_auth_user_id" not in client.session

    def test_is_trusted_for_that_account_only(self, client: Client, bob: User) -> None:
        TOTP.activate(bob, "JBSWY3DPEHPK3PXP")
        assert self.log_in(client, bob) == "/accounts/2fa/authenticate/"

    def test_is_asked_again_after_another_password(self, client: Client, alice: User) -> None:
        alice.set_password("another horse battery")
        alice.save()
        assert self.log_in(client, alice, "another horse battery") == "/accounts/2fa/authenticate/"

    def test_is_asked_again_after_another_app(self, client: Client, alice: User) -> None:
        Authenticator.objects.filter(user=alice, type=Authenticator.Type.TOTP).delete()
        TOTP.activate(alice, "GEZDGNBVGY3TQOJQ")
        assert self.log_in(client, alice) == "/accounts/2fa/authenticate/"

    def test_is_asked_again_once_its_time_is_over(self, client: Client, alice: User, settings: Any) -> None:
        settings.MFA_TRUST_COOKIE_AGE = timedelta(seconds=-1)
        assert self.log_in(client, alice) == "/accounts/2fa/authenticate/"


def test_a_passkeys_offer_holds_no_script(client: Client, db: None) -> None:
    answer = client.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"})
    assert answer.json()["request_options"]["publicKey"]["userVerification"] == "required"


# --- The account ------------------------------------------------------------------------------------------------


def test_a_name_and_the_mails_one_wants_are_kept(browser: Client, alice: User) -> None:
    name = "نورة بنت محمد"
    answer = browser.post("/account/", {"name": f"  {name} ", "mail_receipts": "on"}, follow=True)
    assert "Your profile was saved." in answer.content.decode()
    alice.refresh_from_db()
    assert (alice.name, alice.mail_receipts, alice.mail_low_balance) == (name, True, False)


@pytest.mark.parametrize("name", ["a" * 121, "a\x00b", "a" * 10_000])
def test_a_name_that_cannot_be_kept_is_told_beside_the_field(browser: Client, alice: User, name: str) -> None:
    answer = browser.post("/account/", {"name": name})
    assert answer.status_code == 422
    assert 'id="id_name-error"' in answer.content.decode()
    alice.refresh_from_db()
    assert alice.name == ""


@pytest.mark.parametrize(("chosen", "cookie"), [("dark", "dark"), ("light", "light"), ("", ""), ('x"><b>', "")])
def test_a_theme_is_kept_in_a_cookie(browser: Client, chosen: str, cookie: str) -> None:
    answer = browser.post("/account/theme/", {"theme": chosen, "next": "https://evil.example/"})
    assert answer["Location"] == "/account/"
    assert answer.cookies["theme"].value == cookie


def test_an_address_changes_when_its_link_is_opened_and_not_before(browser: Client, alice: User) -> None:
    confirm(browser)
    browser.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    page = browser.get("/account/").content.decode()
    assert "new@example.com" in page
    assert "open the link" in page
    mails.send_due()
    link = re.search(r"http://testserver(\S+/confirm-email/\S+)", str(mail.outbox[-1].body))
    assert link
    assert browser.post(link[1])["Location"] == "/account/"
    alice.refresh_from_db()
    assert alice.email == "new@example.com"
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("new@example.com", True)]


def test_a_change_of_address_can_be_cancelled(browser: Client, alice: User) -> None:
    confirm(browser)
    browser.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
    browser.post("/accounts/email/", {"email": "new@example.com", "action_remove": ""})
    assert "new@example.com is removed" in browser.get("/accounts/email/").content.decode()
    assert "new@example.com" not in browser.get("/accounts/email/").content.decode()
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_changing_the_address_wants_the_password(browser: Client) -> None:
    answer = browser.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert not EmailAddress.objects.filter(email="new@example.com").exists()


def test_whoever_signs_up_with_an_address_is_before_whoever_wants_to_change_to_it(browser: Client, db: None) -> None:
    confirm(browser)
    browser.post("/accounts/email/", {"email": "carol@example.com", "action_add": ""})
    Client().post("/accounts/signup/", {"email": "carol@example.com", "password1": PASSWORD})
    assert User.objects.filter(email="carol@example.com").exists()
    browser.get("/account/")  # shows what was said before
    assert "carol@example.com" not in browser.get("/account/").content.decode()


def test_a_sign_up_that_is_refused_cancels_nobodys_change(browser: Client, db: None) -> None:
    confirm(browser)
    browser.post("/accounts/email/", {"email": "carol@example.com", "action_add": ""})
    Client().post("/accounts/signup/", {"email": "carol@example.com", "password1": "short"})
    assert not User.objects.filter(email="carol@example.com").exists()
    assert EmailAddress.objects.filter(user__email="alice@example.com", email="carol@example.com").exists()


def test_whoever_has_an_account_is_told_when_somebody_signs_up_with_their_address(bob: User, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    Client().post("/accounts/signup/", {"email": bob.email, "password1": PASSWORD})
    mails.send_due()
    assert "tried to sign up" in mail.outbox[0].body
    assert mail.outbox[0].to == [bob.email]


class TestSomebodyWantsToChangeToAnAddressThatIsAnothers:
    @pytest.fixture(autouse=True)
    def _asked(self, browser: Client, bob: User) -> None:
        confirm(browser)
        browser.post("/accounts/email/", {"email": bob.email, "action_add": ""})
        mails.send_due()

    def test_its_owner_is_told_and_no_link_is_sent(self, browser: Client, bob: User) -> None:
        browser.post("/accounts/email/", {"email": bob.email, "action_send": ""})
        mails.send_due()
        to_bob = [message for message in mail.outbox if message.to == [bob.email]]
        assert to_bob
        for message in to_bob:
            assert "wanted to change the address of another reveweb account" in message.body
            assert "You have an account with this address already" in message.body
            assert "sign up" not in message.body
            assert "confirm-email" not in message.body

    def test_the_page_does_not_tell_that_there_is_an_account(self, browser: Client, bob: User) -> None:
        taken = [browser.get(path).content.decode() for path in ("/accounts/email/", "/account/")]
        browser.post("/accounts/email/", {"email": "free@example.com", "action_add": ""})
        free = [browser.get(path).content.decode() for path in ("/accounts/email/", "/account/")]
        for one, other in zip(taken, free, strict=True):
            assert bob.email in one
            assert readable(one).replace(bob.email, "free@example.com") == readable(other)

    def test_a_forgotten_password_is_its_owners(self, client: Client, alice: User, bob: User) -> None:
        mail.outbox.clear()
        client.post("/accounts/password/reset/", {"email": "Bob@example.com"})
        mails.send_due()
        assert len(mail.outbox) == 1
        link = re.search(r"/password/reset/key/(\w+?)-", str(mail.outbox[0].body))
        assert link
        assert int(link[1], 36) == bob.pk

    def test_it_logs_nobody_else_in(self, client: Client, alice: User, bob: User) -> None:
        alice.set_password("a password of alice's own")
        alice.save()
        client.post("/accounts/login/", {"login": bob.email, "password": "a password of alice's own"})
        assert "_auth_user_id" not in client.session
        client.post("/accounts/login/", {"login": bob.email, "password": PASSWORD})
        assert client.session["_auth_user_id"] == str(bob.pk)


def test_a_pending_address_opens_nothing(browser: Client, client: Client, alice: User) -> None:
    confirm(browser)
    browser.post("/accounts/email/", {"email": "mistyped@example.com", "action_add": ""})
    client.post("/accounts/login/", {"login": "mistyped@example.com", "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    client.post("/accounts/password/reset/", {"email": "mistyped@example.com"})
    mails.send_due()
    assert not any("/password/reset/key/" in str(message.body) for message in mail.outbox)


def test_a_long_address_is_shown_whole(db: None) -> None:
    email = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.example"
    client = Client()
    client.force_login(User.objects.create_user(email, PASSWORD))
    assert email in client.get("/account/").content.decode()


def test_the_security_page_says_what_there_is(browser: Client, alice: User) -> None:
    page = browser.get("/account/security/").content.decode()
    assert "No passkey yet" in page
    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    page = browser.get("/account/security/").content.decode()
    assert "Turn off" in page
    assert "without them a lost phone locks you out" in page


@pytest.mark.parametrize("path", ["/accounts/2fa/", "/accounts/2fa/webauthn/"])
def test_lists_of_allauths_lead_to_the_security_page(browser: Client, path: str) -> None:
    assert browser.get(path)["Location"] == "/account/security/"


def test_pages_that_change_a_second_factor_are_well_made(browser: Client, alice: User) -> None:
    confirm(browser)
    for path in ("/accounts/2fa/totp/activate/", "/accounts/2fa/webauthn/add/", "/account/delete/"):
        assert_well_made(browser.get(path).content.decode())
    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    browser.post("/accounts/2fa/recovery-codes/generate/")
    for path in (
        "/accounts/2fa/totp/deactivate/",
        "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/recovery-codes/generate/",
    ):
        assert_well_made(browser.get(path).content.decode())
    assert "Each works once" in browser.get("/accounts/2fa/recovery-codes/download/").content.decode()
    assert_well_made(browser.get("/accounts/2fa/reauthenticate/").content.decode())


def test_somebody_elses_passkey_is_not_found(browser: Client, bob: User) -> None:
    confirm(browser)
    theirs = Authenticator.objects.create(user=bob, type=Authenticator.Type.WEBAUTHN, data={"name": "x"})
    for path in (f"/accounts/2fa/webauthn/keys/{theirs.pk}/remove/", f"/accounts/2fa/webauthn/keys/{10**30}/remove/"):
        assert browser.post(path).status_code == 404
    assert Authenticator.objects.filter(pk=theirs.pk).exists()


# --- Sessions ---------------------------------------------------------------------------------------------------

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile/15E148 Safari/604.1"
)


def test_every_browser_that_is_logged_in_is_listed(alice: User) -> None:
    here, _ = logged_in(alice, FIREFOX), logged_in(alice, SAFARI)
    page = here.get("/account/sessions/").content.decode()
    assert page.index("Firefox on Windows") < page.index("This browser") < page.index("Safari on iPhone")


def test_one_browser_is_logged_out(alice: User) -> None:
    here, there = logged_in(alice, FIREFOX), logged_in(alice, SAFARI)
    row = UserSession.objects.get(user_agent=SAFARI)
    assert here.post(f"/account/sessions/{row.pk}/end/").status_code == 302
    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200


def test_all_others_are_logged_out_at_once(alice: User) -> None:
    here, others = logged_in(alice, FIREFOX), [logged_in(alice, SAFARI) for _ in range(3)]
    answer = here.post("/account/sessions/end-others/", follow=True)
    assert "3 other browsers are logged out" in answer.content.decode()
    assert [other.get("/account/").status_code for other in others] == [302, 302, 302]


def test_nobody_ends_somebody_elses_session(alice: User, bob: User) -> None:
    logged_in(bob, SAFARI)
    theirs = UserSession.objects.get()
    here = logged_in(alice, FIREFOX)
    for pk in (theirs.pk, 10**30):
        assert here.post(f"/account/sessions/{pk}/end/").status_code == 404
    assert UserSession.objects.filter(pk=theirs.pk).exists()


def test_a_changed_password_ends_the_others_and_they_leave_the_list(alice: User) -> None:
    here, there = logged_in(alice, FIREFOX), logged_in(alice, SAFARI)
    form = {"oldpassword": PASSWORD, "password1": "a much newer password", "password2": "a much newer password"}
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert there.get("/account/").status_code == 302
    page = here.get("/account/sessions/").content.decode()
    assert "Firefox on Windows" in page
    assert "Safari" not in page


def test_last_seen_is_written_once_in_a_while(alice: User, monkeypatch: Any) -> None:
    here = logged_in(alice, FIREFOX)
    long_ago = timezone.now() - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago)
    monkeypatch.setattr(sessions, "_noted", {})
    here.get("/account/")
    first = UserSession.objects.get().last_seen_at
    assert first > long_ago
    UserSession.objects.update(last_seen_at=long_ago)
    here.get("/account/")
    assert UserSession.objects.get().last_seen_at == long_ago


def test_an_open_page_that_only_listens_is_no_use(alice: User, monkeypatch: Any) -> None:
    here = logged_in(alice, FIREFOX)
    long_ago = timezone.now() - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago)
    monkeypatch.setattr(sessions, "_noted", {})
    here.get("/healthz")
    assert UserSession.objects.get().last_seen_at == long_ago


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (SAFARI, "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on macOS"),
        ("", "A browser that does not say what it is"),
    ],
)
def test_a_browser_is_named_as_its_owner_knows_it(user_agent: str, words: str) -> None:
    assert browsers.describe(user_agent) == words


def confirm(client: Client) -> None:
    client.post("/accounts/reauthenticate/?next=/account/", {"password": PASSWORD})


def readable(page: str) -> str:
    """Return a page without what differs from one answer to the next."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": ?"\w+"', "", page)


def logged_in(user: User, user_agent: str) -> Client:
    client = Client(headers={"User-Agent": user_agent})
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client
