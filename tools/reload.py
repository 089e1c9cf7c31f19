"""For `make dev`: run a program, and restart it when code changes: `python -m tools.reload PATH … -- COMMAND …`.

The web process needs none of this: granian has its own reload.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from watchfiles import watch

from kit.leash import leash

SOFT_SECONDS = 3  # for threads that draw; the next worker finishes what they leave undone


def main(arguments: list[str]) -> None:
    """Run a command until SIGINT or SIGTERM. One that fails is left alone until the change that may fix it."""
    if "SUPERVISOR_ENABLED" in os.environ:
        leash()
    end = arguments.index("--")
    paths, command = arguments[:end], arguments[end + 1 :]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    process = _start(command)
    for changes in watch(*paths, stop_event=stop):
        print(f"Changed, restarting: {', '.join(sorted({Path(path).name for _, path in changes}))}", flush=True)
        _end(process)
        process = _start(command)
    _end(process)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, start_new_session=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children: what outlived it would go on with the old code."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(SOFT_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(process.pid, number)


if __name__ == "__main__":
    main(sys.argv[1:])
