"""How far a long command is, told whoever watches it."""

import sys
import time

_EVERY_SECONDS = 0.2


class Progress:
    """Says on a terminal, in one line, how far it is; where nobody watches, nothing."""

    def __init__(self) -> None:
        self._said_at = float("-inf")
        self._is_wanted = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        """Say `words`, unless something was said just now."""
        if self._is_wanted and time.monotonic() - self._said_at > _EVERY_SECONDS:
            self._said_at = time.monotonic()
            sys.stderr.write(f"\r\033[K{words}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._is_wanted:
            sys.stderr.write("\r\033[K")
