"""A pressed button goes on: after a log-in, with a stale form token, and at addresses that only take forms."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import ApiKey, User
from generator.ask import drafts
from reveweb.lanes import Lane, lane_of
from reveweb.login import pressed
from tests.conftest import PASSWORD

HERE: dict[str, Any] = {"HTTP_ORIGIN": "http://testserver"}
TEXT = "A lighthouse keeper’s kitchen at dawn, " * 20  # 780 characters
EXAMPLES = {  # something for each part of an address that varies
    "pk": "1",
    "number": "1",
    "public_id": "img_2Nx1",
    "token": "abc",
    "slug": "quickstart",
    "id": "abc",
    "size": "180",
    "key": "abc",
    "file_name": "abc.png",
    "object_id": "1",
}


def addresses() -> Iterator[str]:
    """Give every address of the site's pages, those of the admin too, with examples where they vary."""

    def walk(resolver: Any, before: str = "") -> Iterator[str]:
        for found in resolver.url_patterns:
            pattern = before + str(found.pattern)
            if isinstance(found, URLResolver):
                yield from walk(found, pattern)
            elif isinstance(found, URLPattern):
                yield pattern

    for pattern in walk(get_resolver()):
        plain = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: EXAMPLES.get(part[1], "abc"), pattern)
        path = f"/{plain}"
        if not re.search(r"[\^()?\\]", path) and lane_of(path) == Lane.PAGE:
            yield path


ADDRESSES = sorted(set(addresses()))


@pytest.fixture
def stranger(alice: User) -> Client:
    """Alice's browser after her session has ended."""
    client = Client()
    client.force_login(alice)
    client.get("/account/")
    client.session.flush()
    return client


def log_in(client: Client, answer: Any, email: str = "alice@example.com") -> Any:
    """Log in where an answer leads to, and follow where that leads."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith("/accounts/login/"), answer["Location"]
    return client.post(answer["Location"], {"login": email, "password": PASSWORD}, follow=True)


def form_in(page: Any) -> tuple[str, dict[str, str]]:
    """Return where the form that is offered once more goes, and what is in it."""
    html = page.content.decode()
    found = re.search(r'<form class="stack" method="post" action="([^"]*)" data-once>(.*?)</form>', html, re.DOTALL)
    assert found, html
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[2]))
    fields |= dict(re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n(.*?)</textarea>', found[2], re.DOTALL))
    return unescape(found[1]), {name: unescape(text) for name, text in fields.items()}


def test_no_address_is_a_dead_end(sam: User) -> None:
    assert len(ADDRESSES) > 150
    browser = Client(raise_request_exception=False)
    browser.force_login(sam)
    for path in ADDRESSES:
        answer = browser.get(path)
        assert answer.status_code != 405, path
        if answer.status_code == 302 and path.startswith(answer["Location"]):  # to the page above
            assert browser.get(answer["Location"]).status_code in (200, 404), path


def test_every_form_that_asks_for_a_log_in_goes_on_at_a_page(stranger: Client) -> None:
    asked = 0
    for path in ADDRESSES:
        answer = stranger.post(path, {"name": "Night Garden, for the poster"})
        if answer.status_code == 405:
            assert b"<h1>" in answer.content, path
        if answer.status_code != 302 or urlsplit(answer["Location"]).path != "/accounts/login/":
            continue
        asked += 1
        onward = parse_qs(urlsplit(answer["Location"]).query).get("next", ["/"])[0]
        if path == "/create/generate/":
            assert onward == "/create/"  # the studio keeps the words itself
        elif not path.startswith("/accounts/"):
            assert onward.startswith("/account/pressed/"), path
            assert stranger.session["pressed"]["path"] == path
    assert asked > 80


def test_what_was_pressed_is_done_after_a_question(stranger: Client, alice: User) -> None:
    answer = stranger.post("/account/", {"name": "Alice of the long name", "marketing": "on"})
    page = log_in(stranger, answer)
    assert "Do you still want to save your profile?" in page.content.decode()
    alice.refresh_from_db()
    assert alice.name == ""
    path, fields = form_in(page)
    assert stranger.post(path, fields)["Location"] == "/account/"
    alice.refresh_from_db()
    assert alice.name == "Alice of the long name"
    assert "pressed" not in stranger.session


def test_a_button_without_words_is_pressed_again_by_one_press(stranger: Client, alice: User) -> None:
    page = log_in(stranger, stranger.post("/account/data/export/", HTTP_REFERER="http://testserver/account/data/"))
    assert "Do you still want to pack an export of your data?" in page.content.decode()
    assert 'href="/account/data/"' in page.content.decode()
    path, fields = form_in(page)
    assert stranger.post(path, fields)["Location"] == "/account/data/"


def test_only_the_same_person_sees_what_was_written(stranger: Client, bob: User) -> None:
    answer = stranger.post("/dashboard/api-keys/", {"name": "a private name"})
    assert stranger.session["pressed"]["fields"] == [["name", "a private name"]]
    page = log_in(stranger, answer, "bob@example.com")
    assert "a private name" not in page.content.decode()
    assert page.redirect_chain[-1][0] == "/dashboard/api-keys/"
    assert not ApiKey.objects.exists()


def test_it_waits_for_a_quarter_of_an_hour(stranger: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = stranger.post("/dashboard/api-keys/", {"name": "a private name"})
    monkeypatch.setattr(pressed, "SECONDS", 0)
    assert log_in(stranger, answer).redirect_chain[-1][0] == "/dashboard/api-keys/"


@pytest.mark.parametrize("fields", [{"oldpassword": "x y", "name": "z"}, {"text": "x" * 13_000}])
def test_passwords_and_floods_are_not_kept(stranger: Client, fields: dict[str, str]) -> None:
    page = log_in(stranger, stranger.post("/account/", fields))
    assert page.redirect_chain[-1][0] == "/account/"
    assert "press it again" in page.content.decode()


def test_scripts_get_an_answer_that_they_can_handle(stranger: Client) -> None:
    page = "http://testserver/gallery/?q=fox"
    htmx = stranger.post("/gallery/delete/", {"ids": "img_1"}, HTTP_HX_REQUEST="true", HTTP_REFERER=page)
    onward = "/accounts/login/?next=%2Faccount%2Fpressed%2F%3Fback%3D%252Fgallery%252F%253Fq%253Dfox"
    assert htmx["HX-Redirect"] == onward
    part = stranger.get("/dashboard/billing/card/", HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL="http://testserver/x/")
    assert part["HX-Redirect"] == "/accounts/login/?next=%2Fx%2F"
    script = stranger.post("/create/api-call/", {"prompt": TEXT}, HTTP_ACCEPT="application/json")
    assert script.status_code == 401
    assert script.json()["login"].startswith("/accounts/login/?next=")


# --- A stale token


@pytest.fixture
def stale(alice: User) -> Client:
    """Alice's browser, with a page open whose token is from before she logged in in another tab."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client


