"""How much at once, and at what cost: admissions and sync calls of reveweb, images of the gateways, by clients."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from benchmarks.load import pictures, processes
from benchmarks.load.bench import Bench
from benchmarks.load.client import Load
from benchmarks.load.contestants import Contestant, LiteLLM, Portkey
from benchmarks.load.installation import Reveweb
from benchmarks.load.measure import Row, clocks, idle, play, settle, spent

WARM, SECONDS = 1.5, 6.0
IMAGES = 100
DRAIN_SECONDS = 60.0


@dataclass
class Throughput:
    """What reveweb does: sync calls, an image's cost (ms by part), admissions with its worker running and stopped."""

    sync: list[Row] = field(default_factory=list)
    image: dict[str, float] = field(default_factory=dict)
    decoding: float = 0.0  # ms, of that image alone
    running: list[Row] = field(default_factory=list)
    stopped: list[Row] = field(default_factory=list)
    start_seconds: float = 0.0
    idle: dict[str, float] = field(default_factory=dict)  # MiB after the start
    idle_cores: dict[str, float] = field(default_factory=dict)  # with nothing to do


def gateway(bench: Bench, kind: type[LiteLLM | Portkey], clients: Iterable[int]) -> list[Row]:
    """Measure a gateway, whose call is answered as soon as the upstream has answered."""
    bench.upstream.configure()
    with bench.running(kind(bench.folder, bench.upstream)) as started:
        return [_measure(bench, started, started.load, count, kind.name) for count in clients]


def reveweb(bench: Bench, clients: Iterable[int]) -> Throughput:
    """Measure reveweb in front of an upstream that draws at once, an image of a megapixel each."""
    clients, found = list(clients), Throughput()
    bench.upstream.configure(picture=pictures.LARGE)
    with bench.installation() as site:
        settle(site, 10)
        found.start_seconds = site.start_seconds
        found.idle = {part: processes.memory(pids) for part, pids in site.parts().items()}
        for count in clients:
            found.sync.append(_measure(bench, site, site.generate(wait=True), count, "sync call"))
            if count == clients[0]:  # while nothing is left to do, and after everything was done once
                settle(site, DRAIN_SECONDS)
                found.idle_cores = idle(site)
                found.image = _image(bench, site)
                found.decoding = pictures.decoding((bench.folder / "large.png").read_bytes())
            elif count != clients[-1]:
                settle(site, DRAIN_SECONDS)
        load = site.generate(wait=False)
        found.running = [_measure(bench, site, load, count, "admission, worker running") for count in clients]
        # Last: what they leave behind is never drawn.
        paused = site.pause_worker()
        try:
            found.stopped = [_measure(bench, site, load, count, "admission, worker stopped") for count in clients]
        finally:
            processes.resume(paused)  # or they could not end
    return found


def _measure(bench: Bench, contestant: Contestant, load: Load, clients: int, what: str) -> Row:
    row = play(contestant, replace(load, clients=clients, warm=WARM, seconds=SECONDS))
    bench.say(f"{what}, {clients} clients: {row.rate:.0f}/s, p50 {row.p50:.1f} ms, {row.cost:.1f} ms of CPU each")
    if refused := {status: count for status, count in row.statuses.items() if not status.startswith("2")}:
        bench.say(f"  not answered well: {refused}")
    return row


def _image(bench: Bench, site: Reveweb) -> dict[str, float]:
    """Return what an image costs, its thumbnails and all that follows the answer included, by part."""
    before = clocks(site.parts())
    row = play(site, replace(site.generate(wait=True), clients=2, count=IMAGES, most=90))
    settle(site, DRAIN_SECONDS)
    answered = sum(count for status, count in row.statuses.items() if status == "200")
    cost = spent(before, clocks(site.parts()), answered)
    bench.say(f"image: {', '.join(f'{part} {ms:.1f} ms' for part, ms in cost.items())}")
    return cost
