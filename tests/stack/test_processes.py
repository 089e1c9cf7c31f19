"""Processes that die alone come back alone, and none outlives its supervisor."""

import os
import signal
from collections.abc import Callable

import httpx
import pytest

from tests.installation import Stack, wait_until
from tests.stack.test_run import is_running

pytestmark = pytest.mark.stack

OWN = ("valkey-server", "-m sandbox", "manage.py work", "manage.py schedule")


def test_whatever_is_killed_comes_back_and_nothing_outlives_the_supervisor(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack(SANDBOX_SECONDS="0.2", SANDBOX_PICTURES="plain")
    for needle in ("manage.py schedule", "manage.py work --rest", "valkey-server"):
        before = stack.pids(needle)
        assert len(before) == 1, needle
        stack.kill(needle)
        wait_until(lambda needle=needle, before=before: set(stack.pids(needle)) - set(before))  # type: ignore[misc]
    # The broker was killed while the workers were idle: whether Celery lived through that or not, they work again.
    wait_until(lambda: httpx.get(f"{stack.url}/readyz").status_code == 200)
    with stack.developer("phoenix@example.com") as api:
        assert api.post("/v1/reve-image/generate", json={"prompt": "a phoenix"}).status_code == 200

    pids, serving = [pid for needle in OWN for pid in stack.pids(needle)], stack.pids("granian")
    assert len(pids) == 5
    stack.process.kill()
    stack.stop()
    try:
        wait_until(lambda: not any(map(is_running, pids)), 5)
    finally:
        for pid in filter(is_running, serving):
            os.kill(pid, signal.SIGKILL)
