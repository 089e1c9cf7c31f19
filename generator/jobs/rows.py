"""Many generations claimed, or changed to values of their own, by one statement.

A row is changed only while it is as the caller has claimed it: in that status, under that claim.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from generator.models import Generation

_TABLE = Generation._meta.db_table
_COLUMNS = ", ".join(f"{_TABLE}.{field.column}" for field in Generation._meta.concrete_fields)
_MOST = 400  # rows in a statement: SQLite takes some thousand parameters in one


def claim_due(
    *,
    status: str,
    at: datetime,
    limit: int,
    pks: Sequence[int] | None = None,
    only_if: str = "TRUE",
    samples: bool = False,
    assign: str,
    values: Sequence[Any],
) -> list[Generation]:
    """Change up to `limit` rows in `status` that are due `at` that moment, and return them as they are then.

    The longest overdue first, only some `pks` where they are named, and only what `only_if` holds for, which is SQL.
    Those of test keys where `samples` says so, and else none of them. Each row is taken by one caller only.
    """
    kind = "AND is_test" if samples else "AND NOT is_test"
    among = f"AND id IN ({', '.join(['%s'] * len(pks))})" if pks is not None else ""
    # Not FOR NO KEY UPDATE, which would let rows through that some insert refers to just now: a statement that locks
    # such a row and changes it may end in a deadlock.
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    found = Generation.objects.raw(
        f"WITH due AS (SELECT id FROM {_TABLE} WHERE status = %s AND due_at <= %s"  # noqa: S608 (as below)
        f" AND {only_if} {kind} {among}"
        f" ORDER BY due_at LIMIT %s {lock})"
        f" UPDATE {_TABLE} SET {assign} FROM due WHERE {_TABLE}.id = due.id RETURNING {_COLUMNS}",
        [status, _stored(at), *(pks or ()), limit, *map(_stored, values)],
    )
    return list(found)


def change_each(rows: Sequence[tuple[Generation, Sequence[Any]]], *, status: str, assign: str) -> set[int]:
    """Change each claimed row that is still in `status`, and return the keys of those that were.

    `assign` is the SQL behind SET. It names a row's own values `v.column4` and so on; its claim ends with it.
    """
    changed: set[int] = set()
    for start in range(0, len(rows), _MOST):
        changed |= _change(rows[start : start + _MOST], status, assign)
    return changed


def _change(rows: Sequence[tuple[Generation, Sequence[Any]]], status: str, assign: str) -> set[int]:
    width = 2 + len(rows[0][1])
    values = ", ".join([f"({', '.join(['%s'] * width)})"] * len(rows))
    parameters: list[Any] = []
    for generation, own in rows:
        parameters += [generation.pk, generation.claim, *map(_stored, own)]
    with connection.cursor() as cursor:
        # Both databases call the columns of VALUES column1, column2, …
        cursor.execute(
            f"UPDATE {_TABLE} SET {assign} FROM (VALUES {values}) AS v"  # noqa: S608 (names and marks of our own)
            f" WHERE {_TABLE}.id = v.column1 AND {_TABLE}.claim = v.column2 AND {_TABLE}.status = %s"
            f" RETURNING {_TABLE}.id",
            [*parameters, status],
        )
        return {pk for (pk,) in cursor.fetchall()}


def _stored(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