@pytest.mark.parametrize(
    ("path", "name"),
    [("/start/", "prompt"), ("/create/generate/", "prompt"), ("/account/", "name"), ("/admin/x/", "reason")],
)
def test_a_stale_token_loses_no_words(stale: Client, path: str, name: str) -> None:
    page = stale.post(path, {"csrfmiddlewaretoken": "stale", name: TEXT, "count": "1"}, **HERE)
    assert page.status_code == 403
    assert page["Cache-Control"] == "private, no-store"
    to, fields = form_in(page)
    assert (to, fields[name], fields["count"]) == (path, TEXT, "1")
    assert len(fields["csrfmiddlewaretoken"]) == 64


def test_the_form_that_is_offered_again_works(stale: Client) -> None:
    page = stale.post("/start/", {"csrfmiddlewaretoken": "stale", "prompt": TEXT}, **HERE)
    path, fields = form_in(page)
    assert stale.post(path, fields, **HERE)["Location"] == "/create/"
    assert drafts.take(stale.session) == {"prompt": TEXT}


@pytest.mark.parametrize("origin", [{}, {"HTTP_ORIGIN": "https://evil.example"}, {"HTTP_ORIGIN": "null"}])
def test_another_sites_form_is_never_offered(stale: Client, origin: dict[str, Any]) -> None:
    page = stale.post("/account/sessions/end-others/", {"reason": TEXT}, **origin)
    assert page.status_code == 403
    assert TEXT not in page.content.decode()
    assert "end-others" not in page.content.decode()


def test_a_form_with_a_password_is_opened_anew(stale: Client) -> None:
    page = stale.post("/accounts/login/", {"login": "a@b.example", "password": "my secret words"}, **HERE)
    assert "my secret words" not in page.content.decode()
    assert 'href="/accounts/login/"' in page.content.decode()


def test_scripts_get_a_fresh_token(stale: Client) -> None:
    answer = stale.post("/create/generate/", {"prompt": TEXT}, HTTP_ACCEPT="application/json", **HERE)
    assert answer.status_code == 403
    again = {"prompt": TEXT, "csrfmiddlewaretoken": answer.json()["csrf"]}
    assert stale.post("/create/generate/", again, HTTP_ACCEPT="application/json", **HERE).status_code != 403
    htmx = stale.post("/gallery/delete/", {"ids": "img_1"}, HTTP_HX_REQUEST="true", **HERE)
    assert htmx["HX-Refresh"] == "true"
