"""Which errors say that the database could not be reached, or ended the connection: the same may work in a moment."""

from collections.abc import Iterator

from django.db import InterfaceError, OperationalError

RETRY_SECONDS = 5
# https://www.postgresql.org/docs/current/errcodes-appendix.html: connections, too many of them, a server that ends
# or starts. Django's errors have the driver's as their cause, and that has the code; one without was never answered.
_CLASSES = ("08", "57P0", "53300")


class DatabaseAway(OperationalError):
    """The database did not answer in time."""


def is_outage(error: BaseException | None) -> bool:
    """Tell whether `error`, or what it comes from, says that the database was away."""
    return any(_says_so(each) for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _says_so(error: BaseException) -> bool:
    if isinstance(error, DatabaseAway):
        return True
    if isinstance(error, InterfaceError) or "database is locked" in str(error):  # SQLite's, after a minute
        return isinstance(error, InterfaceError | OperationalError)
    if not type(error).__module__.startswith("psycopg"):  # which is only there where PostgreSQL is
        return False
    if any(kind.__name__ == "OperationalError" for kind in type(error).__mro__):
        code = getattr(error, "sqlstate", None)
        return code is None or str(code).startswith(_CLASSES)
    return any(kind.__name__ == "InterfaceError" for kind in type(error).__mro__)
