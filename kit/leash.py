"""A process that ends with its parent: what a killed supervisor leaves behind would hold ports and go on working.

`python -m kit.leash COMMAND …` becomes the command, on a leash: what is killed with SIGKILL tells its children nothing.
Nothing here waits for them to finish: whatever a process had in hand is resumed by the next one.
"""

import ctypes
import os
import signal
import sys
import threading
import time

POLL_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1  # Linux, prctl(2)


def leash() -> None:
    """End this process (SIGKILL) as soon as the one that started it is gone, however that ended.

    On Linux it holds across `exec`. The parent there is the thread that forked, so that must be one that stays.
    """
    parent = os.getppid()
    if not _is_linux():
        threading.Thread(target=_watch, args=(parent, os.getpid()), name="leash", daemon=True).start()
    elif ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it went in between
        os.kill(os.getpid(), signal.SIGKILL)


def _become(command: list[str]) -> None:
    """Replace this process with `command`, on a leash."""
    if _is_linux():
        leash()
    else:
        _leave_a_watcher()
    os.execvp(command[0], command)  # noqa: S606 (meant)


def _leave_a_watcher() -> None:
    """Fork a process that watches the parent of this one: a thread would not live through `exec`."""
    parent, process = os.getppid(), os.getpid()
    if os.fork() == 0:
        _watch(parent, process)
        os._exit(0)


def _watch(parent: int, process: int) -> None:
    """Return once `process` has gone, and kill it as soon as `parent` has."""
    while _lives(process):
        if not _lives(parent):
            os.kill(process, signal.SIGKILL)
            return
        time.sleep(POLL_SECONDS)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


if __name__ == "__main__":
    _become(sys.argv[1:])
