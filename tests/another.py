"""Another connection to this process's PostgreSQL, as another process would have it: to hold locks, and to look."""

from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    import psycopg


def connect() -> "psycopg.Connection[Any]":
    """Open one, in a transaction as soon as it is used."""
    import psycopg  # here, for it takes a while and SQLite needs none

    about = connection.get_connection_params()
    for name in ("context", "cursor_factory", "prepare_threshold"):
        about.pop(name, None)
    return psycopg.connect(**about)
