"""For `make dev`: run a program, and run it anew when code changes: `python -m tools.reload celery …`.

Watches what granian, which can do this by itself, is told to watch for the web process.
"""

import os
import shlex
import sys
from collections.abc import Set
from pathlib import Path

from watchfiles import Change, run_process

SOFT_SECONDS = 4  # for a thread that draws; what it leaves undone is taken up by the next worker


def main(command: list[str]) -> None:
    """Run `command` until SIGINT or SIGTERM. One that fails is left alone until the change that may mend it."""
    paths = os.environ["GRANIAN_RELOAD_PATHS"].split(os.pathsep)
    run_process(*paths, target=shlex.join(command), target_type="command", callback=_tell, sigint_timeout=SOFT_SECONDS)


def _tell(changes: Set[tuple[Change, str]]) -> None:
    print(f"Starting anew: {', '.join(sorted({Path(path).name for _, path in changes}))} changed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
