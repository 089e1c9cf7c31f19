"""Waiting that ends at once when the process is told to stop."""

from __future__ import annotations

import asyncio
import contextlib


class Pauses:
    """Hands out sleeps, and wakes every sleeper when the server begins to shut down."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()

    @property
    def closing(self) -> bool:
        """Whether the server is shutting down."""
        return self._closing.is_set()

    def wake_all(self) -> None:
        """End every sleep, now and from now on."""
        self._closing.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep `seconds`, or less when the server shuts down meanwhile."""
        if seconds <= 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
