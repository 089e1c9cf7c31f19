"""`tools.reload`, which `make dev` runs the worker and the sandbox under."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.environment import stop

# Writes its own process id and its child's, and leaves neither by itself.
PROGRAM = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("started", "a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(600)
"""


def wait_until(check: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Tell whether a process has not ended; one that nobody has collected yet counts as ended."""
    listing = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout
    return listing.strip()[:1] not in ("", "Z")


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "code").mkdir()
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "tools.reload", "code", "--", sys.executable, "program.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    yield process
    stop(process)


def starts(folder: Path) -> list[list[int]]:
    log = folder / "started"
    return [[int(pid) for pid in line.split()] for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_change_starts_it_anew_and_the_end_leaves_no_process(
    watcher: subprocess.Popen[bytes], tmp_path: Path, end: signal.Signals
) -> None:
    wait_until(lambda: len(starts(tmp_path)) == 1)
    while len(starts(tmp_path)) == 1:  # the first change may come before it watches
        (tmp_path / "code" / "view.py").write_text(f"changed = {time.monotonic()}\n")
        time.sleep(0.5)
    assert [is_running(pid) for pid in starts(tmp_path)[0]] == [False, False]
    watcher.send_signal(end)
    assert watcher.wait(10) == 0
    assert not any(is_running(pid) for pids in starts(tmp_path) for pid in pids)
