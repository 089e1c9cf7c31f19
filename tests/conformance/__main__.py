"""`make conformance`: start an installation, drive every client against it, and print what each call gives.

Where all of it is as the table says, it is kept for the documentation's page. Exit status 1 where something is not.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from reveweb.docs.conformance import RESULTS
from tests import machine
from tests.conformance import grid
from tests.conformance.clients import CLIENTS, install
from tests.conformance.grid import Told
from tests.conformance.table import TABLE
from tests.installation import Stack


def main() -> int:
    """Run the grid and return the process's exit status."""
    if not machine.provide(["node", "curl"]):
        return 1
    install()
    with tempfile.TemporaryDirectory(prefix="reveweb-conformance-") as folder:
        stack = Stack(Path(folder) / "var", **grid.SETTINGS)
        stack.start()
        try:
            told = grid.drive(stack)
        finally:
            stack.discard()
    wrong = sum(_print(client.slug, f"{client.name} {told[client.slug].version}", told) for client in CLIENTS)
    rows = sum(len(rows) for rows in TABLE.values())
    print(f"\n{rows} rows, {wrong} not as they should be.")
    if not wrong:
        RESULTS.write_text(results(told))
        print(f"{RESULTS.name} is what /docs/conformance/ shows.")
    return 1 if wrong else 0


def results(told: Mapping[str, Told]) -> str:
    """Return what the documentation shows, as JSON. Versions of what is not pinned are this machine's."""
    found = [
        {
            "name": client.name,
            "version": told[client.slug].version,
            "rows": [{"call": call, "case": case, "result": result} for call, case, result in TABLE[client.slug]],
        }
        for client in CLIENTS
    ]
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _print(slug: str, title: str, told: Mapping[str, Told]) -> int:
    """Print a client's rows and return how many are wrong."""
    print(f"\n{title}")
    wrong = 0
    for call, case, expected in TABLE[slug]:
        result = told[slug].rows.get((call, case), "it told nothing")
        print(f"  {'ok ' if result == expected else 'NOT'}  {call}: {case}: {result}")
        if result != expected:
            wrong += 1
            print(f"       it should be: {expected}")
    if wrong and told[slug].errors:
        print(told[slug].errors)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
