"""What a thread holds while it waits for something that is not the database."""

from collections.abc import Callable
from typing import Any

from django.db import connection


class Waits:
    """Watches calls that wait. SQLite's connection is a file of the process's own: a thread keeps it."""

    def __init__(self) -> None:
        self.calls = 0
        self.with_connection: list[str] = []

    def __call__(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work` as it is watched."""

        def watched(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if connection.vendor == "postgresql" and connection.connection is not None:
                self.with_connection.append(work.__qualname__)
            return work(*arguments, **named)

        return watched
