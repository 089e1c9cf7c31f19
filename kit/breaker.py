"""A breaker: what fails again and again is not tried for a while, so that nobody waits for it.

    closed ──`failures` in a row──▶ open ──after `pause`: one trial──▶ closed, or open for another `pause`

Each process has its own. What it knows it has seen itself, within the first few failures; to share that would need a
store, which may be away at the same moment. (Of the libraries, pybreaker holds its lock during the call, so that all
calls queue up, and circuitbreaker lets everybody through as a trial.)
"""

import logging
import threading
import time

log = logging.getLogger(__name__)


class Breaker:
    """Whoever calls asks `allows` before each try, and tells how it ended: `answered` or `failed`."""

    def __init__(self, name: str, *, failures: int, pause: float, window: float) -> None:
        """Open after `failures` without an answer between, each within `window` seconds of the one before."""
        self.name, self.failures, self.pause, self.window = name, failures, pause, window
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Know nothing."""
        self._failed, self._failed_at, self._trial_at = 0, 0.0, 0.0

    def allows(self) -> bool:
        """Tell whether to try now. A trial that never tells how it ended is followed by the next after a pause."""
        with self._lock:
            now = time.monotonic()
            if self._failed >= self.failures:
                if now < self._trial_at:
                    return False
                self._trial_at = now + self.pause
            return True

    @property
    def is_open(self) -> bool:
        """Whether it is left alone just now; asking changes nothing."""
        return self._failed >= self.failures and time.monotonic() < self._trial_at

    def answered(self) -> None:
        """Note an answer, whatever it said."""
        with self._lock:
            if self._failed >= self.failures:
                log.warning("%s answers again", self.name)
            self._failed = 0

    def failed(self) -> None:
        """Note that no answer came."""
        with self._lock:
            now = time.monotonic()
            in_a_row = self._failed >= self.failures or now - self._failed_at < self.window
            self._failed = self._failed + 1 if in_a_row else 1
            self._failed_at, self._trial_at = now, now + self.pause
            if self._failed == self.failures:
                log.warning("%s does not answer, and is asked again in %s seconds", self.name, self.pause)
