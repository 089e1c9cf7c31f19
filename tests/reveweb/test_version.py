"""Which release runs: told to monitors and to staff."""

import tomllib

from django.test import Client

from accounts.models import User
from reveweb.version import VERSION
from tests import ROOT


def test_there_is_one_version() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_the_health_check_names_it(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "version": VERSION}


def test_only_staff_see_it_in_the_footer(client: Client, alice: User, sam: User) -> None:
    sentence = f"<p>Version {VERSION}</p>"
    assert sentence not in client.get("/pricing/").content.decode()
    client.force_login(alice)
    assert sentence not in client.get("/pricing/").content.decode()
    client.force_login(sam)
    assert client.get("/pricing/").content.decode().count(sentence) == 1
