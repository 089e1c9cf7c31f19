"""`make t`: pytest in this very process, with whatever arguments, and without what the named tests do not need.

`python -m tests.one tests/billing --lf -x`; on PostgreSQL and Redis with `ON=postgres` in the environment.
"""

import os
import sys

import pytest

from tests.run import BROWSER, PLAIN, POSTGRES, REDIS


def main(arguments: list[str]) -> int:
    """Run pytest and return its exit status."""
    if os.environ.get("ON") == "postgres":
        os.environ.update(POSTGRES | {"REDIS_URL": REDIS})
    if not any(argument.startswith(BROWSER) for argument in arguments):
        arguments = [*PLAIN, *arguments]
    return int(pytest.main(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
