"""Which branches the tests take of the code that must not be wrong: `python -m tests.branches FOLDER` prints them.

Only while the tests below run, for a tracer makes every line of Python slower, Django's too (by half, before 3.14).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests import ROOT

# How many branches in a hundred are taken at least, to be raised with them: what it is, and one branch less where
# threads race for it.
FLOORS = {
    "ledger": (
        [f"billing/ledger/{name}.py" for name in ("books", "claims", "grants", "holds", "purse", "wallets")],
        92,
    ),
    "lifecycle": (["generator/jobs/lifecycle.py"], 87),
    "admission": (["generator/ask/admission.py"], 67),  # the way that only PostgreSQL takes is not seen
    "events": (["billing/stripe/events/*.py"], 73),
    "keys": (["accounts/keys.py"], 95),
}
MEASURED = (
    "tests/accounts/test_keys.py",
    "tests/api/test_billed.py",
    "tests/api/test_cancel.py",
    "tests/api/test_idempotency.py",
    "tests/api/test_browser_tokens.py",
    "tests/api/test_key_cap.py",
    "tests/api/test_key_limits.py",
    "tests/api/test_several.py",
    "tests/billing/test_ledger.py",
    "tests/billing/test_refund.py",
    "tests/billing/test_relations.py",
    "tests/generator/test_admission.py",
    "tests/generator/test_failover.py",
    "tests/generator/test_groups.py",
    "tests/generator/test_lifecycle.py",
    "tests/generator/test_plan_limits.py",
    "tests/generator/test_prices.py",
    "tests/generator/test_samples.py",
    "tests/generator/test_sweep.py",
    "tests/generator/test_synchronous.py",
    "tests/generator/test_unstored.py",
    "tests/payments/test_life.py",
    "tests/payments/test_operators.py",
    "tests/payments/test_races.py",
    "tests/payments/test_tricks.py",
    "tests/payments/test_webhook.py",
)
FOLDER = os.environ.get("TEST_BRANCHES", "")  # where each test process leaves what it saw; without it nobody looks


class Observer:
    """Traces the measured tests of this process."""

    def __init__(self) -> None:
        self._coverage = _coverage(FOLDER, data_suffix=True)
        self._seen = False

    def start(self, test: str) -> bool:
        """Begin to look when `test` is one of those, and tell whether it is."""
        if not test.startswith(MEASURED):
            return False
        self._coverage.start()
        self._seen = True
        return True

    def stop(self) -> None:
        self._coverage.stop()

    def save(self) -> None:
        if self._seen:
            self._coverage.save()


def main(folder: str) -> int:
    """Print how many branches were taken, and return 1 when there were fewer than there used to be."""
    coverage = _coverage(folder)
    coverage.combine([folder])
    path = Path(folder) / "branches.json"
    coverage.json_report(outfile=str(path))
    files = json.loads(path.read_text())["files"]
    failed = 0
    for name, (patterns, floor) in FLOORS.items():
        own = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}
        found = [(file, measured["summary"]) for file, measured in files.items() if file in own]
        taken = sum(summary["covered_branches"] for _, summary in found)
        there = sum(summary["num_branches"] for _, summary in found)
        share = 100 * taken / there if there else 0
        failed += share < floor
        print(
            f"{name:<10}{taken:4} of {there:3} branches{share:7.1f} %  (floor {floor} %{', MISSED' * (share < floor)})"
        )
        for file, measured in files.items():
            if file in own:
                for start, end in measured["missing_branches"]:
                    print(f"    {file}:{start} never goes to {'its end' if end < 0 else f'line {end}'}")
    return 1 if failed else 0


def _coverage(folder: str, **options: Any) -> Any:
    from coverage import Coverage  # only here, for most runs need none

    include = [str(ROOT / pattern) for patterns, _ in FLOORS.values() for pattern in patterns]
    return Coverage(
        str(Path(folder) / "data"), branch=True, include=include, config_file=False, messages=False, **options
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
