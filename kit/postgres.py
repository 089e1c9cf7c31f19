"""One statement on PostgreSQL, from an event loop: no thread, no transaction of its own, one round trip.

For the few paths where that counts; everything else goes through the ORM. A statement commits by itself, so whoever
loses the connection while it runs cannot know whether it did: that comes out as the driver's error and not as a retry.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections
from django.db.models import NOT_PROVIDED, Model

from kit.idle import has_something_to_say
from kit.loops import PerLoop
from kit.metrics import Counter
from kit.postgresql.outage import DatabaseAway

PATIENCE_SECONDS = 20.0  # how long a statement may wait for a connection and take, all in all
CONNECT_SECONDS = 5

Row = tuple[Any, ...]

REFUSED = Counter("reveweb_database_refused_total", "Times that no connection to the database was to be had in time.")


def is_used() -> bool:
    """Whether the database is PostgreSQL."""
    return bool(settings.DATABASES[DEFAULT_DB_ALIAS]["ENGINE"].endswith("postgresql"))


async def row(statement: str, parameters: Mapping[str, Any], *, first: str = "") -> Row | None:
    """Run `statement` and return the first row that it gives, or None.

    `first` is a statement that runs before it in the same transaction and the same round trip, with the same
    parameters: what it waits for and locks, `statement` sees as it is then. One that locks a row and changes it, too,
    may change it as it was before, and so end in a deadlock with whoever waits for that row.

    Raises IntegrityError when it violates a constraint, and nothing is changed then, DatabaseAway when it takes longer
    than `PATIENCE_SECONDS`; other errors of psycopg come through.
    """
    try:
        return await _connections.get().row(statement, parameters, first)
    except TimeoutError as error:
        REFUSED.add()
        raise DatabaseAway(f"No answer within {PATIENCE_SECONDS:.0f} seconds.") from error


def insert(model: type[Model], values: Mapping[str, str], *, source: str) -> str:
    """Return the SQL that inserts a `model` for each row of `source`: `values` has an expression for some columns.

    The others get their field's default, written out: whoever adds a field that needs more is told so.
    """
    columns, expressions = [], []
    for field in model._meta.concrete_fields:
        if field.column and field.column in values:
            expression = values[field.column]
        elif field.primary_key:
            continue
        elif field.default is not NOT_PROVIDED and callable(field.default):
            raise ImproperlyConfigured(f"{model.__name__}.{field.name} has a default that only Python can make.")
        else:
            expression = _literal(field.get_default())
        columns.append(f'"{field.column}"')
        expressions.append(expression)
    return f'INSERT INTO "{model._meta.db_table}" ({", ".join(columns)}) SELECT {", ".join(expressions)} FROM {source}'  # noqa: S608


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("'", "''").replace("%", "%%")
    return f"'{text}'"


class _Connections:
    """The connections of one event loop: opened as they are needed, never more than there is room for."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(settings.API_CONNECTIONS)
        self.idle: list[Any] = []
        self.in_use = self.waiting = 0
        self.name = self._name()

    @staticmethod
    def _name() -> str:
        return str(connections.settings[DEFAULT_DB_ALIAS]["NAME"])

    async def row(self, statement: str, parameters: Mapping[str, Any], first: str) -> Row | None:
        from psycopg import IntegrityError as Violation  # here: only PostgreSQL needs it

        async with asyncio.timeout(PATIENCE_SECONDS), self._place():
            connection = await self._take()
            try:
                async with connection.pipeline() if first else contextlib.nullcontext():
                    if first:
                        await connection.execute(first, parameters)
                    cursor = await connection.execute(statement, parameters)
                found: Row | None = await cursor.fetchone()
            except BaseException as error:
                if first:  # the driver would take for prepared what the server left out
                    await connection.close()
                if isinstance(error, Violation):
                    raise IntegrityError(*error.args) from error
                raise
            finally:
                await self._put_back(connection)
        return found

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncGenerator[None]:
        self.waiting += 1
        try:
            await self.room.acquire()
        finally:
            self.waiting -= 1
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1
            self.room.release()

    async def close(self) -> None:
        while self.idle:
            await self.idle.pop().close()

    async def _take(self) -> Any:
        if self.name != self._name():  # tests have databases of their own
            await self.close()
            self.name = self._name()
        while self.idle:
            connection = self.idle.pop()
            if not connection.closed and not has_something_to_say(connection.fileno()):
                return connection
            await connection.close()
        return await self._open()

    async def _put_back(self, connection: Any) -> None:
        from psycopg.pq import TransactionStatus

        if not connection.closed and connection.pgconn.transaction_status == TransactionStatus.IDLE:
            self.idle.append(connection)
        else:
            await connection.close()

    async def _open(self) -> Any:
        from psycopg import AsyncConnection

        wrapper = connections.create_connection(DEFAULT_DB_ALIAS)
        options = wrapper.get_connection_params()
        for name in ("context", "cursor_factory", "prepare_threshold"):
            options.pop(name, None)
        # Where a pooler gives each statement another connection, none can be prepared.
        prepare = None if wrapper.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS") else 1
        return await AsyncConnection.connect(
            **{"connect_timeout": CONNECT_SECONDS, **options}, autocommit=True, prepare_threshold=prepare
        )


_connections = PerLoop(_Connections, _Connections.close)


class Held(NamedTuple):
    """How many of this process's connections are `in_use` and `idle`, and how many statements are `waiting` for one."""

    in_use: int
    idle: int
    waiting: int


def held() -> Held:
    """Return how many there are; any thread may ask."""
    return Held(
        sum(one.in_use for one in _connections.all()),
        sum(len(one.idle) for one in _connections.all()),
        sum(one.waiting for one in _connections.all()),
    )
