"""`manage.py upstreams`: the admin's table for a terminal and for programs."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from billing.models import AuditRecord
from generator.checks import check_keys
from generator.jobs import trial
from generator.models import Upstream, UpstreamTrouble
from generator.upstreams import secret

KEY = "rv-live-Zk39dkQp20sdkLLpq8"
pytestmark = pytest.mark.django_db(transaction=True)


def upstreams(*arguments: str) -> tuple[int, str]:
    """Run the command and return its exit status and what it printed."""
    out = StringIO()
    try:
        call_command("upstreams", *arguments, stdout=out, stderr=StringIO())
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_it_prints_a_line_for_each() -> None:
    Upstream.objects.create(slug="spare", name="Spare", dialect="reve_art", secret=secret.seal(KEY), priority=200)
    status, text = upstreams()
    head, first, second = text.splitlines()
    assert status == 0
    assert head.startswith("UPSTREAM  STATE")
    assert first.split()[:2] == ["reve", "Draws"]
    assert second.split()[:2] == ["spare", "Draws"]
    assert KEY not in text


def test_programs_read_json_and_the_status() -> None:
    UpstreamTrouble.objects.create(upstream="reve", kind="out_of_funds")
    status, text = upstreams("--json")
    [line] = json.loads(text)
    assert status == 1
    assert (line["slug"], line["draws"], line["level"], line["in_flight"]) == ("reve", False, "bad", 0)
    assert line["state"] == "Our funds there are gone"


def test_it_takes_out_and_puts_back_on_record() -> None:
    status, text = upstreams("--take-out", "reve")
    assert (status, Upstream.objects.get().is_active) == (0, False)  # which was wanted
    assert "Taken out" in text
    status, text = upstreams("--put-back", "reve")
    assert (status, Upstream.objects.get().is_active) == (0, True)
    assert [each.actor for each in AuditRecord.objects.all()] == [None, None]
    with pytest.raises(CommandError, match="There are: reve"):
        upstreams("--take-out", "other")


def test_it_tests_and_says_how_that_went(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = trial.Outcome(False, "Your key is not known.", 0.2, status=401)
    monkeypatch.setattr(trial, "run", lambda upstream, what: outcome)
    assert upstreams("--test", "reve") == (1, "reve: HTTP 401: Your key is not known. (0.2 s)\n")
    monkeypatch.setattr(trial, "run", lambda upstream, what: trial.Outcome(True, "It drew this picture.", 1.0))
    status, text = upstreams("--test", "reve", "--json")
    assert (status, json.loads(text)["good"]) == (0, True)
    assert AuditRecord.objects.filter(action="Tested an upstream").count() == 2


def test_keys_are_sealed_anew_and_what_nothing_opens_is_said() -> None:
    with override_settings(SECRET_KEY="a" * 50, SECRET_KEY_FALLBACKS=[]):
        old = Upstream.objects.create(slug="old", name="Old", dialect="reve_art", secret=secret.seal(KEY))
    with override_settings(SECRET_KEY="b" * 50, SECRET_KEY_FALLBACKS=["a" * 50]):
        assert [each.id for each in check_keys(databases=["default"])] == ["generator.W002"]
        assert upstreams("--reseal")[0] == 0
        old.refresh_from_db()
        assert secret.is_newest(old.secret)
        assert check_keys(databases=["default"]) == []
    assert secret.seal(KEY) not in str(AuditRecord.objects.get().after)
    with override_settings(SECRET_KEY="c" * 50, SECRET_KEY_FALLBACKS=[]):
        status, text = upstreams("--reseal")
        assert status == 1
        assert "old: Its key was sealed under a SECRET_KEY" in text
        assert [each.id for each in check_keys(databases=["default"])] == ["generator.W001"]
        old.refresh_from_db()
    with override_settings(SECRET_KEY="b" * 50, SECRET_KEY_FALLBACKS=[]):
        assert secret.reveal(old.secret) == KEY  # nothing was lost


def test_nothing_is_checked_without_a_database(django_db_blocker: Any) -> None:
    with django_db_blocker.block():
        assert check_keys(databases=None) == []
