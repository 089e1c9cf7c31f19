"""What `make test` says at its end, which is what a service that cuts long output shows for certain."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT, lanes

FAILS = "def test_it(): assert [] == [1], 'first\\nsecond'\n"


def test_why_a_test_failed_is_in_the_report(tmp_path: Path) -> None:
    """In a process of its own, as a lane starts it."""
    (tmp_path / "test_it.py").write_text(FAILS)
    report = tmp_path / "report.json"
    options = ["-q", "-p", "tests.environment", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=ROOT,
        env={**environment, "TEST_REPORT": str(report)},
        capture_output=True,
        check=False,
    )
    [(name, reason)] = json.loads(report.read_text())["failed"].items()
    assert name.endswith("test_it.py::test_it")
    assert [line.strip() for line in reason.splitlines()[:2]] == ["AssertionError: first", "second"]


def test_the_summary_ends_with_why_in_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    failed = {"tests/a.py::test_it": "\n".join([*map(str, range(40)), "x" * 5000])}
    check = lanes.Check("tests", ["pytest"], again="make t ON=postgres", passed=False, tests={"failed": failed})
    lanes._sum_up([check], 1.0)
    said = capsys.readouterr().out.partition("FAILED: tests\n")[2].splitlines()
    assert said[:3] == ["  tests/a.py::test_it", "    | 0", "    | 1"]
    assert len(said) == 1 + lanes.REASON_LINES + 1
    assert said[-1] == '  again: make t ON=postgres T="tests/a.py::test_it"'
