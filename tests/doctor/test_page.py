"""The doctor's page: it looks in the background, once however many ask, and shows cause and cure, worst first."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import User
from reveweb.doctor import kept, table
from reveweb.doctor.findings import Check, Finding, fault, note, warning

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A table of three checks, the last of which ends when it may; and how often they were made."""
    may_end, count = threading.Event(), {"begun": 0}

    def waits() -> Iterator[Finding]:
        count["begun"] += 1
        may_end.wait(120)
        yield fault("disk-full", "/var has no room: <b>", "Make some.")

    checks = {
        "mail": (
            Check("mail", lambda: [note("mail-later", "It is busy.")], ""),
            Check("mails", list, "whether mails wait"),
        ),
        "machine": (
            Check("folder", lambda: [warning("folder-open", "Others may read it.", "chmod 700")], ""),
            Check("disk", waits, "", seconds=150),
        ),
    }
    monkeypatch.setattr(table, "CHECKS", checks)
    monkeypatch.setattr(kept, "LEASE_SECONDS", 200)  # longer than that check may take
    cache.clear()
    yield {"may_end": may_end, "count": count}
    may_end.set()
    ended()


def ended() -> kept.Examination:
    """Wait until nobody looks any more."""
    for _ in range(6000):
        known = kept.latest()
        if known and not known.is_running and cache.get(kept._LOCK) is None:
            return known
        time.sleep(0.01)
    raise AssertionError("it does not end")


@pytest.fixture
def boss(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


URL = "/admin/accounts/user/doctor/"


def test_a_first_look_begins_by_itself_and_shows_how_far_it_is(boss: Client, looked: dict[str, Any]) -> None:
    assert reverse("admin:doctor") == URL
    began = time.monotonic()
    page = boss.get(URL).content.decode()
    assert time.monotonic() - began < 30
    assert "of 4 checks" in page
    assert 'hx-trigger="every' in page
    looked["may_end"].set()
    ended()
    part = boss.get(URL, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "hx-get" not in part  # nothing is asked for any more
    assert "4 checks: 1 fault, 1 warning, 1 note." in part


def test_the_worst_comes_first_each_with_its_cause_and_cure(boss: Client, looked: dict[str, Any]) -> None:
    looked["may_end"].set()
    kept.begin()
    ended()
    page = boss.get(URL).content.decode()
    order = [
        page.index(word)
        for word in ("disk-full", "/var has no room: &lt;b&gt;", "Make some.", "folder-open", "mail-later")
    ]
    assert order == sorted(order)
    assert "whether mails wait" in page


def test_it_looks_once_however_many_ask(looked: dict[str, Any]) -> None:
    begun: list[bool] = []
    threads = [threading.Thread(target=lambda: begun.append(kept.begin())) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun.count(True) == 1
    looked["may_end"].set()
    ended()
    assert looked["count"] == {"begun": 1}


def test_a_press_looks_again_and_the_last_result_has_its_time(boss: Client, looked: dict[str, Any]) -> None:
    looked["may_end"].set()
    kept.begin()
    first = ended().at
    answer = boss.post(URL)
    assert (answer.status_code, answer["Location"]) == (302, URL)
    assert ended().at > first
    assert looked["count"] == {"begun": 2}


def test_it_is_for_whoever_runs_the_machinery(client: Client, alice: User, looked: dict[str, Any]) -> None:
    looked["may_end"].set()
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    client.force_login(alice)
    assert client.get(URL).status_code == 403
    assert client.post(URL).status_code == 403
    assert looked["count"] == {"begun": 0}
    kept.begin()  # so that the fixture finds an end
