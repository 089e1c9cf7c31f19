"""`make check`: format, lint, types, import rules and the tests that the change since `main` touches, side by side.

Left to `make test`: whole installations, Chromium, and PostgreSQL with Redis.
"""

import sys

from tests import rooms
from tests.lanes import PYTEST, Check, run
from tests.run import CORES, PLAIN, spread, static_checks

QUICK = {"format", "lint", "types", "import rules"}


def main(names: list[str]) -> int:
    """Run the checks of the named rooms, or of what has changed, and return the process's exit status."""
    try:
        wanted = sorted({test for name in names for test in rooms.of_room(name)}) if names else None
    except KeyError as unknown:
        print(f"There is no room {unknown}. There are: {', '.join(rooms.ROOMS)}")
        return 2
    tests = rooms.of_change(rooms.changed()) if wanted is None else wanted
    lanes = [[check for check in static_checks() if check.name in QUICK]]
    if tests:
        print(f"Tests: {' '.join(tests)}", flush=True)
        command = [*PYTEST, *spread(CORES), *PLAIN, "-m", "not stack", *tests]
        lanes.append([Check("tests", command, none_is_fine=True)])
    else:
        print("The change touches no test.", flush=True)
    return run(lanes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
