"""A worker whose loop hangs ends; one whose broker is away does not."""

import socket
import subprocess
import sys
import time

import pytest
from kombu.exceptions import OperationalError

from reveweb.celery import app
from reveweb.run import pulse, watchdog
from tests import ROOT
from tests.environment import free_port

WATCHED = """
import time
import django
django.setup()
from reveweb.run import watchdog
watchdog.SILENT_SECONDS, watchdog.LOOK_SECONDS = 0.5, 0.05
watchdog.Watchdog(None).start(None)
if "{way}" == "speaks":
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        watchdog.hear()
        time.sleep(0.05)
else:
    time.sleep(60)
"""


@pytest.mark.parametrize(("way", "status"), [("hangs", 1), ("speaks", 0)])
def test_a_process_whose_loop_says_nothing_ends(way: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.format(way=way)], cwd=ROOT, capture_output=True, text=True, timeout=40
    )
    assert done.returncode == status, done.stderr
    assert ("this process ends" in done.stderr) == (way == "hangs")
    assert ("Thread" in done.stderr) == (way == "hangs")  # where it hangs


def silent_for(seconds: float) -> None:
    watchdog._heard["at"] = time.monotonic() - seconds


def is_heard() -> bool:
    return time.monotonic() - watchdog._heard["at"] < 5


def test_the_loop_is_heard_while_it_takes_messages() -> None:
    silent_for(100)
    pulse._beat([])
    assert is_heard()


@pytest.mark.parametrize("away", ["refuses", "stalls"])
def test_the_loop_is_heard_while_it_tries_to_reach_the_broker(away: str) -> None:
    silent_for(100)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = free_port() if away == "refuses" else silent.getsockname()[1]
        began = time.monotonic()
        with app.connection_for_read(f"amqp://127.0.0.1:{port}//") as line, pytest.raises(OperationalError):
            line.ensure_connection(max_retries=1)
    assert is_heard()
    assert time.monotonic() - began < watchdog.SILENT_SECONDS


def test_nobody_but_the_loop_speaks_to_the_broker_on_its_connection() -> None:
    """A task's thread that asks for more messages would read what the loop waits for, and both would hang."""
    assert app.conf.worker_enable_prefetch_count_reduction is False
