"""What an operator calls their site goes unharmed through mails, files, Markdown and JSON, whatever signs are in it."""

import html
import json
import os
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from accounts.models import User
from billing.models import OutgoingMail, Wallet
from billing.outbox import mail, rendering
from tests import ROOT

NAMES = ["Acme, Inc.", 'Ünï "Q" <x>', "写真館 🎨", "A*b*_c_ [d](e) `f` & <b>g</b>", "O'Neil; Sons: @home"]
ASK = "import json; from django.conf import settings as s; print(json.dumps([s.SITE_NAME, s.DEFAULT_FROM_EMAIL]))"


def settings_with(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "ENV_FILE": ""}
    kept["DJANGO_SETTINGS_MODULE"] = "reveweb.settings"
    return subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", NAMES)
def test_mails_come_from_the_site_by_its_name(tmp_path: Path, name: str) -> None:
    found, sender = json.loads(settings_with(tmp_path, SITE_NAME=name).stdout)
    assert found == name
    written = EmailMessage("Hello", "you", sender, ["ada@example.com"]).message().as_bytes()
    [who] = message_from_bytes(written, policy=policy.default)["From"].addresses
    assert (who.display_name, who.addr_spec) == (name, "noreply@localhost")


def test_a_sender_may_be_written_as_people_write_it(tmp_path: Path) -> None:
    for value in ("Acme, Inc. <hello@example.com>", '"Acme, Inc." <hello@example.com>', "hello@example.com"):
        _, sender = json.loads(settings_with(tmp_path, DEFAULT_FROM_EMAIL=value).stdout)
        written = EmailMessage("Hello", "you", sender, ["ada@example.com"]).message().as_bytes()
        [who] = message_from_bytes(written, policy=policy.default)["From"].addresses
        assert who.addr_spec == "hello@example.com"
        assert who.display_name == ("" if "<" not in value else "Acme, Inc.")


@pytest.mark.parametrize("name", ["Acme\nBcc: x@example.com", "a\x07b"])
def test_a_name_that_is_no_line_of_words_is_refused_at_the_start(tmp_path: Path, name: str) -> None:
    refused = settings_with(tmp_path, SITE_NAME=name)
    assert refused.returncode != 0
    assert "SITE_NAME must be one line of text" in refused.stderr


@pytest.mark.parametrize("name", NAMES)
def test_pages_files_and_mails_show_it_as_it_is(
    client: Client, alice: User, wallet: Wallet, settings: Any, name: str
) -> None:
    settings.SITE_NAME = settings.LOGO_TEXT = name
    assert client.get("/manifest.webmanifest").json()["name"] == name
    assert client.get("/v1/openapi.json").status_code == 200
    page = client.get("/docs/").content.decode()
    assert f"The {name} API" in html.unescape(page)
    client.force_login(alice)
    for path in ("/dashboard/billing/history.csv", "/dashboard/usage.csv?days=7"):
        response = client.get(path)
        assert response.status_code == 200
        assert response["Content-Disposition"].startswith("attachment; filename")
    mail.queue(wallet, "welcome", reference="w", site="http://testserver", credits=3)
    message = rendering.compose(OutgoingMail.objects.get(reference="w"))
    assert name in message.body
    assert message.message()["Subject"]
