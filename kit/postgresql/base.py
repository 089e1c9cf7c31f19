"""Django's backend for PostgreSQL, whose pool is looked at before it lends.

A server that was restarted has ended every connection that lay idle in the pool, and each would fail whoever got it.
Django's `CONN_HEALTH_CHECKS` asks the server with each loan, which is a round trip for every request; this looks
whether the server has hung up, which costs nothing.

A process's first connection is made without the pool, which would try for its whole timeout and then know no more than
that nothing came: that TLS is refused, a password wrong or a parameter misspelt stood in the log only.
"""

from typing import Any

from django.db.backends.postgresql import base, schema

from kit.idle import has_something_to_say

CONNECT_SECONDS = 5
# How long a migration waits for a table that somebody holds. Whoever comes after it waits behind it all that time.
LOCK_SECONDS = 5


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """Changes tables of a site in use: what cannot have a table soon is undone, to be run again."""

    def __enter__(self) -> "DatabaseSchemaEditor":
        super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            self.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'", params=None)
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that was alive when it was lent."""

    SchemaEditorClass = DatabaseSchemaEditor

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        unopened: Any = self.pool
        if unopened is not None and unopened.closed:
            self.Database.connect(**{"connect_timeout": CONNECT_SECONDS, **conn_params}).close()
        while True:
            connection = super().get_new_connection(conn_params)
            pool: Any = self.pool
            if pool is None or not (connection.closed or has_something_to_say(connection.fileno())):
                return connection
            connection.close()
            pool.putconn(connection)  # which makes another in its place
