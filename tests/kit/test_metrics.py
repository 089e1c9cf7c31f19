"""What processes counted that were killed: kept in the sums, and not in files of each."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from kit import metrics
from tests import ROOT

COUNTS = """
import sys
from pathlib import Path
from django.conf import settings
settings.configure(METRICS_TOKEN="x", METRICS_PORT=0, VAR_DIR=sys.argv[1])
from kit import metrics
metrics.prepare(metrics.folder())
counter = metrics.Counter("test_counted_total", "Counted.", "kind")
counter.add(kind="a")
metrics.Histogram("test_took_seconds", "Took.").add(0.2)
print("counted", flush=True)
sys.stdin.read()
"""


def counts(folder: Path) -> subprocess.Popen[str]:
    """Start a process that counts once, and lives until it is killed."""
    command = [sys.executable, "-c", COUNTS, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_twenty_killed_processes_leave_their_sums_and_no_files(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics.folder())
    lives = counts(tmp_path)
    try:
        for number in range(1, 21):
            kill(counts(tmp_path))
            samples = {sample.name: sample.value for family in metrics.counted() for sample in family.samples}
            assert samples["test_counted_total"] == number + 1
            assert samples["test_took_seconds_count"] == number + 1
            files = sorted(file.name for file in metrics.folder().glob("*.db"))
            assert len([name for name in files if re.search(r"\d", name)]) <= 4, files  # of the living, and of the last
            assert len(files) <= 6
    finally:
        kill(lives)
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    kill(counts(tmp_path))  # all had ended: sums begin anew
    assert len(list(metrics.folder().glob("*.db"))) == 2
