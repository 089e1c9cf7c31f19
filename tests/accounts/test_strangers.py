"""What strangers have written into the table of sessions: little, for a day, and only so often from one network."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import User
from generator.ask import drafts
from generator.models import PROMPT_MAX_LENGTH
from reveweb.login import strangers
from tests.conftest import PASSWORD

OPTIONS = "/accounts/2fa/webauthn/login/"


@pytest.fixture
def few(settings: Any) -> None:
    """A network whose strangers may begin three sessions a day."""
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "session": "3/d/ip"}


def ask_for_a_passkey(client: Client, network: str = "192.0.2.1") -> Any:
    return client.get(OPTIONS, headers={"Accept": "application/json"}, REMOTE_ADDR=network)


def test_a_network_has_only_so_many_rows_written(few: None, db: None) -> None:
    answers = [ask_for_a_passkey(Client()) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert ["sessionid" in answer.cookies for answer in answers] == [True] * 3 + [False] * 2
    assert Session.objects.count() == 3


def test_neighbours_in_one_ipv6_network_are_counted_together(few: None, db: None) -> None:
    for number in range(5):
        ask_for_a_passkey(Client(), f"2001:db8:1:2::{number}")
    assert Session.objects.count() == 3
    ask_for_a_passkey(Client(), "2001:db8:1:3::1")
    assert Session.objects.count() == 4


def test_who_has_one_goes_on_with_it(few: None, client: Client, db: None) -> None:
    for _ in range(5):
        ask_for_a_passkey(client)
    assert Session.objects.count() == 1


def test_a_password_logs_in_where_no_stranger_is_remembered_any_more(few: None, alice: User) -> None:
    for _ in range(4):
        ask_for_a_passkey(Client())
    client = Client()
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD}, REMOTE_ADDR="192.0.2.1")
    assert client.get("/account/").status_code == 200


def test_a_row_of_a_strangers_is_bounded(client: Client, db: None) -> None:
    session = strangers.SessionStore()
    session["small"] = "kept"
    session["large"] = "".join(chr(0x4E00 + number * number * 7919 % 20_000) for number in range(30_000))
    session.save()
    row = Session.objects.get()
    assert len(row.session_data) <= strangers.MOST_BYTES
    assert row.get_decoded() == {"small": "kept"}


@pytest.mark.parametrize("first", [0x41, 0x4E00, 0x1F300])
def test_words_as_long_as_an_image_takes_them_wait_for_who_signs_up(first: int, db: None) -> None:
    text = "".join(chr(first + number * 7919 % 500) for number in range(PROMPT_MAX_LENGTH))
    session = strangers.SessionStore()
    drafts.keep(session, {"prompt": text, "negative_prompt": text[::-1]})
    session.save()
    again = strangers.SessionStore(session.session_key)
    assert drafts.take(again) == {"prompt": text, "negative_prompt": text[::-1]}


def test_a_strangers_row_lives_for_a_day_and_longer_once_they_log_in(client: Client, alice: User) -> None:
    ask_for_a_passkey(client)
    assert Session.objects.get().expire_date < timezone.now() + timedelta(days=1, minutes=1)
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert Session.objects.get().expire_date > timezone.now() + timedelta(days=13)
