"""Processes that die alone come back alone, and none outlives its supervisor."""

import contextlib
import time
from collections.abc import Callable

import httpx
import pytest

from tests.installation import Stack, wait_until
from tests.stack.test_customer_life import Life
from tests.stack.test_first_image import sign_up
from tests.stack.test_run import is_running

pytestmark = pytest.mark.stack

OWN = ("valkey-server", "-m sandbox", "manage.py work", "manage.py schedule", "granian")


@pytest.fixture(scope="module")
def mortal(start_stack: Callable[..., Stack]) -> Stack:
    """An installation whose upstream may hang for nearly two minutes, and whose last test ends it."""
    return start_stack(SANDBOX_SECONDS="0.2", SANDBOX_PICTURES="plain", UPSTREAM_TIMEOUT_SECONDS="110")


def test_whatever_is_killed_alone_comes_back(mortal: Stack) -> None:
    for needle in ("manage.py schedule", "manage.py work --rest", "valkey-server"):
        before = mortal.pids(needle)
        assert len(before) == 1, needle
        mortal.kill(needle)
        wait_until(lambda needle=needle, before=before: set(mortal.pids(needle)) - set(before))  # type: ignore[misc]
    # The broker was killed while the workers were idle: whether Celery lived through that or not, they work again.
    wait_until(lambda: httpx.get(f"{mortal.url}/readyz", timeout=60).status_code == 200)
    with mortal.developer("phoenix@example.com") as api:
        assert api.post("/v1/reve-image/generate", json={"prompt": "a phoenix"}).status_code == 200


def test_a_payment_waits_for_no_upstream_that_hangs(mortal: Stack) -> None:
    with (
        mortal.developer("hangs@example.com", credits=100) as api,
        contextlib.closing(sign_up(mortal, "pays@example.com")) as browser,
    ):
        body = {"prompt": "a parcel on its way [sandbox:timeout-submit]", "async": True}
        for _ in range(100):
            assert api.post("/v1/reve-image/generate", json=body).status_code == 202
        wait_until(lambda: mortal.upstream()["generate_calls"] >= 20)
        began = time.monotonic()
        Life(mortal, browser).buy("pack", "pack-50")
        wait_until(lambda: mortal.balance("pays@example.com") == 53)
        assert time.monotonic() - began < 80  # some seconds on an idle machine; one thread for all is stuck for 110


def test_nothing_outlives_a_killed_supervisor(mortal: Stack) -> None:
    pids = [pid for needle in OWN for pid in mortal.pids(needle)]
    assert len(pids) >= 7
    mortal.process.kill()
    mortal.stop()
    wait_until(lambda: not any(map(is_running, pids)), 60)
