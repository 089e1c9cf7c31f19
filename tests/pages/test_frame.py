"""What every page keeps: one heading, a title, a description, nothing inline, the way to everywhere else."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.conf import LazySettings
from django.test import Client

from accounts.models import ApiKey
from generator.models import Generation

PUBLIC = ["/", "/pricing/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/inactive/"]
PUBLIC += [
    "/accounts/confirm-email/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-abc/",
    "/accounts/3rdparty/login/cancelled/",
    "/accounts/3rdparty/login/error/",
]
PRIVATE = [
    "/create/",
    "/gallery/",
    "/dashboard/",
    "/dashboard/?days=90",
    "/dashboard/api-keys/",
    "/dashboard/billing/",
    "/dashboard/billing/history/",
    "/dashboard/billing/success/?session=cs_unknown",
    "/account/",
    "/account/security/",
    "/account/sessions/",
    "/account/data/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
    "/accounts/3rdparty/",
    "/nowhere/",
]


VOID = {"meta", "link", "source", "input", "img", "br", "hr", "path", "circle", "rect", "line"}


class Balance(HTMLParser):
    """Notices a tag that is left open or closed where it was not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_well_made(html: str) -> None:
    balance = Balance()
    balance.feed(html)
    assert balance.open == []
    assert len(re.findall(r"<h1\b", html)) == 1
    assert re.search(r"<title>[^<]{3,}</title>", html)
    assert re.search(r'<meta name="description" content="[^"]{20,}">', html)
    assert 'href="#main"' in html
    assert 'id="main"' in html
    # What is no script is not run, and browsers let it be (HTML, "prepare the script element").
    assert not re.search(r'<script(?! type="application/ld\+json">)(?![^>]*\bsrc=)', html)
    assert not re.search(r'\s(style|on[a-z]+)="', html)
    assert "<style" not in html


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_is_well_made(client: Client, db: None, path: str) -> None:
    html = client.get(path).content.decode()
    assert_well_made(html)
    assert "Log in" in html
    assert 'id="balance"' not in html


@pytest.mark.parametrize("path", PRIVATE)
def test_a_private_page_is_well_made(browser: Client, path: str) -> None:
    html = browser.get(path).content.decode()
    assert_well_made(html)
    assert re.search(r'id="balance" data-balance="3"', html)
    assert 'action="/accounts/logout/"' in html


@pytest.mark.parametrize(
    "path", ["/create/", "/gallery/", "/dashboard/api-keys/", "/create/wall/", "/create/api-call/"]
)
def test_a_private_page_asks_a_stranger_to_log_in_and_comes_back(client: Client, db: None, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={path}"


def test_the_studio_with_every_kind_of_card_is_well_made(browser: Client, draw: Callable[..., Generation]) -> None:
    for until in ("queued", "drawing", "completed", "failed"):
        draw(until=until)
    assert_well_made(browser.get("/create/").content.decode())


@pytest.mark.parametrize("act", ["", "rotate/", "revoke/"])
def test_the_page_about_one_key_is_well_made(browser: Client, api: object, act: str) -> None:
    assert_well_made(browser.get(f"/dashboard/api-keys/{ApiKey.objects.get().pk}/{act}").content.decode())


def test_the_sandbox_says_that_it_is_one(client: Client, db: None, settings: LazySettings) -> None:
    assert "drawn locally" in client.get("/").content.decode()
    settings.SANDBOX = False
    assert "drawn locally" not in client.get("/").content.decode()


@pytest.mark.parametrize(("cookie", "attribute"), [("dark", 'data-theme="dark"'), ("light", 'data-theme="light"')])
def test_a_chosen_theme_comes_with_the_page(client: Client, db: None, cookie: str, attribute: str) -> None:
    client.cookies["theme"] = cookie
    assert attribute in client.get("/").content.decode()


def test_a_made_up_theme_is_ignored(client: Client, db: None) -> None:
    client.cookies["theme"] = 'x"onload="alert(1)'
    html = client.get("/").content.decode()
    assert "data-theme=" not in html
    assert "onload" not in html


def test_what_a_person_sees_is_kept_out_of_caches(browser: Client, client: Client) -> None:
    assert browser.get("/gallery/")["Cache-Control"] == "private, no-cache"
    assert browser.get("/docs/")["Cache-Control"] == "private, no-cache"
    assert "no-store" in browser.get("/accounts/password/change/")["Cache-Control"]
    assert "Cache-Control" not in client.get("/docs/")


@pytest.mark.parametrize("back", ["x", "home", "foo bar", "%00", "//evil.example", "https://evil.example/"])
def test_choosing_a_theme_goes_back_to_addresses_of_this_site_only(client: Client, db: None, back: str) -> None:
    answer = client.post("/account/theme/", {"theme": "dark", "next": back})
    assert (answer.status_code, answer["Location"]) == (302, "/account/")


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nowhere/", "/docs/", "/admin/login/"])
def test_a_page_asks_the_device_for_nothing_that_it_does_not_use(client: Client, db: None, path: str) -> None:
    policy = client.get(path, follow=True)["Permissions-Policy"]
    assert {"camera=()", "geolocation=()", "microphone=()", "payment=()", "usb=()"} <= set(policy.split(", "))
    assert {"clipboard-write=(self)", "publickey-credentials-get=(self)"} <= set(policy.split(", "))


@pytest.mark.parametrize("path", ["/icon.svg", "/robots.txt", "/v1/openapi.json", "/healthz"])
def test_what_is_no_page_has_no_such_policy(client: Client, db: None, path: str) -> None:
    assert not client.get(path).has_header("Permissions-Policy")
