"""Django's backend for SQLite, whose writers wait in a queue.

The threads of a process take turns (`turns`), so only one of them asks SQLite for its lock; between processes, which
are few, it is asked for again every few milliseconds and not, as SQLite does, ever more seldom. Whoever has the lock
goes on at once, and readers never wait: in WAL mode nothing stands in their way.

`OPTIONS["timeout"]` is for how many seconds a statement waits in all before "database is locked" is an error.
"""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.db.backends.sqlite3 import base

from kit.sqlite3.turns import Turns

T = TypeVar("T")

ASK_SECONDS = 0.01  # for how long SQLite itself waits, in steps of a few milliseconds
READS = ("SELECT", "PRAGMA", "EXPLAIN", "SAVEPOINT", "RELEASE", "ROLLBACK")

_turns: dict[str, Turns] = defaultdict(Turns)  # by database


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that waits for its turn to write, from the beginning of a transaction to its end."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._turn: Turns | None = None
        self._patience = 0.0

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        self._patience = params.get("timeout", 5.0)
        return {**params, "timeout": ASK_SECONDS}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        return _until(
            time.monotonic() + self._patience, lambda: super(DatabaseWrapper, self).get_new_connection(conn_params)
        )

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=partial(Cursor, self))

    def in_turn(self, query: str, run: Callable[[], T]) -> T:
        """Run one statement when it is its turn."""
        if self._turn is not None:
            return run()
        end, kind = time.monotonic() + self._patience, query.lstrip()[:10].upper()
        if kind.startswith(READS):
            return _until(end, run)
        turn = _turns[str(self.settings_dict["NAME"])]
        if not turn.take(self._patience):
            raise sqlite3.OperationalError("database is locked")
        begins = False
        try:
            done = _until(end, run)
            begins = kind.startswith("BEGIN")
        finally:
            if begins:
                self._turn = turn
            else:
                turn.pass_on()
        return done

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # its stubs leave out what begins with an underscore
        self._pass_on()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._pass_on()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.pass_on()


class Cursor(base.SQLiteCursorWrapper):
    """A cursor of a connection that waits for its turn."""

    def __init__(self, wrapper: DatabaseWrapper, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._wrapper = wrapper

    def execute(self, query: str, params: Any = None) -> Any:
        return self._wrapper.in_turn(query, lambda: super(Cursor, self).execute(query, params))

    def executemany(self, query: str, param_list: Any) -> Any:
        rows = list(param_list)  # for another try
        return self._wrapper.in_turn(query, lambda: super(Cursor, self).executemany(query, rows))


def _until(end: float, run: Callable[[], T]) -> T:
    """Run it again for as long as another process has the lock, until `end` by the monotonic clock."""
    while True:
        try:
            return run()
        except sqlite3.OperationalError as error:
            # Only plainly busy: one that read before others wrote (SQLITE_BUSY_SNAPSHOT) would be refused for ever.
            if (
                error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY)
                or time.monotonic() > end
            ):
                raise
