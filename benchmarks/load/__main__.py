"""`python -m benchmarks.load [quick]`: measure, print, and write what came out into docs/performance.md.

Everything runs one after the other, on a machine that has nothing else to do: about twelve minutes, `quick` under two.
`--checkout DIR` measures another checkout of reveweb, `--only PART` some parts; these, as `quick` does, leave the
document alone. `--keep FILE` says where the figures go as JSON, in place of var/bench.json.
"""

import argparse
import dataclasses
import json
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import flight, processes, report, throughput, waiting
from benchmarks.load.bench import Bench, bench
from benchmarks.load.contestants import LiteLLM, Portkey
from tests import ROOT

CLIENTS, QUICK_CLIENTS = (1, 8, 32, 128), (1, 32)
FLIGHTS = (100, 1_000, 10_000)
CROWDS = (500, 2_000)
BUSY = 0.2  # cores that others may take
PARTS = ("gateways", "throughput", "flight", "waiting", "payments")


def measure(run: Bench, parts: list[str], *, quick: bool) -> dict[str, Any]:
    """Return the figures of `parts`; what fails is told and left out, and the others are measured all the same."""
    clients = QUICK_CLIENTS if quick else CLIENTS
    found: dict[str, Any] = {}

    def keep(name: str, step: Callable[[], Any]) -> None:
        try:
            found[name] = step()
        except Exception as error:
            traceback.print_exc()
            run.failed.append(f"{name}: {error!r}")

    if "gateways" in parts:
        keep("LiteLLM", lambda: throughput.gateway(run, LiteLLM, clients))
    if "gateways" in parts and not quick:
        keep("Portkey", lambda: throughput.gateway(run, Portkey, clients))
    if "throughput" in parts:
        keep("reveweb", lambda: throughput.reveweb(run, clients))
    if "flight" in parts and not quick:
        keep("flight", lambda: flight.all_of(run, FLIGHTS))
    if "waiting" in parts and not quick:
        keep("waiting", lambda: waiting.all_of(run, CROWDS))
    if "payments" in parts and not quick:
        keep("payments", lambda: flight.payments(run))
    return found


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("quick", nargs="?", choices=["quick"], help="admission and sync calls beside LiteLLM only")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--checkout", type=Path, default=ROOT, metavar="DIR", help="with a .venv of its own")
    parser.add_argument("--keep", type=Path, metavar="FILE", default=ROOT / "var" / "bench.json")
    parser.add_argument("--database", default="reveweb_bench", help="is dropped and made anew")
    parser.add_argument("--redis", type=int, default=15, metavar="NUMBER", help="its database, which is emptied")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends too
    checkout, busy = asked.checkout.resolve(), processes.busy()
    if busy > BUSY:
        print(f"Something else keeps {busy:.1f} cores busy: what follows is not worth much.", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="reveweb-bench-") as folder,
        bench(Path(folder), checkout, asked.database, asked.redis) as run,
    ):
        found = measure(run, asked.only, quick=asked.quick is not None)
    figures = json.loads(json.dumps(found, default=dataclasses.asdict)) | report.circumstances(checkout, busy)
    asked.keep.parent.mkdir(exist_ok=True)
    asked.keep.write_text(json.dumps(figures, indent=1))
    tables = report.tables(figures)
    print(f"\n{tables}")
    whole = checkout == ROOT and set(asked.only) == set(PARTS) and not asked.quick
    if whole:
        report.write(tables)
    if run.failed:
        sys.exit(f"Not measured: {'; '.join(run.failed)}")


if __name__ == "__main__":
    main()
