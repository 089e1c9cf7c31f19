"""Threads are never more than connections, whatever an operator sets."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kit.threads import one_at_a_time
from reveweb import celery as celery_module
from reveweb.checks import check_capacity
from tests import ROOT

NUMBERS = """
import json, django
from django.conf import settings
django.setup()
from reveweb.checks import check_capacity
names = ("API_CONNECTIONS", "ORM_CONNECTIONS", "DATABASE_THREADS", "TASK_THREADS", "CELERY_WORKER_CONCURRENCY")
print(json.dumps([[getattr(settings, name) for name in names], [str(error) for error in check_capacity()]]))
"""


@pytest.mark.parametrize(
    ("pool", "wished", "numbers"),
    [("2", "16", [1, 1, 1, 1, 1]), ("3", "1", [1, 2, 1, 1, 1]), ("16", "500", [5, 11, 5, 6, 6])],
)
def test_all_is_counted_from_one_number(pool: str, wished: str, numbers: list[int], tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_POOL_SIZE": pool,
        "WORKER_THREADS": wished,
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
        "DJANGO_SETTINGS_MODULE": "reveweb.settings",
        "VAR_DIR": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", NUMBERS], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout) == [numbers, []]


@pytest.mark.parametrize("name", ["API_CONNECTIONS", "TASK_THREADS", "DATABASE_THREADS", "CELERY_WORKER_CONCURRENCY"])
def test_whoever_sets_more_by_hand_is_told_at_start(name: str, settings: Any) -> None:
    assert check_capacity() == []
    setattr(settings, name, 100)
    assert [error.id for error in check_capacity()] == ["reveweb.E001"]


def test_an_option_of_celerys_makes_no_more_threads_either(settings: Any) -> None:
    class Worker:
        concurrency = 100

    celery_module.keep_to_the_connections(sender=Worker)
    assert Worker.concurrency == settings.TASK_THREADS


def test_what_a_clock_asks_for_takes_one_thread() -> None:
    begun, released, done = threading.Event(), threading.Event(), []

    @one_at_a_time
    def slow() -> None:
        begun.set()
        released.wait(100)
        done.append(1)

    first = threading.Thread(target=slow)
    first.start()
    begun.wait(100)
    slow()
    assert done == []
    released.set()
    first.join()
    slow()
    assert len(done) == 2
