"""The clients of a bench, one process: reads a `Load` as JSON from standard input and plays it.

Prints `begin` when the warm-up is over, and the `Outcome` as JSON when all is done; whoever started it reads the
processes' clocks at these two moments. Costs some 40 µs of processor a request.
"""

import asyncio
import contextlib
import json
import math
import resource
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial

from benchmarks.load.http import request, take

NUMBER = b"########"  # in a body: replaced by the request's number


@dataclass
class Load:
    """What to ask, and how often."""

    port: int
    target: str
    clients: int
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    each: list[dict[str, str]] = field(default_factory=list)  # headers of each client's own, taken in turns
    body: str = ""
    seconds: float = 0.0  # after the warm-up; 0: until `count` were answered
    warm: float = 0.0
    count: int = 0  # requests at most, all clients together; 0: any number
    every: float = 0.0  # seconds from one request of a client to its next; 0: as soon as it is answered
    ramp: float = 0.0  # the seconds over which the clients begin
    most: float = 300.0  # then it ends whatever is missing
    keep: bool = False  # the answers


@dataclass
class Outcome:
    """What came back within the time that counts. Latencies in ms, `cpu` in ms of these clients' own a request."""

    answered: int
    seconds: float
    statuses: dict[str, int]
    p50: float
    p95: float
    worst: float
    cpu: float
    missing: int
    bodies: list[tuple[float, str]] = field(
        default_factory=list
    )  # when it came, and what: only if they were to be kept

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def failed(self) -> int:
        """How many answers were none of 2xx."""
        return sum(count for status, count in self.statuses.items() if not status.startswith("2"))


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of `values` do not exceed; NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


class Clients:
    """All clients of one load."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.began, self.used = math.inf, 0.0
        self.sent: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.ended = asyncio.Event()
        self.stopping = False
        self.done = 0
        self.bodies: list[tuple[float, str]] = []

    def message(self, client: int) -> bytes:
        """Return what a client asks, without the number."""
        own = self.load.each[client % len(self.load.each)] if self.load.each else {}
        headers = self.load.headers | own | ({"Content-Type": "application/json"} if self.load.body else {})
        return request(self.load.method, self.load.target, headers, self.load.body.encode())

    def next(self) -> int | None:
        """Return the number of the next request; None when there is no more to ask."""
        number = len(self.sent)
        if self.stopping or (self.load.count and number >= self.load.count):
            return None
        self.sent.append(time.time())
        return number

    def note(self, number: int, line: str, body: bytes = b"") -> None:
        """Take down an answer, or the end of a connection without one (`line` is empty then)."""
        now = time.time()
        self.done += 1
        if self.load.keep:
            self.bodies.append((now, body.decode()))
        if now >= self.began and not self.stopping:
            self.statuses[line.split(" ")[1] if line else "none"] += 1
            self.latencies.append((now - self.sent[number]) * 1000)
        if self.load.count and self.done >= self.load.count:
            self.ended.set()


class Client(asyncio.Protocol):
    """One client, which asks again when it is answered."""

    def __init__(self, clients: Clients, number: int) -> None:
        self._all, self._client = clients, number
        self._message = clients.message(number)
        self._data = bytearray()
        self._number: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._data += data
        while self._number is not None and (message := take(self._data)):
            number, self._number = self._number, None
            self._all.note(number, message.line, message.body)
            if every := self._all.load.every:
                pause = max(0.0, self._all.sent[number] + every - time.time())
                asyncio.get_running_loop().call_later(pause, self._ask)
            else:
                self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if self._number is not None:
            self._all.note(self._number, "")
            self._number = None
        if not self._all.stopping:
            asyncio.get_running_loop().create_task(self._again())

    async def _again(self) -> None:
        await asyncio.sleep(0.05)
        await _connect(self._all, self._client)

    def _ask(self) -> None:
        if not self._transport.is_closing() and (number := self._all.next()) is not None:
            self._number = number
            self._transport.write(self._message.replace(NUMBER, b"%08d" % number))


async def _connect(clients: Clients, number: int) -> None:
    loop = asyncio.get_running_loop()
    while not clients.stopping:
        try:
            await loop.create_connection(partial(Client, clients, number), "127.0.0.1", clients.load.port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return


async def play(load: Load) -> Outcome:
    """Play `load`; prints `begin` when the warm-up is over."""
    clients = Clients(load)
    asyncio.get_running_loop().call_later(load.warm, _begin, clients)
    starters = []
    for number in range(load.clients):
        starters.append(asyncio.create_task(_connect(clients, number)))
        await asyncio.sleep(load.ramp / load.clients)
    limit = load.warm + load.seconds if load.seconds else load.most
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(clients.ended.wait(), limit)
    clients.stopping = True
    seconds, used = time.time() - clients.began, _cpu() - clients.used
    count = len(clients.latencies)
    return Outcome(
        answered=count,
        seconds=seconds,
        statuses=dict(clients.statuses),
        p50=percentile(clients.latencies, 0.5),
        p95=percentile(clients.latencies, 0.95),
        worst=max(clients.latencies, default=math.nan),
        cpu=used * 1000 / max(1, count),
        missing=load.count - clients.done if load.count else 0,
        bodies=clients.bodies,
    )


def _begin(clients: Clients) -> None:
    clients.began, clients.used = time.time(), _cpu()
    print("begin", flush=True)


def _cpu() -> float:
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime


def raise_limit() -> None:
    """Let this process open as many connections as a bench wants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 16_384)), hard))


def main() -> None:
    """Play what standard input says."""
    raise_limit()
    outcome = asyncio.run(play(Load(**json.loads(sys.stdin.readline()))))
    print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
