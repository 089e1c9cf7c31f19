"""A process on a leash ends with whoever started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit import leash
from tests import ROOT
from tests.installation import wait_until

# A supervisor that starts one child and tells its number.
SUPERVISOR = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def supervise(*command: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl and /proc")
def test_what_a_killed_supervisor_started_ends_at_once() -> None:
    supervisor, child = supervise(sys.executable, "-m", "kit.leash", "sleep", "60")
    wait_until(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0])
    with supervisor:
        supervisor.kill()
    wait_until(lambda: not is_running(child), 30)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl and /proc")
def test_a_signal_still_ends_what_is_on_a_leash() -> None:
    supervisor, child = supervise(sys.executable, "-m", "kit.leash", "sleep", "60")
    wait_until(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0])
    os.kill(child, signal.SIGTERM)
    with supervisor:
        assert supervisor.wait(30) == 0


def test_where_the_system_does_not_see_to_it_somebody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leash, "POLL_SECONDS", 0.01)
    gone = subprocess.Popen(["true"])
    gone.wait()
    with subprocess.Popen(["sleep", "60"]) as child:
        leash._watch(gone.pid, child.pid)
        assert child.wait(30) == -signal.SIGKILL
    leash._watch(os.getpid(), child.pid)  # whose process has ended returns
