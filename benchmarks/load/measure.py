"""Plays a load against a contestant, and reads what that cost which process."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from benchmarks.load import processes
from benchmarks.load.client import Load, Outcome
from benchmarks.load.contestants import Contestant
from benchmarks.load.streams import Heard, Listening
from tests import ROOT


@dataclass
class Row:
    """What a load came to: answers a second, ms, and by part ms of processor a request and MiB at the end."""

    clients: int
    rate: float
    p50: float
    p95: float
    statuses: dict[str, int] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    client_cpu: float = 0.0  # of the clients themselves

    @property
    def cost(self) -> float:
        """Ms of processor a request, of all its parts but the Redis that it may share with others."""
        return sum(ms for part, ms in self.cpu.items() if part != "Redis")


class Player:
    """A process of clients (or of streams) that plays while whoever started it does other things."""

    def __init__(self, load: Load | Listening) -> None:
        module = "client" if isinstance(load, Load) else "streams"
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.load.{module}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(load)).encode() + b"\n")
        self._process.stdin.flush()

    def begun(self) -> None:
        """Return when the warm-up is over, or every stream open."""
        if self._line() != b"begin\n":
            raise RuntimeError("the clients ended before they began")

    def outcome(self) -> Outcome:
        """Return what came back, once it is over."""
        return Outcome(**json.loads(self._line()))

    def heard(self) -> Heard:
        """End the streams and return what they heard."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return Heard(**json.loads(self._line()))

    def stop(self) -> None:
        """End it, early if need be."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        processes.end(self._process, 2)

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def play(contestant: Contestant, load: Load) -> Row:
    """Play `load` and measure `contestant` meanwhile."""
    player = Player(load)
    try:
        player.begun()
        before = clocks(contestant.parts())
        outcome = player.outcome()
        parts = contestant.parts()
        cpu = spent(before, clocks(parts), outcome.answered)
    finally:
        player.stop()
    memory = {part: processes.memory(pids) for part, pids in parts.items()}
    rate = outcome.answered / outcome.seconds
    return Row(load.clients, rate, outcome.p50, outcome.p95, outcome.statuses, cpu, memory, outcome.cpu)


def clocks(parts: Mapping[str, list[int]]) -> dict[str, float]:
    """Return the seconds of processor of each part so far."""
    return {part: processes.cpu(pids) for part, pids in parts.items()}


def spent(before: Mapping[str, float], after: Mapping[str, float], pieces: int) -> dict[str, float]:
    """Return the ms of processor for each of `pieces`, by part."""
    return {part: (after[part] - before.get(part, 0.0)) * 1000 / max(1, pieces) for part in after}


def settle(contestant: Contestant, seconds: float, share: float = 0.1) -> None:
    """Return once all of it together takes less than `share` of a core, or after `seconds`."""
    last = time.monotonic() + seconds
    used = sum(clocks(contestant.parts()).values())
    while time.monotonic() < last:
        time.sleep(1)
        now = sum(clocks(contestant.parts()).values())
        if now - used < share:
            return
        used = now


def idle(contestant: Contestant, seconds: float = 5.0) -> dict[str, float]:
    """Return how many cores each part takes now, over `seconds`."""
    before, began = clocks(contestant.parts()), time.monotonic()
    time.sleep(seconds)
    used, took = spent(before, clocks(contestant.parts()), 1), time.monotonic() - began
    return {part: ms / 1000 / took for part, ms in used.items()}
