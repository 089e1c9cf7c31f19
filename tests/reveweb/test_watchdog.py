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
import threading
import time
from types import SimpleNamespace
import django
django.setup()
from reveweb.run import watchdog

now, looks = [0.0], []  # a clock that goes as the loop says, for a busy machine may stop that for seconds


def clock():
    if threading.current_thread().name == "watchdog":
        looks.append(now[0])
    return now[0]


def be_looked_at():
    seen = len(looks)
    while len(looks) < seen + 2:  # one may have been under way
        time.sleep(0.01)


watchdog.time, watchdog.LOOK_SECONDS = SimpleNamespace(monotonic=clock), 0.01
watchdog.Watchdog(None).start(None)
be_looked_at()
if "{way}" == "speaks":
    for _ in range(5):
        now[0] += 0.9 * watchdog.SILENT_SECONDS
        be_looked_at()
        watchdog.hear()
else:
    now[0] += 1.1 * watchdog.SILENT_SECONDS
    time.sleep(100)
"""


@pytest.mark.parametrize(("way", "status"), [("hangs", 1), ("speaks", 0)])
def test_a_process_whose_loop_says_nothing_ends(way: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.format(way=way)], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == status, done.stderr
    assert ("this process ends" in done.stderr) == (way == "hangs")
    assert ("Thread" in done.stderr) == (way == "hangs")  # where it hangs


def silent_for(seconds: float) -> None:
    watchdog._heard["at"] = time.monotonic() - seconds


def is_heard() -> bool:
    return time.monotonic() - watchdog._heard["at"] < 50


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
