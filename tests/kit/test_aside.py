"""What is sent aside is put down in an instant, whatever becomes of where it goes."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from celery import current_app

from kit import broker, wakeups
from kit.aside import Aside
from tests.environment import free_port


class Receiver:
    """Notes what it is sent, batch by batch; it may be held up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.called = threading.Event()

    def send(self, batch: list[int]) -> None:
        self.called.set()
        assert self.free.wait(10)
        self.batches.append(batch)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def test_what_comes_while_it_sends_goes_together(receiver: Receiver) -> None:
    aside = Aside("test", receiver.send, most=100)
    receiver.free.clear()
    aside.put(0)
    assert receiver.called.wait(10)
    for number in range(1, 5):
        aside.put(number)
    receiver.free.set()
    assert aside.flush(10)
    assert receiver.batches == [[0], [1, 2, 3, 4]]


def test_no_more_is_kept_than_it_may_keep(receiver: Receiver) -> None:
    aside = Aside("test", receiver.send, most=3)
    receiver.free.clear()
    aside.put(0)
    assert receiver.called.wait(10)
    for number in range(1, 10):
        aside.put(number)
    receiver.free.set()
    assert aside.flush(10)
    assert list(chain(*receiver.batches)) == [0, 1, 2, 3]


def test_an_error_ends_nothing(unlogged: None) -> None:
    sent: list[int] = []

    def send(batch: list[int]) -> None:
        if 1 in batch:
            raise RuntimeError
        sent.extend(batch)

    aside = Aside("test", send, most=100)
    aside.put(1)
    assert aside.flush(10)
    aside.put(2)
    assert aside.flush(10)
    assert sent == [2]


def test_a_flush_of_what_hangs_comes_back(receiver: Receiver) -> None:
    aside = Aside("test", receiver.send, most=100)
    receiver.free.clear()
    aside.put(1)
    assert not aside.flush(0.05)
    receiver.free.set()
    assert aside.flush(10)


IN_A_CHILD = """
import os, sys
from kit.aside import Aside
aside = Aside("test", lambda batch: os.write(1, b"".join(batch)), most=10)
aside.put(b"parent ")
aside.flush(10)
if os.fork() == 0:
    aside.put(b"child ")
    os._exit(0 if aside.flush(60) else 1)
assert os.wait()[1] == 0
aside.put(b"end")  # and nothing waits for it: the process ends now
"""


def test_it_lives_on_in_a_forked_child_and_sends_what_is_left_when_a_process_ends() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_CHILD], capture_output=True, timeout=120, cwd=os.getcwd())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"parent child end", b"")


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("away", ["refuses", "stalls"])
def test_a_server_that_is_away_costs_whoever_publishes_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch, silent: int, away: str, unlogged: None
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port() if away == 'refuses' else silent}/0"
    monkeypatch.setattr(current_app.conf, "broker_url", settings.REDIS_URL)
    callers = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        callers.append(threading.current_thread())
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    began = time.monotonic()
    for _ in range(100):
        wakeups.publish("account:1")
    broker.tell("tests.nothing", 1)
    assert time.monotonic() - began < 30 * wakeups.ANSWER_SECONDS  # not the hundred that as many answers may take
    assert wakeups.flush(60)
    assert callers  # the server was called, and not by whoever publishes
    assert threading.current_thread() not in callers
