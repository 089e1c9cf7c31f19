"""`manage.py doctor`: its output for people and scripts, its exit status, and what hangs."""

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from reveweb.doctor import hidden, running, table, telling
from reveweb.doctor.findings import Check, Examined, Finding, Level, fault, note, warning
from tests import ROOT
from tests.doctor import planted_here, planted_there  # noqa: F401 (they put their faults into the table)
from tests.doctor.planting import FAULTS, Site


def examined(*findings: Finding) -> list[Examined]:
    return [Examined("machine", "disk", "whether there is room", findings, 0.1)]


@pytest.mark.parametrize(
    ("found", "status", "strict"),
    [
        ([], 0, 0),
        ([note("disk", "x")], 0, 0),
        ([warning("disk-low", "x", "y")], 0, 1),
        ([fault("disk-full", "x", "y"), warning("disk-low", "x", "y")], 1, 1),
    ],
)
def test_the_exit_status_is_that_of_the_worst(found: list[Finding], status: int, strict: int) -> None:
    assert telling.status(examined(*found)) == status
    assert telling.status(examined(*found), strict=True) == strict


def test_what_hangs_costs_its_limit_and_holds_up_nothing() -> None:
    over = threading.Event()

    def hangs() -> Iterator[Finding]:
        over.wait(120)
        yield note("hangs", "never")

    quick = [Check(f"quick-{number}", list, "") for number in range(20)]
    checks = [Check("hangs", hangs, "", seconds=0.3), *quick, Check("hangs-too", hangs, "", seconds=0.3)]
    began = time.monotonic()
    told: list[str] = []
    found = running.examine([("machine", check) for check in checks], lambda each: told.append(each.check))
    assert time.monotonic() - began < 30
    over.set()
    assert [each.check for each in found] == [check.name for check in checks]
    assert [finding.name for each in found for finding in each.findings] == ["hangs-hangs", "hangs-too-hangs"]
    assert sorted(told) == sorted(check.name for check in checks)
    assert found[0].level is Level.FAULT


def test_at_most_so_many_look_at_once() -> None:
    begun, at_work, most, lock = [0], [0], [0], threading.Lock()
    second = threading.Event()

    def look() -> list[Finding]:
        with lock:
            begun[0] += 1
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
            is_first = begun[0] == 1
        if is_first:
            second.wait(60)  # it is still there when the next one comes
        second.set()
        time.sleep(0.01)
        with lock:
            at_work[0] -= 1
        return []

    running.examine([("machine", Check(str(number), look, "", seconds=100)) for number in range(50)])
    assert 1 < most[0] <= running.AT_ONCE


def test_a_check_that_breaks_is_a_finding() -> None:
    def breaks() -> list[Finding]:
        raise ValueError("a bug")

    [found] = running.examine([("machine", Check("disk", breaks, ""))])
    assert [(each.name, each.level) for each in found.findings] == [("disk-failed", Level.FAULT)]
    assert "ValueError: a bug" in found.findings[0].cause


def test_json_has_each_finding_and_counts(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.SECRET_KEY_FALLBACKS = ["an-earlier-secret-key-of-fifty-characters-or-more"]
    call_command("doctor", only=["secret-key", "disk"], json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"ok": 1, "note": 1, "warning": 0, "fault": 0}
    assert [set(each) for each in told["findings"]] == [{"concern", "check", "name", "level", "cause", "cure"}] * 2
    assert (told["findings"][0]["name"], told["findings"][0]["level"]) == ("secret-key-former", "note")


def test_quiet_says_only_what_is_not_well(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("doctor", only=["disk"], quiet=True)
    assert capsys.readouterr().out == ""
    site.settings.STATIC_ROOT = site.folder
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", only=["machine"], quiet=True)
    assert ended.value.code == 1
    told = capsys.readouterr().out
    assert "fault   static-missing: " in told
    assert "→ Run manage.py collectstatic" in told
    assert "open-files" not in told


def test_only_a_terminal_sees_colours() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plain, terminal = io.StringIO(), Terminal()
    for out in (plain, terminal):
        telling.tell(examined(fault("disk-full", "No room.", "Make some.")), out)
    assert "\033" not in plain.getvalue()
    assert "\033[31mfault\033[0m" in terminal.getvalue()


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(CommandError, match=r"no check 'disc': disk\?") as refused:
        call_command("doctor", only=["disc"])
    assert refused.value.returncode == 2


def test_the_list_names_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("doctor", list=True)
    assert len(capsys.readouterr().out.splitlines()) == sum(map(len, table.CHECKS.values()))


def test_no_secret_comes_through(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SECRET_KEY = "the-secret-of-all-secrets"
    settings.S3_SECRET_KEY = "aws/secret+key"
    settings.STRIPE_WEBHOOK_SECRET = "whsec_nobodys"
    settings.REDIS_URL = "redis://:redis-password@localhost:1/0"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "database-password")
    said = (
        "the-secret-of-all-secrets aws/secret+key aws%2Fsecret%2Bkey whsec_nobodys redis-password database-password "
        "amqp://guest:other@host"
    )
    assert hidden.clean(said) == "… … … … … … amqp://guest:…@host"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_settings_that_cannot_be_read_are_a_finding(options: list[str]) -> None:
    environment = {**os.environ, "STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "my-own-secret"}
    command = [sys.executable, "manage.py", "doctor", *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "settings-unreadable" in done.stdout
    assert "STRIPE_WEBHOOK_SECRET must be a key that begins with whsec_" in done.stdout
    assert "docs/configuration.md" in done.stdout
    assert "my-own-secret" not in done.stdout


def test_the_docs_have_each_check_and_what_it_may_find() -> None:
    section = (ROOT / "docs" / "operating.md").read_text().partition("## The doctor")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if "| `" in line]
    told = {name.strip("` "): (asks, set(re.findall(r"`([\w.-]+)`", names))) for name, asks, names in rows}
    planted = {check: {fault.name for fault in FAULTS if fault.check == check} for check in told}
    assert told == {each.name: (each.asks, planted[each.name]) for checks in table.CHECKS.values() for each in checks}
