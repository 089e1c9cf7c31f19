"""What asks for somebody: each by its own name, for as long as it lasts, whichever process looks."""

import shutil
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from billing.models import OutgoingMail
from generator.models import Upstream
from generator.upstreams import health
from generator.upstreams.errors import Busy, NotAccepted
from reveweb.doctor.checks import processes
from reveweb.observe import metrics
from reveweb.watch import alerts, troubles
from reveweb.watch.models import Alert
from reveweb.watch.troubles import Severity
from tests.watch.test_alerts import later

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

AWAY = NotAccepted("no connection")


@pytest.fixture
def first() -> Upstream:
    return Upstream.objects.get()


@pytest.fixture
def second(first: Upstream) -> Upstream:
    return Upstream.objects.create(slug="second", name="Second", dialect=first.dialect, base_url=first.base_url)


def fail(upstream: Upstream, times: int = health.FAILURES, error: NotAccepted = AWAY) -> None:
    for _ in range(times):
        health.failed(upstream.pk, error)
    health._aside.flush()


def seen() -> dict[str, Severity]:
    """Return what another process sees of upstreams, one that has sent nothing."""
    health._aside.flush()
    health.forget()
    return {trouble.name: trouble.severity for trouble in troubles.drawing()}


def let_pass(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses of circuits end."""
    now = time.time() + seconds
    monkeypatch.setattr("generator.upstreams.health.time.time", lambda: now)


def test_one_upstream_that_is_down_is_named_however_well_another_answers(first: Upstream, second: Upstream) -> None:
    fail(first, health.FAILURES - 1)
    assert seen() == {}
    fail(first, 1)
    health.answered(second.pk)
    assert seen() == {"down:reve": Severity.ALARM}


def test_it_is_down_until_it_answers_though_nobody_asks(first: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(first)
    let_pass(3600, monkeypatch)
    assert seen() == {"down:reve": Severity.ALARM}
    assert health.state_of(first.pk) is health.State.HALF_OPEN
    assert 0 < health.KEPT_SECONDS < int(str(health._client().ttl(health._key(first.pk))))  # longer than a quiet day
    assert dict(metrics._upstreams())["reveweb_upstream_up"] == [(("reve",), 0.0)]
    health.refresh([first.pk])
    health.answered(first.pk)
    assert seen() == {}
    assert dict(metrics._upstreams())["reveweb_upstream_up"] == [(("reve",), 1.0)]


def test_it_is_told_once_and_over_when_it_answers(first: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(first)
    for pause in (5, 70, 3600):
        let_pass(pause, monkeypatch)
        seen()
        alerts.look(list(troubles.drawing()))
        later(61)
    [alert] = Alert.objects.all()
    assert (alert.name, alert.told_at is None, alert.ended_at) == ("down:reve", False, None)
    health.answered(first.pk)
    seen()
    alerts.look(list(troubles.drawing()))
    [alert] = Alert.objects.all()
    assert alert.ended_at


def test_one_that_is_busy_now_and_then_is_not_down_and_one_that_says_nothing_else_is(
    first: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(first, error=Busy("429", 5.0))
    assert seen() == {"failing:reve": Severity.WARNING}
    for pause in (60, 120, 180):
        let_pass(pause, monkeypatch)
        health.refresh([first.pk])
        fail(first, 1, Busy("503", 5.0))
    assert seen() == {"down:reve": Severity.ALARM}


def test_one_that_staff_took_out_is_nobodys_news(first: Upstream) -> None:
    fail(first)
    Upstream.objects.update(is_active=False)
    assert seen() == {}


def test_mails_ask_for_somebody_while_they_can_be_mended() -> None:
    given_up: dict[str, Any] = {"to": "a@example.com", "template": "x", "attempts": 8, "failed_at": timezone.now()}
    lately = OutgoingMail.objects.create(reference="1", last_error="TimeoutError: timed out", **given_up)
    given_up |= {"attempts": 1, "last_error": "SMTPRecipientsRefused: {}"}
    OutgoingMail.objects.create(reference="2", **given_up)
    assert [trouble.words for trouble in troubles.mails()] == ["1 mail of the last 7 days could not be sent"]
    assert [finding.name for finding in processes.mails()] == ["mails-given-up"]
    OutgoingMail.objects.filter(pk=lately.pk).update(failed_at=timezone.now() - timedelta(days=8))
    assert [*troubles.mails(), *processes.mails()] == []


def test_a_second_full_machine_is_a_trouble_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**12, free=10**6))
    found: list[Any] = []
    for node in ("one", "two"):
        monkeypatch.setattr("platform.node", lambda node=node: node)
        found += [trouble.name for trouble in troubles.files()]
    assert found == ["disk:one", "disk:two"]
