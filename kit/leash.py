"""A process that ends with its parent: an orphan goes on with old code, and keeps the port that its successor wants."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_LOOK_SECONDS = 1.0  # where there is no such thing


def leash() -> None:
    """Kill this process as soon as its parent ends, however that came about.

    It lasts through an exec, and its children do not inherit it. On Linux it is the thread that started this process
    whose end counts.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    else:
        threading.Thread(target=_watch, args=(parent,), name="leash", daemon=True).start()
    known = multiprocessing.parent_process()
    if os.getppid() != (known.pid if known else parent):  # it ended before this began
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
