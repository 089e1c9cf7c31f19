"""Mails about accounts: in our words and frame, put down for a worker, with links that lead to this site."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import allauth
import pytest
from allauth.account.models import EmailAddress
from django.conf import settings as django_settings
from django.template.backends.django import Template
from django.template.loader import get_template
from django.test import Client

from accounts.models import User
from billing.models import OutgoingMail
from billing.outbox import mail, rendering
from tests.conftest import PASSWORD

ALLAUTHS = Path(allauth.__file__).parent / "templates"
PREFIXES = sorted(
    str(path.relative_to(ALLAUTHS)).removesuffix("_subject.txt") for path in ALLAUTHS.rglob("email/*_subject.txt")
)
NEW = {"email": "new@example.com", "password1": PASSWORD}
# What allauth gives its templates, one with the other.
VALUES = {
    "activate_url": "https://shop.example/accounts/confirm-email/KEY/",
    "password_reset_url": "https://shop.example/accounts/password/reset/key/KEY/",
    "signup_url": "https://shop.example/accounts/signup/",
    "password_reset_page": "https://shop.example/accounts/password/reset/",
    "from_email": "old@example.com",
    "to_email": "new@example.com",
    "deleted_email": "gone@example.com",
    "provider": "GitHub",
    "timestamp": "1 March 2030, 12:00 UTC",
    "ip": "203.0.113.7",
}
CODE = {"code": "AB12-CD34"}


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.PUBLIC_URL = "https://shop.example"
    settings.ALLOWED_HOSTS = ["shop.example", "testserver"]
    settings.SITE_NAME = "Lighthouse"


def html_of(message: Any) -> str:
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    return str(html)


def assert_well_made(message: Any) -> None:
    html = html_of(message)
    words = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert len(re.findall("<h1", html)) == 1
    assert html.count("<table") == html.count("</table>")
    assert "Lighthouse" in html
    assert "Lighthouse" in message.body
    assert not re.search(r"\{\{|\{%|None|&amp;amp;|&#x27;s", words + message.body)
    assert "<" not in message.body
    assert "\n\n\n\n" not in message.body
    assert "\n" not in message.subject
    for url in re.findall(r'(?:href="|: )(http[^"\s<]+)', html + message.body):
        assert url.startswith("https://shop.example/")
    for word in re.findall(r"\S{13,}", VALUES["ip"] + " " + VALUES["activate_url"]):
        if word in html:
            assert word in message.body  # the plain text tells the same


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_mail_of_allauth_is_in_our_words_and_frame(alice: User, mailoutbox: list[Any], prefix: str) -> None:
    for ending in ("subject.txt", "message.txt", "message.html"):
        template = get_template(f"{prefix}_{ending}")
        assert isinstance(template, Template)
        assert Path(template.origin.name).is_relative_to(Path(django_settings.BASE_DIR) / "templates")
    code = CODE if prefix.endswith("_code") else {}
    mail.queue_to("alice@example.com", prefix, user=alice, **VALUES | code)
    [message] = mailoutbox
    assert_well_made(message)
    assert 4 < len(message.subject) < 60


@pytest.mark.parametrize(
    "prefix", [prefix for prefix in PREFIXES if prefix.endswith(("confirmation", "_code", "signup"))]
)
def test_a_mail_with_a_code_shows_it(transactional_db: None, mailoutbox: list[Any], prefix: str) -> None:
    mail.queue_to("alice@example.com", prefix, code=CODE["code"])
    [message] = mailoutbox
    assert_well_made(message)
    for words in (message.subject, message.body, html_of(message)):
        assert CODE["code"] in words


@pytest.mark.parametrize("name", ["welcome", "export_ready", "account_deleted", "key_reported"])
def test_our_own_mails_are_well_made(transactional_db: None, mailoutbox: list[Any], name: str) -> None:
    mail.queue_to("alice@example.com", name, credits=3, until="5 March 2030", size="12 MB", prefix="rv_E1R7dGq2")
    [message] = mailoutbox
    assert_well_made(message)


def test_long_names_and_addresses_do_not_break_a_mail(alice: User, mailoutbox: list[Any]) -> None:
    User.objects.update(name="<b>" + "Wolfeschlegelsteinhausenbergerdorff" * 3)
    address = "a" * 64 + "@" + "b" * 60 + ".example"
    mail.queue_to(address, "account/email/unknown_account", user=User.objects.get(), **VALUES)
    [message] = mailoutbox
    assert "<b>Wolfe" not in html_of(message)
    assert message.message()["To"].replace("\n ", "") == address


# --- Signing up


def test_signing_up_where_nobody_confirms_brings_a_welcome(
    client: Client, transactional_db: None, mailoutbox: list[Any]
) -> None:
    client.post("/accounts/signup/", NEW)
    [message] = [message for message in mailoutbox if message.subject == "Welcome to Lighthouse"]
    assert message.to == ["new@example.com"]
    assert "3 free credits are in your account, enough for 3 images." in message.body
    for page in ("/create/", "/gallery/", "/docs/", "/account/"):
        assert f"https://shop.example{page}" in message.body
    assert 'href="https://shop.example/docs/"' in html_of(message)


def test_a_welcome_promises_no_credits_where_there_are_none(
    client: Client, transactional_db: None, mailoutbox: list[Any], settings: Any
) -> None:
    settings.WELCOME_CREDITS = 0
    client.post("/accounts/signup/", NEW)
    assert "credit" not in mailoutbox[-1].body
    assert "Your account is ready." in mailoutbox[-1].body


def test_the_welcome_waits_until_the_address_is_confirmed(
    client: Client, transactional_db: None, mailoutbox: list[Any], settings: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    client.post("/accounts/signup/", NEW)
    [confirm] = mailoutbox
    assert confirm.subject == "Confirm your email address"
    [link] = set(re.findall(r"https://shop\.example(/accounts/confirm-email/\S+?)[\"\s<]", html_of(confirm)))
    assert link in confirm.body
    client.post(link)
    client.post(link)
    assert [message.subject for message in mailoutbox[1:]].count("Welcome to Lighthouse") == 1
    assert "3 free credits" in mailoutbox[-1].body


def test_signing_in_again_brings_no_second_welcome(
    client: Client, transactional_db: None, mailoutbox: list[Any]
) -> None:
    client.post("/accounts/signup/", NEW)
    client.post("/accounts/logout/")
    client.post("/accounts/login/", {"login": NEW["email"], "password": PASSWORD})
    assert [message.subject for message in mailoutbox] == ["Welcome to Lighthouse"]


# --- Passwords


def test_a_reset_leads_to_this_site_whatever_host_the_request_named(
    client: Client, alice: User, mailoutbox: list[Any], settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    client.post("/accounts/password/reset/", {"email": alice.email}, headers={"host": "evil.example"})
    [message] = mailoutbox
    assert message.subject == "Choose a new password"
    assert "evil.example" not in message.body + html_of(message)
    [link] = re.findall(r"https://shop\.example(/accounts/password/reset/key/\S+)", message.body)
    page = client.get(link, follow=True)
    client.post(page.redirect_chain[-1][0], {"password1": "another good horse", "password2": "another good horse"})
    assert client.login(email=alice.email, password="another good horse")


def test_a_changed_password_is_told_to_somebody_whom_an_operator_made(
    browser_of: Callable[[User], Client], alice: User, mailoutbox: list[Any]
) -> None:
    assert not EmailAddress.objects.exists()
    form = {"oldpassword": PASSWORD, "password1": "another good horse", "password2": "another good horse"}
    browser_of(alice).post("/accounts/password/change/", form)
    [message] = mailoutbox
    assert message.to == ["alice@example.com"]
    assert message.subject == "Your password was changed"
    assert "127.0.0.1" in message.body
    assert "https://shop.example/accounts/password/reset/" in message.body
    assert "List-Unsubscribe" not in message.extra_headers


# --- What stays behind


def test_a_link_that_opens_an_account_is_not_kept_once_it_is_sent(
    client: Client, alice: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "tell_on_commit", lambda task, pk: None)  # the broker is away
    assert client.post("/accounts/password/reset/", {"email": alice.email}).status_code == 302
    assert mailoutbox == []
    assert "/accounts/password/reset/key/" in OutgoingMail.objects.get().context["password_reset_url"]
    mail.send_due()
    assert len(mailoutbox) == 1
    assert OutgoingMail.objects.get().context == {}


def test_every_mail_has_its_three_parts() -> None:
    names = {path.name.removesuffix(".subject.txt") for path in Path("templates/email").glob("*.subject.txt")}
    assert {"receipt", "welcome", "export_ready", "account_deleted", *rendering.OPTIONAL} <= names
    for name in names:
        for ending in (".subject.txt", ".txt", ".html"):
            get_template(f"email/{name}{ending}")


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    """A browser in which somebody is logged in, having just shown who they are."""

    def log_in(user: User) -> Client:
        client = Client()
        client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
        return client

    return log_in
