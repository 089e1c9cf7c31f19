"""Of hundreds of messages to receivers of which half fail none is lost, and none sent after it was taken.

The process that sends them is killed meanwhile. What the receivers have on record is held against the rows. With
STORM_MESSAGES=10000 in the environment it is thousands, for which it takes some minutes; STORM_SECONDS is how long a
receiver has, more where the machine is busy.
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from billing import ledger
from generator.models import Generation, WebhookDelivery, new_file_token, new_public_id
from tests import ROOT
from tests.installations import prepared
from tests.processes import database_url
from tests.webhooks.receivers import Receivers, receiving
from tests.webhooks.storm import KINDS, TAKEN_IN_THE_END, count, put_down

MESSAGES = int(os.environ.get("STORM_MESSAGES", "500"))
ACCOUNTS = 5 if MESSAGES <= 1000 else 20
KILL_EVERY = 3.0 if MESSAGES <= 1000 else 20.0
MOST_KILLS = 3 if MESSAGES <= 1000 else 6
MOST_SECONDS = 100 if MESSAGES <= 1000 else 900

pytestmark = [pytest.mark.services, pytest.mark.timeout(MOST_SECONDS + 60)]


@pytest.fixture
def everywhere() -> Iterator[Receivers]:
    """Receivers at every address of this machine, so that each kind has a host of its own."""
    with receiving("0.0.0.0") as running:
        yield running


@pytest.fixture
def own_database(transactional_db: None) -> Iterator[None]:
    """On SQLite a database of the storm's own: what is killed while it writes leaves this process's connections to that
    file of no use, and other tests have some open on other threads."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    name = connection.settings_dict["NAME"]
    with contextlib.closing(sqlite3.connect(f"{name}.storm")) as copy:
        connection.connection.backup(copy)
    prepared.lead_to(f"{name}.storm")
    try:
        yield
    finally:
        prepared.lead_to(name)


def courier() -> subprocess.Popen[bytes]:
    """Start a process that sends, on this test's database."""
    own = {**os.environ, "DATABASE_URL": database_url()}
    return subprocess.Popen([sys.executable, "-m", "tests.webhooks.storm", "send"], cwd=ROOT, env=own)


def drawn(number: int) -> list[Generation]:
    """Images of several accounts."""
    now, made = timezone.now(), []
    for account in range(ACCOUNTS):
        wallet = ledger.wallet_of(User.objects.create(email=f"storm-{account}@example.com").pk)
        made += [
            Generation(
                wallet=wallet,
                public_id=new_public_id(),
                file_token=new_file_token(),
                prompt="a storm",
                aspect_ratio="1:1",
                request_digest="0",
                deadline_at=now,
                finished_at=now,
                status=Generation.Status.COMPLETED,
                file_extension="png",
                width=1024,
                height=1024,
            )
            for _ in range(number // ACCOUNTS)
        ]
    return Generation.objects.bulk_create(made, batch_size=500)


def test_none_is_lost_and_none_sent_after_it_was_taken(own_database: None, everywhere: Receivers, capsys: Any) -> None:
    put_down(everywhere, drawn(MESSAGES))
    killed: list[float] = []
    began = time.monotonic()
    sender = courier()
    ends = ("pending", "held")
    next_kill = time.monotonic() + KILL_EVERY
    while WebhookDelivery.objects.filter(state__in=ends).exists():
        assert time.monotonic() - began < MOST_SECONDS, count(everywhere, killed)
        time.sleep(0.1)
        if time.monotonic() > next_kill and len(killed) < MOST_KILLS:
            killed.append(time.time())
            sender.kill()
            sender.wait()
            sender = courier()
            next_kill = time.monotonic() + KILL_EVERY
    seconds = time.monotonic() - began
    sender.send_signal(signal.SIGTERM)
    assert sender.wait(60) == 0
    found = count(everywhere, killed)
    with capsys.disabled():
        print(
            f"\n{MESSAGES} messages, {len(killed)} kills, {seconds:.1f} s, {found.calls} calls: {found.delivered}"
            f" delivered, {found.failed} failed, {found.repeated} came twice over a kill,"
            f" {found.unheard} after an answer that came too late; {dict(found.kinds)}"
        )
    assert killed
    assert found.lost == found.unfounded == found.after_success == []
    taken = sum(kind in TAKEN_IN_THE_END for kind in KINDS) * MESSAGES // len(KINDS)
    assert (found.delivered, found.failed) == (taken, MESSAGES - taken)
