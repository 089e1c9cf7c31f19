"""The process: it survives being killed, waits for an endpoint that is away, and never starts beside a live key."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.environment import free_port
from tests.sandbox.stripe.stand import Receiver, Shop, Stand, eventually


def test_state_and_undelivered_events_survive_a_kill(tmp_path: Path) -> None:
    receiver = Receiver()
    stand = Stand(tmp_path, receiver.url)
    try:
        shop = Shop(stand)
        subscription = shop.subscribe()
        stand.advance(10)
        stand.desk("deliveries/hold")
        stand.v1.customers.update(shop.customer, {"name": "Alice"})
        before = stand.now
        receiver.events.clear()
        stand.kill()
        stand.start()
        assert 0 <= stand.now - before < 3600  # by days otherwise
        assert shop.subscription(subscription.id).status == "active"
        assert receiver.events == []
        stand.desk("deliveries/release")
        stand.drain()
        assert receiver.types() == ["customer.updated"]
        stand.advance(25)
        assert len(shop.invoices()) == 2
    finally:
        stand.stop()
        receiver.stop()


def test_an_endpoint_that_is_away_gets_everything_in_order_when_it_is_back(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.stop()
    stand = Stand(tmp_path, receiver.url)
    try:
        for name in "abc":
            stand.v1.customers.create({"name": name})
        eventually(lambda: stand.http.get("/sandbox/stripe/events").json()["data"][2]["deliveries"][0]["attempts"] > 0)
        stand.kill()
        receiver = Receiver()
        stand._webhook_url = receiver.url  # and it has moved meanwhile
        stand.start()
        eventually(lambda: len(receiver.events) == 3)
        assert [event["data"]["object"]["name"] for event in receiver.events] == ["a", "b", "c"]
    finally:
        stand.stop()
        receiver.stop()


@pytest.mark.parametrize("key", ["sk_live_51abc", "rk_live_51abc"])
def test_it_refuses_to_start_beside_a_live_key(tmp_path: Path, key: str) -> None:
    environment = {"STRIPE_SECRET_KEY": key, "SANDBOX_PORT": str(free_port()), "SANDBOX_DIR": str(tmp_path / "x")}
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "live key" in ended.stderr
    assert key not in ended.stderr
    assert not (tmp_path / "x").exists()
