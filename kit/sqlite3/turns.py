"""Turns at the one pen that a SQLite database has: whoever came first has it next."""

import os
import threading
from collections import deque


class Turns:
    """A lock of this process's threads that is handed on in the order in which they came.

    SQLite itself has no queue. Who finds it locked sleeps and tries again, up to 100 ms later, and a busy site is
    locked again by then: of 36 threads that only write some wait for longer than 20 seconds, and half of them not at
    all.
    """

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, seconds: float) -> bool:
        """Wait for a turn, for `seconds` at the most, and tell whether it came."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=seconds):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # it came in the last instant

    def pass_on(self) -> None:
        """End one's turn."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
