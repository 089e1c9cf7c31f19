"""Workers and the scheduler end when they are told to, whatever hangs: in time, well, and sooner when told twice."""

import contextlib
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from billing.models import OutgoingMail, Wallet
from generator.models import Generation
from reveweb.run.ending import STOPPED_SECONDS
from tests.processes import running

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

SLACK_SECONDS = 25.0  # of a busy machine; what hangs would be waited for longer


@contextlib.contextmanager
def silent() -> Iterator[socket.socket]:
    """A server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        yield listening


def wait_for_call(listening: socket.socket) -> None:
    assert select.select([listening], [], [], 60)[0], "nobody called"


def end(process: subprocess.Popen[bytes], *, again: bool = False) -> float:
    """Tell a process to end, and return how long that took."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    if again:
        time.sleep(0.5)
        assert process.poll() is None, "it had nothing to wait for"
        process.send_signal(signal.SIGTERM)
    assert process.wait(100) == 0
    return time.monotonic() - began


@pytest.mark.parametrize(("drain", "again", "most"), [("4", False, 4.0), ("80", True, 0.5 + STOPPED_SECONDS)])
def test_a_worker_whose_upstream_hangs_ends_in_time(
    wallet: Wallet, tmp_path: Path, drain: str, again: bool, most: float
) -> None:
    deadline = timezone.now() + timedelta(minutes=10)
    Generation.objects.bulk_create([Generation(wallet=wallet, prompt="x", deadline_at=deadline) for _ in range(300)])
    connection.close()
    with (
        silent() as upstream,
        running(
            "work",
            folder=tmp_path,
            REVE_API_URL=f"http://127.0.0.1:{upstream.getsockname()[1]}",
            UPSTREAM_TIMEOUT_SECONDS="120",
            WORKER_DRAIN_SECONDS=drain,
        ) as process,
    ):
        wait_for_call(upstream)
        assert end(process, again=again) < most + SLACK_SECONDS
    said = (tmp_path / "work.log").read_text()
    assert "cannot schedule" not in said
    assert "Traceback" not in said
    assert not Generation.objects.filter(status=Generation.Status.FAILED).exists()


def test_a_worker_whose_task_hangs_ends_in_time(alice: User, tmp_path: Path) -> None:
    OutgoingMail.objects.create(to=alice.email, template="account_deleted", reference="test:1", context={})
    connection.close()
    with (
        silent() as post,
        running(
            "work",
            "--rest",
            folder=tmp_path,
            EMAIL_URL=f"smtp://127.0.0.1:{post.getsockname()[1]}?timeout=120",
            WORKER_DRAIN_SECONDS="2",
        ) as process,
    ):
        with running("schedule", folder=tmp_path) as scheduler:
            wait_for_call(post)
            assert end(scheduler) < SLACK_SECONDS
        assert end(process) < 2 + SLACK_SECONDS
    assert OutgoingMail.objects.filter(sent_at=None, failed_at=None).exists()
