"""The short form of `make chaos`: one storm, of a seed that is drawn anew each time; the report names it."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.chaos.site import Site
from tests.chaos.storm import storm

pytestmark = [pytest.mark.stack, pytest.mark.services, pytest.mark.timeout(180)]

SECONDS = 15


def test_a_storm_loses_doubles_and_leaves_nothing(tmp_path: Path, prepared_var: Path) -> None:
    url = os.environ.get("DATABASE_URL", "")
    postgres = url if url.startswith("postgres") else ""
    seed = int(os.environ.get("CHAOS_SEED", "") or random.randrange(10_000))
    print(f"seed {seed}: make chaos SEED={seed} SECONDS={SECONDS} ON={'postgres' if postgres else 'sqlite'}")
    site = Site(tmp_path, seed, postgres=postgres, template="" if postgres else prepared_var, deadline=12)
    report = asyncio.run(storm(site, seconds=SECONDS, most=300, say=print))
    print(report)
    assert not report.violations, "\n".join(report.violations)
