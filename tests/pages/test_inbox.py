"""The local inbox: what was mailed can be read there, and only where nobody's real mail could be."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives, send_mail
from django.test import Client

from reveweb import local_mail
from tests.pages.test_frame import assert_well_made

HTML = '<html><head><title>x</title></head><body><a href="https://shop.example/">Go</a></body></html>'


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> None:
    settings.LOCAL_MAIL_DIR = tmp_path / "mail"
    settings.EMAIL_BACKEND = "reveweb.local_mail.FolderBackend"


def write(subject: str = "Hello", to: str = "alice@example.com", html: str = HTML) -> str:
    """Mail something and return its id in the inbox."""
    message = EmailMultiAlternatives(subject, "Go to https://shop.example/ now.", "Shop <shop@shop.example>", [to])
    if html:
        message.attach_alternative(html, "text/html")
    message.send()
    return next(local_mail.newest(1)).id


def text_of(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == 200
    return str(response.content.decode())


def test_an_empty_inbox_says_what_comes_there(client: Client, db: None) -> None:
    html = text_of(client, "/inbox/")
    assert_well_made(html)
    assert "No mail yet" in html


def test_mails_are_listed_newest_first(client: Client, db: None) -> None:
    for subject in ("First", "Second", "<b>Third</b> – für Łódź"):
        write(subject)
    html = text_of(client, "/inbox/")
    assert_well_made(html)
    assert re.findall(r'mail-subject" dir="auto">([^<]+)<', html) == [
        "&lt;b&gt;Third&lt;/b&gt; – für Łódź",
        "Second",
        "First",
    ]
    assert html.count("alice@example.com") == 3


def test_an_open_inbox_is_given_only_what_is_new(client: Client, db: None) -> None:
    first = write("First")
    poll = {"HX-Request": "true"}
    assert client.get(f"/inbox/?newest={first}", headers=poll).status_code == 204
    second = write("Second")
    html = text_of(client, f"/inbox/?newest={first}", **poll)
    assert "Second" in html
    assert f"newest={second}" in html
    assert "<html" not in html


def test_a_mail_is_shown_in_a_frame_that_may_do_nothing(client: Client, db: None) -> None:
    id = write("A receipt")
    page = client.get(f"/inbox/{id}/")
    assert_well_made(page.content.decode())
    assert f'src="/inbox/{id}/html/"' in page.content.decode()
    assert "frame-src 'self'" in page["Content-Security-Policy"]
    framed = client.get(f"/inbox/{id}/html/")
    policy = framed["Content-Security-Policy"]
    for rule in ("default-src 'none'", "sandbox allow-popups allow-top-navigation-by-user-activation"):
        assert rule in policy
    for freedom in ("allow-scripts", "allow-same-origin", "allow-forms", "script-src"):
        assert freedom not in policy + page.content.decode()
    assert framed["X-Frame-Options"] == "SAMEORIGIN"
    assert '<head><base target="_top">' in framed.content.decode()


def test_no_other_page_may_hold_a_frame(client: Client, db: None) -> None:
    write()
    for path in ("/", "/inbox/"):
        assert "frame-src" not in client.get(path)["Content-Security-Policy"]
        assert client.get(path)["X-Frame-Options"] == "DENY"


def test_its_text_is_shown_with_links(client: Client, db: None) -> None:
    html = text_of(client, f"/inbox/{write()}/?as=text")
    assert_well_made(html)
    assert '<a href="https://shop.example/" rel="nofollow">https://shop.example/</a> now.' in html
    assert "<iframe" not in html


def test_links_lead_to_where_the_inbox_is_seen_from(client: Client, db: None, settings: Any) -> None:
    settings.PUBLIC_URL, settings.PORT = "", 8000
    html = '<html><head></head><body><a href="http://localhost:8000/create/">Go</a></body></html>'
    id = write(html=html)
    assert 'href="http://testserver/create/"' in text_of(client, f"/inbox/{id}/html/")
    settings.PUBLIC_URL = "https://shop.example"
    assert 'href="http://localhost:8000/create/"' in text_of(client, f"/inbox/{id}/html/")


def test_a_mail_without_html_shows_its_text(client: Client, db: None) -> None:
    html = text_of(client, f"/inbox/{write(html='')}/")
    assert "<iframe" not in html
    assert "https://shop.example/" in html


@pytest.mark.parametrize(
    "id",
    [
        "x",
        "../../secret-key",
        "..%2f..%2fsecret-key",
        "%00",
        "a" * 5000,
        "20300101T000000000000Z-00000000",
        "20300101T000000000000Z-0000000g",
        "٢٠٣٠٠١٠١T000000000000Z-00000000",
    ],
)
def test_what_names_no_mail_is_not_found(client: Client, db: None, tmp_path: Path, id: str) -> None:
    (tmp_path / "secret-key").write_text("secret")
    for path in (f"/inbox/{id}/", f"/inbox/{id}/html/"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/inbox/", "/inbox/{id}/", "/inbox/{id}/html/"])
def test_with_a_mail_server_or_in_production_there_is_no_inbox(
    client: Client, db: None, settings: Any, path: str
) -> None:
    path = path.format(id=write())
    assert client.get(path).status_code == 200
    assert 'href="/inbox/"' in client.get("/").content.decode()
    settings.LOCAL_INBOX = False
    assert client.get(path).status_code == 404
    assert 'href="/inbox/"' not in client.get("/").content.decode()


def test_it_takes_no_form(client: Client, db: None) -> None:
    assert client.post("/inbox/").status_code == 405


def test_a_half_written_mail_and_other_files_are_not_listed(client: Client, db: None, settings: Any) -> None:
    write("Whole")
    for name in ("20300101T000000000000Z-0000000a.part", "notes.eml", ".hidden"):
        (settings.LOCAL_MAIL_DIR / name).write_text("Subject: Half\n\nx")
    html = text_of(client, "/inbox/")
    assert "Half" not in html
    assert "Whole" in html


def test_the_folder_does_not_grow_without_end(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_mail, "KEPT", 3)
    for number in range(5):
        send_mail(f"Number {number}", "x", None, ["alice@example.com"])
    assert [letter.subject for letter in local_mail.newest(10)] == ["Number 4", "Number 3", "Number 2"]
    assert len(list(settings.LOCAL_MAIL_DIR.iterdir())) == 3


def test_a_long_subject_and_address_stay_whole(client: Client, db: None) -> None:
    subject, to = "An endless subject " * 12 + "Ende", "a" * 60 + "@" + "b" * 60 + ".example"
    html = text_of(client, f"/inbox/{write(subject, to)}/")
    assert subject in html
    assert to in html
