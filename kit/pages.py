"""Many rows, a page at a time."""

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def by_pages(rows: QuerySet[Row], size: int = 500) -> Iterator[Row]:
    """Yield rows in the order of their keys, `size` of them in memory.

    `QuerySet.iterator` keeps a cursor open on PostgreSQL, and with it a connection for as long as the loop takes. Here
    each page is a query, so that whoever waits for something between two rows may let go of the connection.
    """
    last = None
    while page := list((rows if last is None else rows.filter(pk__gt=last)).order_by("pk")[:size]):
        yield from page
        last = page[-1].pk
