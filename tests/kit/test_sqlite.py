"""Many write to SQLite at once, from several processes, and nobody is told that it is locked."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import User
from kit.sqlite3.turns import Turns
from tests import ROOT
from tests.installation import wait_until

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite")

WRITE = """
import json, sys, threading, time
from django.conf import settings
path, seconds = sys.argv[1], float(sys.argv[2])
options = {"transaction_mode": "IMMEDIATE", "timeout": 60, "init_command": "PRAGMA journal_mode=WAL"}
settings.configure(DATABASES={"default": {"ENGINE": sys.argv[3], "NAME": path, "OPTIONS": options}})
from django.db import OperationalError, connection, transaction
written, refused, waited = [], [], []

def write():
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("UPDATE counts SET count = count + 1")
                waited.append(time.monotonic() - began)
                time.sleep(0.001)
            with connection.cursor() as cursor:
                cursor.execute("UPDATE counts SET count = count + 1")
            written.append(2)
        except OperationalError as error:
            refused.append(str(error))
    connection.close()

with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS counts (count integer)")
    cursor.execute("INSERT INTO counts SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counts)")
threads = [threading.Thread(target=write) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps([sum(written), refused, max(waited)]))
"""


def hammered(path: Path, engine: str, seconds: float, processes: int = 3) -> list[Any]:
    command = [sys.executable, "-W", "ignore", "-c", WRITE, str(path), str(seconds), engine]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(processes)]
    return [json.loads(process.communicate(timeout=200)[0]) for process in running]


def test_of_thirty_six_who_only_write_none_waits_for_long(tmp_path: Path) -> None:
    """With Django's own backend some wait for all of these seconds: they found it locked each time they looked.

    How long a round of all takes is the machine's: here nobody waits for two, there some do for thirty and more.
    """
    seconds = 4
    answers = hammered(tmp_path / "db.sqlite3", "kit.sqlite3", seconds)
    assert [refused for _, refused, _ in answers] == [[]] * 3
    assert all(written > 0 for written, _, _ in answers)
    round_of_all = 36 * seconds / (sum(written for written, _, _ in answers) / 2)
    assert max(longest for _, _, longest in answers) < 8 * round_of_all


def test_turns_come_in_order_and_one_that_was_given_up_is_skipped() -> None:
    turns, order = Turns(), []
    assert turns.take(0)
    assert not turns.take(0.01)

    def wait(number: int) -> None:
        assert turns.take(10)
        order.append(number)
        turns.pass_on()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        wait_until(lambda number=number: len(turns._waiting) == number + 1)  # type: ignore[misc]
    turns.pass_on()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]
    assert turns.take(0)


def test_a_transaction_has_its_turn_until_it_ends_however_it_ends(alice: User) -> None:
    def elsewhere() -> list[str]:
        """What a thread of its own is told when it writes."""
        found: list[str] = []

        def write() -> None:
            connection.ensure_connection()
            connection._patience = 0.05  # type: ignore[attr-defined]
            try:
                User.objects.update(name="B")
            except OperationalError as error:
                found.append(str(error))
            connection.close()

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        return found

    with transaction.atomic():
        User.objects.update(name="A")
        assert elsewhere() == ["database is locked"]
    assert elsewhere() == []
    with transaction.atomic():
        User.objects.update(name="A")
        transaction.set_rollback(True)
    assert elsewhere() == []
    with pytest.raises(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE nothing SET x = 1")
    assert elsewhere() == []
    with connection.cursor() as cursor, pytest.raises(OperationalError):
        cursor.execute("UPDATE nothing SET x = 1")
    assert elsewhere() == []
    with transaction.atomic():
        connection.close()
    assert elsewhere() == []
