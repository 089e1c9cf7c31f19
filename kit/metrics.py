"""What is counted for whoever watches: Prometheus' counters and histograms, of all processes of this machine.

Off, and nothing of it loaded, unless `METRICS_TOKEN` or `METRICS_PORT` is set; then each process writes into files of
its own in one folder, and whoever is asked adds them up. What is so of the whole site is read as it is asked for; what
each process alone knows of itself, as how many streams it holds, it reads every few seconds (`Gauge`), which costs no
request anything.
"""

import contextlib
import fcntl
import logging
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 5.0  # from one reading of a process's gauges to the next
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)  # of histograms
LABEL_LENGTH = 60
OF_THE_DEAD = "ended"  # in place of a process's number


class Metric(Protocol):
    """A counter or a histogram."""

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count so much, or observe it."""


class _Off:
    def add(self, amount: float = 1, **labels: str) -> None:
        pass


class _On:
    """Made when it is first counted, for Django's settings say where its files go."""

    def __init__(self, make: Callable[[], Any], write: str) -> None:
        self._make, self._write = cache(make), write

    def add(self, amount: float = 1, **labels: str) -> None:
        told = {name: value[:LABEL_LENGTH] for name, value in labels.items()}
        metric = self._make()
        getattr(metric.labels(**told) if told else metric, self._write)(amount)


class Counter:
    """A number that only grows. Its name ends with `_total`; labels have few values, and none is anybody's words."""

    def __init__(self, name: str, words: str, *labels: str) -> None:
        self.name, self.words, self.labels = name, words, labels
        SERIES[name] = Series("counter", words, labels)

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count `amount`."""
        _metric("Counter", self.name, self.words, self.labels).add(amount, **labels)


class Histogram:
    """How long something takes, in seconds."""

    def __init__(self, name: str, words: str, *labels: str) -> None:
        self.name, self.words, self.labels = name, words, labels
        SERIES[name] = Series("histogram", words, labels)

    def add(self, amount: float, **labels: str) -> None:
        """Note that it took so many seconds."""
        _metric("Histogram", self.name, self.words, self.labels).add(amount, **labels)


class Gauge:
    """How much of something this process has; what is told is the sum over those that live.

    `read` returns it by the values of its labels, and is called on a thread of its own.
    """

    def __init__(
        self, name: str, words: str, read: Callable[[], Mapping[tuple[str, ...], float]], *labels: str
    ) -> None:
        self.name, self.words, self.labels, self.read = name, words, labels, read
        SERIES[name] = Series("gauge", words, labels)
        _gauges.append(self)


@dataclass(frozen=True)
class Series:
    """What there is to be watched under one name."""

    kind: str
    words: str
    labels: tuple[str, ...] = ()


SERIES: dict[str, Series] = {}  # all that there are, by name
_gauges: list[Gauge] = []


def declare(name: str, words: str, *labels: str) -> None:
    """Say what a gauge is that somebody else reads for whoever asks."""
    SERIES[name] = Series("gauge", words, labels)


def is_on() -> bool:
    """Tell whether anybody may ask."""
    return bool(settings.METRICS_TOKEN or settings.METRICS_PORT)


def folder() -> Path:
    """Return where processes write what they count."""
    return Path(settings.VAR_DIR) / "metrics"


def watch() -> None:
    """Have this process read its gauges from now on, if anybody may ask."""
    if is_on():
        threading.Thread(target=_sample_on, name="metrics-sampling", daemon=True).start()


def sample() -> None:
    """Read this process's gauges once; one that cannot be read stays as it was."""
    for gauge in _gauges:
        try:
            metric = _prometheus("Gauge", gauge.name, gauge.words, gauge.labels)
            for told, value in gauge.read().items():
                (metric.labels(*told) if told else metric).set(value)
        except Exception as error:
            log.debug("%s could not be read: %r", gauge.name, error)


def forget_the_dead() -> None:
    """Remove the gauges of processes that have ended: what they had, nobody has any more."""
    for file in folder().glob("gauge_live*.db"):
        if not _is_alive(file):
            file.unlink(missing_ok=True)


def _sample_on() -> None:
    while True:
        sample()
        time.sleep(SAMPLE_SECONDS)


def prepare(where: Path) -> None:
    """Have this process count into `where`. What was counted before all processes ended goes, and sums begin at 0."""
    where.mkdir(mode=0o700, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(where)
    files = list(where.glob("*.db"))
    if not any(_is_alive(file) for file in files):
        for file in files:
            file.unlink(missing_ok=True)
    fold(where)


def fold(where: Path) -> None:
    """Add up what processes counted that have ended, in one file of each kind: theirs would pile up.

    Prometheus' own `mark_process_dead` leaves counters and histograms where they are, so that no sum falls.
    """
    with _alone(where):
        for kind in ("counter", "histogram"):
            dead = [file for file in where.glob(f"{kind}_*.db") if not _is_alive(file)]
            if len(dead) > 1:
                _add_up(dead, where / f"{kind}_{OF_THE_DEAD}.db")


def counted() -> list[Any]:
    """Return what all processes of this machine counted, as Prometheus' families."""
    from prometheus_client import CollectorRegistry, multiprocess

    where = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    forget_the_dead()
    fold(where)
    with _alone(where):
        return list(multiprocess.MultiProcessCollector(CollectorRegistry(), str(where)).collect())  # type: ignore[no-untyped-call]  # theirs


def _add_up(files: list[Path], sums: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    values: defaultdict[str, float] = defaultdict(float)
    for file in files:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]  # theirs
            values[key] += value
    draft = sums.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    written = MmapedDict(str(draft))  # type: ignore[no-untyped-call]  # theirs
    for key, value in values.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]  # theirs
    written.close()  # type: ignore[no-untyped-call]  # theirs
    draft.replace(sums)
    for file in files:
        if file != sums:
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(where: Path) -> Iterator[None]:
    """Neither read while somebody adds up, nor add up while somebody reads: some would be there twice."""
    with (where / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_alive(file: Path) -> bool:
    found = re.search(r"_([0-9]+)\.db$", file.name)
    if found is None:
        return False
    with contextlib.suppress(OSError):
        os.kill(int(found[1]), 0)
        return True
    return False


@cache
def _metric(kind: str, name: str, words: str, labels: tuple[str, ...]) -> Metric:
    if not is_on():
        return _Off()

    return _On(lambda: _prometheus(kind, name, words, labels), "inc" if kind == "Counter" else "observe")


@cache
def _prometheus(kind: str, name: str, words: str, labels: tuple[str, ...]) -> Any:
    import prometheus_client  # here: whoever is not watched does not pay for it

    options: dict[str, dict[str, Any]] = {
        "Histogram": {"buckets": SECONDS},
        "Gauge": {"multiprocess_mode": "livesum"},
    }
    return getattr(prometheus_client, kind)(name, words, labels, **options.get(kind, {}))
