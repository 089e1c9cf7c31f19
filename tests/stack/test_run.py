"""`make run` itself: starting, starting again, refusing, stopping."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.environment import ROOT, free_port
from tests.installation import Stack, wait_until

pytestmark = pytest.mark.stack


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "run"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)


def is_running(pid: int) -> bool:
    """Tell whether a process is there and has not ended; one that nobody has collected yet counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_second_start_changes_nothing_and_a_stop_leaves_no_process(tmp_path: Path) -> None:
    stack = Stack(tmp_path, SANDBOX_SECONDS="0")
    stack.start()
    greeting = stack.output
    pids = [pid for needle in ("celery", "granian", "sandbox", "valkey-server") for pid in stack.pids(needle)]
    assert len(pids) >= 4
    stack.stop()
    wait_until(lambda: not any(is_running(pid) for pid in pids), 5)

    again = Stack(tmp_path, SANDBOX_SECONDS="0")
    again.environment["PORT"] = str(stack.port)
    again.start()
    again.stop()
    assert again.output == greeting


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = run({**Stack(tmp_path).environment, "PORT": str(port)})
    assert answer.returncode == 1
    assert answer.stderr.strip().count("\n") == 0
    assert f"Port {port} is taken" in answer.stderr


def test_two_do_not_share_one_folder(stack: Stack) -> None:
    answer = run({**stack.environment, "PORT": str(free_port())})
    assert answer.returncode == 1
    assert "is running from" in answer.stderr


def test_production_refuses_to_start_without_its_secret(tmp_path: Path) -> None:
    answer = run({**Stack(tmp_path).environment, "REVE_API_KEY": "live"})
    assert answer.returncode == 1
    assert "SECRET_KEY" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_only_what_is_not_provided_is_started(start_stack: Callable[..., Stack], stack: Stack) -> None:
    redis = (stack.folder / "ports.json").read_text()
    assert "valkey" in redis
    assert stack.pids("valkey-server")
    if "REDIS_URL" not in os.environ:
        pytest.fail("the test environment always names a server")
    other = start_stack(REDIS_URL=os.environ["REDIS_URL"])
    assert other.pids("valkey-server") == []
