"""How many wait at a time: sync callers and pages that listen, and what a neighbour notices of them."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from benchmarks.load import pictures, processes
from benchmarks.load.bench import Bench
from benchmarks.load.client import Load, Outcome, percentile
from benchmarks.load.installation import Reveweb, Visitor
from benchmarks.load.measure import Player, clocks, play, spent
from benchmarks.load.streams import Heard, Listening

PER_ACCOUNT = 2  # callers, and pages
PACE = 100  # callers that come each second
QUIET = 10.0  # seconds in which all wait and nothing else happens
SPREAD = 20.0  # seconds over which their images are done
EVERY = 0.05


@dataclass
class Waiting:
    """So many callers and so many pages wait. Answered and told: ms after the image was complete."""

    count: int
    answered: int
    answered_p95: float
    told: int
    told_p95: float
    streams: int
    memory: float  # of the web process, MiB, while all wait
    cores: dict[str, float]  # that it takes to wait, the neighbour's requests included
    alone: float  # a neighbour's p95, ms
    beside_waiting: float
    beside_answers: float


def all_of(bench: Bench, counts: Iterable[int]) -> list[Waiting]:
    """Measure each of `counts` on one installation."""
    counts = list(counts)
    with bench.installation() as site:
        crowd = site.crowd(max(counts) // PER_ACCOUNT)
        return [wait(bench, site, crowd, count) for count in counts]


def wait(bench: Bench, site: Reveweb, crowd: list[Visitor], count: int) -> Waiting:
    """Let `count` callers and as many pages of the accounts of `crowd` wait, until all images are done."""
    people = crowd[: count // PER_ACCOUNT]
    neighbour = _neighbour(bench, site)
    alone = play(site, neighbour)
    ramp = count / PACE
    bench.upstream.configure(seconds=ramp + QUIET + 8, spread=SPREAD, picture=pictures.SMALL)
    earlier = set(site.finished())
    pages = Player(Listening(site.port, [one.session for one in people] * PER_ACCOUNT, ramp=count / 200))
    callers = None
    try:
        pages.begun()
        callers = Player(_callers(site, people, count, ramp))
        callers.begun()
        time.sleep(ramp + 4)
        before, began = clocks(site.parts()), time.monotonic()
        quiet = play(site, neighbour)
        cpu = {part: ms / 1000 for part, ms in spent(before, clocks(site.parts()), 1).items()}
        cores = {part: seconds / (time.monotonic() - began) for part, seconds in cpu.items()}
        memory = processes.memory(site.parts()["web"])
        time.sleep(6)
        busy = play(site, neighbour)
        outcome = callers.outcome()
        time.sleep(2)
        heard = pages.heard()
    finally:
        pages.stop()
        if callers is not None:
            callers.stop()
    done = {name: at for name, at in site.finished().items() if name not in earlier}
    answers, told = _answered(outcome, done), _told(heard, done)
    waited = Waiting(
        count=count,
        answered=len(answers),
        answered_p95=percentile(answers, 0.95),
        told=len(told),
        told_p95=percentile(told, 0.95),
        streams=heard.opened,
        memory=memory,
        cores=cores,
        alone=alone.p95,
        beside_waiting=quiet.p95,
        beside_answers=busy.p95,
    )
    bench.say(f"{waited}; callers {outcome.statuses}, streams refused {heard.refused}")
    return waited


def _neighbour(bench: Bench, site: Reveweb) -> Load:
    """Return somebody who looks up an image of theirs twenty times a second."""
    bench.upstream.configure(picture=pictures.SMALL)
    asked = site.generate(wait=True)
    player = Player(replace(asked, count=1, keep=True))
    try:
        player.begun()
        [(_, body)] = player.outcome().bodies
    finally:
        player.stop()
    target = f"/v1/reve-image/status/{json.loads(body)['id']}"
    return Load(site.port, target, 1, "GET", asked.headers, every=EVERY, warm=1, seconds=QUIET - 2)


def _callers(site: Reveweb, people: list[Visitor], count: int, ramp: float) -> Load:
    asked = replace(site.generate(wait=True), clients=count, count=count, ramp=ramp, keep=True)
    return replace(asked, headers={}, each=[{"Authorization": f"Bearer {one.key}"} for one in people])


def _answered(outcome: Outcome, done: dict[str, float]) -> list[float]:
    """Return how many ms after its image was complete each caller had it."""
    answers = [(at, json.loads(body)) for at, body in outcome.bodies if body]
    return [(at - done[one["id"]]) * 1000 for at, one in answers if one.get("status") == "completed"]


def _told(heard: Heard, done: dict[str, float]) -> list[float]:
    """Return how many ms after an image was complete each page was told so."""
    return [(at - done[name]) * 1000 for name, at, _ in heard.told if name in done]
