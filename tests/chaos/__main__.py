"""`make chaos`: storms of several seeds on both databases; see the package."""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import environment
from tests.chaos.site import Site
from tests.chaos.storm import Report, storm

POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"
SHOWN = 40


def main() -> int:
    """Run the storms that were asked for and return the process's exit status."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Storms over whole installations.")
    parser.add_argument("--seed", type=int, action="append", help="what to repeat; without it two new ones are drawn")
    parser.add_argument("--seconds", type=float, default=40, help="how long each storm rages (default: 40)")
    parser.add_argument("--most", type=int, default=1500, help="how many images it asks for at most")
    parser.add_argument("--on", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="as in 'kill worker'")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a storm that found something")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    seeds = wanted.seed or random.sample(range(10_000), 2)
    reports = []
    try:
        for on in ("sqlite", "postgres"):
            if wanted.on in (on, "both"):
                reports += [_one(seed, POSTGRES if on == "postgres" else "", wanted) for seed in seeds]
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(environment.VAR_DIR, ignore_errors=True)  # what that module makes for tests
    failed = [report for report in reports if report.violations]
    print(f"\nstorms: {len(reports) - len(failed)} passed, {len(failed)} failed")
    for report in failed:
        on = "sqlite" if report.database == "SQLite" else "postgres"
        print(f"  again: make chaos SEED={report.seed} ON={on} SECONDS={wanted.seconds:g}")
    return 1 if failed else 0


def _one(seed: int, postgres: str, wanted: Any) -> Report:
    print(f"\nseed {seed} on {'PostgreSQL and Redis' if postgres else 'SQLite and Valkey'}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="reveweb-chaos-"))
    site = Site(folder, seed, postgres=postgres)
    report = asyncio.run(
        storm(site, seconds=wanted.seconds, most=wanted.most, say=_say, without=wanted.without),
    )
    _print(report)
    if report.violations and wanted.keep:
        print(f"  kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _print(report: Report) -> None:
    print(f"  {report.faults} faults, {report.seconds:.0f} s in all; calls: {dict(sorted(report.calls.items()))}")
    print(f"  images: {report.ends}")
    for violation in report.violations[:SHOWN]:
        _say(f"  VIOLATION {violation}")
    if len(report.violations) > SHOWN:
        _say(f"  and {len(report.violations) - SHOWN} more")


def _say(line: str) -> None:
    print(line, flush=True)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
