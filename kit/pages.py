"""Many rows, a page at a time."""

import time
from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)

BREATH_SECONDS = 0.02  # between two pages that are deleted, for others who want to write


def by_pages(rows: QuerySet[Row], size: int = 500) -> Iterator[Row]:
    """Yield rows in the order of their keys, `size` of them in memory.

    `QuerySet.iterator` keeps a cursor open on PostgreSQL, and with it a connection for as long as the loop takes. Here
    each page is a query, so that whoever waits for something between two rows may let go of the connection.
    """
    last = None
    while page := list((rows if last is None else rows.filter(pk__gt=last)).order_by("pk")[:size]):
        yield from page
        last = page[-1].pk


def delete_by_pages(rows: QuerySet[Row], size: int = 500) -> int:
    """Delete rows, `size` of them in a transaction, and return how many there were.

    A single statement over a table that has grown for a year would hold its locks, or SQLite's one, for minutes.
    """
    deleted = 0
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:size]):
        rows.model._default_manager.filter(pk__in=pks).delete()
        deleted += len(pks)
        if len(pks) < size:
            break
        time.sleep(BREATH_SECONDS)
    return deleted
