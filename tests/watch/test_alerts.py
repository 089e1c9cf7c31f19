"""Whoever runs the site is told of what alarms: once when it begins, once when it is over, whatever dies meanwhile."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import User
from billing.models import OutgoingMail
from reveweb.models import Alert, AlertCall
from reveweb.watch import alerts, troubles, watchman
from reveweb.watch.troubles import Severity, Trouble

pytestmark = pytest.mark.services

DISK = Trouble("disk", Severity.ALARM, "The disk is nearly full", "Make room.", "accounts.view_user")
AWAY = Trouble("upstream:reve", Severity.ALARM, "Reve draws nothing", "Mend it there.", "accounts.view_user")
HOOK = "https://hooks.example.com/x"


@pytest.fixture(autouse=True)
def _told(settings: Any, sam: User) -> None:
    settings.ALERT_EMAILS = ["ops@example.com"]
    settings.ALERT_WEBHOOK_URL = HOOK


def later(seconds: float) -> None:
    """Let time pass: what began, and what is gone, did so earlier."""
    for alert in Alert.objects.filter(ended_at=None):
        alert.began_at -= timedelta(seconds=seconds)
        alert.seen_at -= timedelta(seconds=seconds)
        alert.save()


def mails() -> list[str]:
    return list(OutgoingMail.objects.order_by("pk").values_list("template", flat=True))


def calls() -> list[str]:
    return list(AlertCall.objects.order_by("pk").values_list("kind", flat=True))


@pytest.mark.django_db
def test_it_is_told_once_when_it_lasts_and_once_when_it_is_over() -> None:
    alerts.look([DISK])
    assert (mails(), calls()) == ([], [])  # it may be over in a moment
    later(61)
    for _ in range(3):
        alerts.look([DISK])
    assert (mails(), calls()) == (["alert_began"], ["began"])
    alerts.look([])
    later(30)
    alerts.look([])
    assert calls() == ["began"]  # it may be back in a moment
    later(31)
    for _ in range(3):
        alerts.look([])
    assert (mails(), calls()) == (["alert_began", "alert_ended"], ["began", "ended"])
    [alert] = Alert.objects.all()
    assert alert.ended_at
    alerts.look([DISK])  # a new one
    assert Alert.objects.count() == 2


@pytest.mark.django_db
def test_what_is_over_before_it_was_told_is_nobodys_news() -> None:
    alerts.look([DISK])
    later(41)
    alerts.look([])
    assert not Alert.objects.exists()


@pytest.mark.django_db
def test_what_one_of_several_machines_sees_is_told_once_and_ends_with_it() -> None:
    """Workers look in turn, and the disk of one of them is full."""
    for _ in range(8):
        alerts.look([DISK])
        alerts.look([])
        later(15)
    assert (mails(), calls()) == (["alert_began"], ["began"])
    for _ in range(8):
        alerts.look([])
        later(15)
    assert (mails(), calls(), Alert.objects.count()) == (["alert_began", "alert_ended"], ["began", "ended"], 1)


@pytest.mark.django_db
def test_what_ended_long_ago_is_dropped_as_something_ends() -> None:
    long_ago = timezone.now() - alerts.KEPT - timedelta(days=1)
    Alert.objects.create(name="queue", words="Images wait", began_at=long_ago, told_at=long_ago, ended_at=long_ago)
    for found in ([DISK], [DISK], [], []):
        alerts.look(found)
        later(61)
    assert [alert.name for alert in Alert.objects.all()] == ["disk"]


@pytest.mark.django_db
def test_what_comes_and_goes_is_told_once() -> None:
    alerts.look([DISK])
    later(61)
    for _ in range(4):
        alerts.look([DISK])
        alerts.look([])
        later(20)
    assert (mails(), calls(), Alert.objects.count()) == (["alert_began"], ["began"], 1)


@pytest.mark.django_db
def test_only_what_alarms_is_told() -> None:
    mild = Trouble("disputes", Severity.WARNING, "A dispute is open", "Answer.", "billing.view_dispute")
    alerts.look([mild])
    assert not Alert.objects.exists()


@pytest.mark.django_db
def test_of_an_upstream_operators_are_mailed_already_and_the_webhook_hears() -> None:
    alerts.look([AWAY])
    later(61)
    alerts.look([AWAY])
    assert (mails(), calls()) == ([], ["began"])


@pytest.mark.django_db
def test_without_addresses_the_superusers_are_told(settings: Any, sam: User) -> None:
    settings.ALERT_EMAILS = []
    alerts.look([DISK])
    later(61)
    alerts.look([DISK])
    assert OutgoingMail.objects.get().to == sam.email


@pytest.mark.django_db(transaction=True)
def test_workers_that_look_at_once_tell_once() -> None:
    def look(found: list[Trouble]) -> None:
        alerts.look(found)
        connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        for found in ([DISK], [DISK], [], []):
            list(pool.map(look, [found] * 8))
            later(61)
    assert (mails(), sorted(calls())) == (["alert_began", "alert_ended"], ["began", "ended"])
    assert Alert.objects.count() == 1


class Receiver(BaseHTTPRequestHandler):
    taken: list[dict[str, Any]]
    status: int

    def do_POST(self) -> None:
        type(self).taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver(settings: Any) -> Iterator[type[Receiver]]:
    kind = type("Here", (Receiver,), {"taken": [], "status": 200})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield kind
    server.shutdown()
    server.server_close()


def tell() -> None:
    alerts.look([DISK])
    later(61)
    alerts.look([DISK])


@pytest.mark.django_db
def test_the_webhook_says_it_as_chats_and_programs_read_it(receiver: type[Receiver]) -> None:
    tell()
    assert alerts.send_due() == 1
    assert alerts.send_due() == 0
    [said] = receiver.taken
    assert said["text"] == said["content"] == "reveweb: The disk is nearly full. Make room."
    assert (said["alert"], said["status"], said["ended_at"]) == ("disk", "firing", None)
    alerts.look([])
    later(61)
    alerts.look([])
    alerts.send_due()
    assert receiver.taken[1]["text"] == "reveweb: over: The disk is nearly full"
    assert receiver.taken[1]["status"] == "resolved"


@pytest.mark.django_db
def test_a_webhook_that_is_away_is_tried_again_and_given_up_after_a_day(receiver: type[Receiver]) -> None:
    receiver.status = 503
    tell()
    alerts.send_due()
    call = AlertCall.objects.get()
    assert (call.sent_at, call.attempts, call.claim) == (None, 1, "")
    assert call.last_error == "HTTPError: answered 503"  # without the address, which opens a chat
    assert call.due_at > timezone.now()
    receiver.status = 200
    AlertCall.objects.update(due_at=timezone.now())
    alerts.send_due()
    assert AlertCall.objects.get().sent_at
    AlertCall.objects.update(sent_at=None, due_at=timezone.now())
    Alert.objects.update(told_at=timezone.now() - timedelta(hours=25))
    receiver.status = 500
    alerts.send_due()
    assert AlertCall.objects.get().failed_at


@pytest.mark.django_db
def test_a_worker_that_died_while_it_called_leaves_it_to_the_next(receiver: type[Receiver]) -> None:
    tell()
    AlertCall.objects.update(claim="dead", due_at=timezone.now() + alerts.LEASE)
    assert alerts.send_due() == 0
    AlertCall.objects.update(due_at=timezone.now())
    assert alerts.send_due() == 1


@pytest.mark.django_db
def test_the_watchman_survives_whatever_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> list[Trouble]:
        raise RuntimeError("away")

    monkeypatch.setattr(troubles, "current", breaks)
    watchman.once()


@pytest.mark.django_db
def test_mails_say_what_it_is_and_what_to_do(mailoutbox: list[Any]) -> None:
    tell()
    [message] = mailoutbox
    assert message.subject == "Alert: The disk is nearly full"
    assert "Make room." in message.body
