"""How much in flight: images at an upstream that takes its time, and payments while its submits hang."""

import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, replace

from benchmarks.load import pictures, processes
from benchmarks.load.bench import Bench
from benchmarks.load.client import percentile
from benchmarks.load.installation import WEBHOOK_SECRET, Reveweb
from benchmarks.load.measure import Player, clocks, settle, spent

UPSTREAM_SECONDS = 20.0
PATIENCE = 300.0  # seconds until what is not complete is given up
HANGING, HANG_SECONDS = 1_000, 25.0
EVENTS = 30


@dataclass
class Flight:
    """Images in flight at an upstream that takes `UPSTREAM_SECONDS`. Times in seconds, ms of processor an image."""

    count: int
    completed: int
    peak: int  # at the upstream at once
    looks: float  # an image, on average
    noticed_p95: float  # after the upstream was done
    seconds: float  # from the first admission to the last image
    memory: float  # of the worker, MiB at most
    cpu: dict[str, float]


def all_of(bench: Bench, counts: Iterable[int]) -> list[Flight]:
    """Measure each of `counts` on one installation."""
    with bench.installation() as site:
        return [in_flight(bench, site, count) for count in counts]


def in_flight(bench: Bench, site: Reveweb, count: int) -> Flight:
    """Ask for `count` images as fast as they are admitted, and wait for all."""
    bench.upstream.configure(seconds=UPSTREAM_SECONDS, picture=pictures.SMALL)
    earlier, before, memory = len(site.finished()), clocks(site.parts()), 0.0
    began = time.monotonic()
    player = Player(replace(site.generate(wait=False), clients=32, count=count))
    try:
        while time.monotonic() < began + PATIENCE:
            memory = max(memory, processes.memory(site.parts()["worker"]))
            time.sleep(1)
            if bench.upstream.counts()["submits"] >= count and not site.unfinished():
                break
        seconds = time.monotonic() - began
    finally:
        player.stop()
    settle(site, 60)
    jobs, completed = bench.upstream.jobs(), len(site.finished()) - earlier
    flight = Flight(
        count=count,
        completed=completed,
        peak=peak([(job["submitted"], job["ready"]) for job in jobs]),
        looks=sum(job["looks"] for job in jobs) / max(1, len(jobs)),
        noticed_p95=percentile([job["noticed"] - job["ready"] for job in jobs if job["noticed"]], 0.95),
        seconds=seconds,
        memory=memory,
        cpu=spent(before, clocks(site.parts()), count),
    )
    bench.say(
        f"in flight, {count}: {completed} completed in {seconds:.0f} s, {flight.peak} at once, {flight.looks:.1f} "
        f"looks each, noticed within {flight.noticed_p95:.2f} s, worker {memory:.0f} MiB"
    )
    return flight


def peak(spans: list[tuple[float, float]]) -> int:
    """Return how many of `spans` lay over each other at most."""
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def payments(bench: Bench) -> list[float]:
    """Return after how many seconds each event of Stripe's was handled, while the upstream answers no submit.

    An event that is never handled counts as infinite.
    """
    with bench.installation() as site:
        return _payments(bench, site)


def _payments(bench: Bench, site: Reveweb) -> list[float]:
    bench.upstream.configure(hang=HANG_SECONDS, picture=pictures.SMALL)
    player = Player(replace(site.generate(wait=False), clients=32, count=HANGING))
    try:
        player.begun()
        outcome = player.outcome()
    finally:
        player.stop()
    time.sleep(2)
    hanging = bench.upstream.counts()["hanging"]
    names = []
    for number in range(EVENTS):
        names.append(_deliver(site, number))
        time.sleep(0.2)
    time.sleep(5)
    handled = site.handled()
    seconds = [handled.get(name, float("inf")) for name in names]
    bench.say(
        f"Stripe's events with {outcome.answered} images waiting, {hanging} submits hanging: p95 "
        f"{percentile(seconds, 0.95):.3f} s"
    )
    return seconds


def _deliver(site: Reveweb, number: int) -> str:
    """Post an event of a kind that changes nothing, signed as Stripe signs, and return its id."""
    name, now = f"evt_bench_{number}", int(time.time())
    event = {"id": name, "object": "event", "type": "product.updated", "created": now, "data": {"object": {}}}
    body = json.dumps({**event, "api_version": None, "livemode": False}).encode()
    signature = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % now + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{site.url}/stripe/webhook/", body, headers), timeout=30).close()
    return name
