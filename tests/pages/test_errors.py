"""What a person sees when something goes wrong."""

import pytest
from django.conf import LazySettings
from django.http import HttpRequest
from django.test import Client, RequestFactory

from reveweb import views


def test_a_missing_page_says_so(client: Client, db: None) -> None:
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_bad_host_gets_words_and_not_a_traceback(client: Client, db: None, settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    response = client.get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "read" in response.content.decode()


def test_a_forbidden_page_says_so(rf: RequestFactory, db: None) -> None:
    response = views.forbidden(rf.get("/"), Exception())
    assert response.status_code == 403
    assert "You can't open this page" in response.content.decode().replace("&#x27;", "'")


def test_a_crash_is_admitted_without_database_session_or_manifest(settings: LazySettings) -> None:
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "no.such.Storage"}}
    request = HttpRequest()
    request.id = "req_123"  # type: ignore[attr-defined]
    response = views.server_error(request)
    html = response.content.decode()
    assert response.status_code == 500
    assert "Something broke on our side" in html
    assert "req_123" in html


@pytest.mark.parametrize("path", ["/create/", "/gallery/", "/"])
def test_a_page_that_is_only_read_takes_no_post(browser: Client, path: str) -> None:
    assert browser.post(path).status_code == 405
