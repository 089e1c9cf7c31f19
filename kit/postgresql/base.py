"""Django's backend for PostgreSQL, whose pool is looked at before it lends.

A server that was restarted has ended every connection that lay idle in the pool, and each would fail whoever got it.
Django's `CONN_HEALTH_CHECKS` asks the server with each loan, which is a round trip for every request; this looks
whether the server has hung up, which costs nothing.
"""

from typing import Any

from django.db.backends.postgresql import base

from kit.idle import has_something_to_say


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that was alive when it was lent."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        while True:
            connection = super().get_new_connection(conn_params)
            pool: Any = self.pool
            if pool is None or not (connection.closed or has_something_to_say(connection.fileno())):
                return connection
            connection.close()
            pool.putconn(connection)  # which makes another in its place
