"""What a person sees when something goes wrong."""

import pytest
from django.conf import LazySettings
from django.http import HttpRequest
from django.test import Client, RequestFactory

from accounts.models import User
from kit import request_id
from reveweb.pages import errors


def test_a_missing_page_says_so(client: Client, db: None) -> None:
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_bad_host_gets_words_and_not_a_traceback(client: Client, db: None, settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    response = client.get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert response.content.decode() == "That request can’t be read: there is no site of that name here."


def test_a_forbidden_page_says_so(rf: RequestFactory, db: None) -> None:
    response = errors.forbidden(rf.get("/"), Exception())
    assert response.status_code == 403
    html = response.content.decode()
    assert "You can’t open this page" in html
    assert 'href="/accounts/login/"' in html


def test_whoever_is_logged_in_reads_as_whom_they_were_refused(rf: RequestFactory, alice: User) -> None:
    request = rf.get("/")
    request.user = alice
    assert "You are logged in as alice@example.com" in errors.forbidden(request, Exception()).content.decode()


def test_a_missing_page_offers_the_way_that_fits(client: Client, browser: Client) -> None:
    stranger = client.get("/gallery/img_x/y/").content.decode()
    assert 'href="/accounts/login/?next=/gallery/img_x/y/"' in stranger
    assert "Your gallery" in browser.get("/gallery/img_x/y/").content.decode()


def test_help_is_offered_where_there_is_some_with_the_request_to_name(
    client: Client, db: None, settings: LazySettings
) -> None:
    assert "mailto:" not in client.get("/nowhere/").content.decode()
    settings.SUPPORT_EMAIL = "help@example.com"
    response = client.get("/nowhere/")
    html = response.content.decode()
    assert f"mailto:help@example.com?subject=Request%20{response['X-Request-Id']}" in html


def test_a_stale_form_is_told_what_to_do(alice: User) -> None:
    stale = Client(enforce_csrf_checks=True)
    stale.force_login(alice)
    response = stale.post("/accounts/logout/")
    assert response.status_code == 403
    assert "This form was out of date" in response.content.decode()


def test_a_crash_is_admitted_without_database_session_or_manifest(settings: LazySettings) -> None:
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "no.such.Storage"}}
    request = HttpRequest()
    id = request_id.begin()
    response = errors.server_error(request)
    html = response.content.decode()
    assert response.status_code == 500
    assert "Something broke on our side" in html
    assert id in html
    assert "mailto:" not in html
    settings.SUPPORT_EMAIL = "help@example.com"
    assert f"mailto:help@example.com?subject=Request%20{id}" in errors.server_error(request).content.decode()


@pytest.mark.parametrize("path", ["/create/", "/gallery/", "/"])
def test_a_page_that_is_only_read_takes_no_post(browser: Client, path: str) -> None:
    assert browser.post(path).status_code == 405
