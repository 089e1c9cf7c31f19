"""What every part of a bench shares: where it works, the upstream, which checkout is measured."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.load import pictures
from benchmarks.load.contestants import Contestant, Upstream
from benchmarks.load.installation import Reveweb
from tests import ROOT

Started = TypeVar("Started", bound=Contestant)


@dataclass
class Bench:
    """One run of a bench."""

    folder: Path
    upstream: Upstream
    checkout: Path = ROOT
    database: str = "reveweb_bench"
    redis: int = 15
    began: float = field(default_factory=time.monotonic)
    installations: int = 0
    failed: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        """Tell how far it is."""
        print(f"{time.monotonic() - self.began:5.0f} s  {words}", flush=True)

    @contextmanager
    def running(self, contestant: Started) -> Iterator[Started]:
        """End `contestant` at the end."""
        try:
            yield contestant
        finally:
            contestant.stop()

    @contextmanager
    def installation(self) -> Iterator[Reveweb]:
        """Run reveweb with an empty database."""
        self.installations += 1
        folder = self.folder / f"reveweb-{self.installations}"
        site = Reveweb(folder, self.upstream, self.database, self.redis, self.checkout)
        with self.running(site):
            site.open_account()
            yield site


@contextmanager
def bench(folder: Path, checkout: Path, database: str, redis: int) -> Iterator[Bench]:
    """Start the upstream, and end it."""
    upstream = Upstream(folder, pictures.make(folder))
    try:
        yield Bench(folder, upstream, checkout, database, redis)
    finally:
        upstream.stop()
