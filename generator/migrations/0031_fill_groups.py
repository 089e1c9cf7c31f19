"""Give what was asked for at once, before there were groups, a group: each press of the studio, and each call.

A batch at a time, each in a transaction of its own, while people go on using the site: what was filled before an
interruption stays so, and only columns of a few bytes are read and written. What is under way at that moment is left
alone, as is what an older process still adds: a worker has its row, and locks row and wallet the other way round. So
the column stays open for rows without a group, and whoever reads it takes them for what they are, older than groups.
"""

import time

from django.db import migrations, transaction
from django.db.models import Max

from kit.pages import BREATH_SECONDS

AT_ONCE = 1_000
ENDED = ("completed", "failed")


def fill(apps, schema_editor):
    Generation = apps.get_model("generator", "Generation")
    last = Generation.objects.aggregate(last=Max("pk"))["last"] or 0
    for start in range(0, last + 1, AT_ONCE):
        if _fill(apps, schema_editor.connection, start):
            time.sleep(BREATH_SECONDS)


def _fill(apps, connection, start):
    """Fill the groups whose first image has one of the next keys; return how many there were."""
    Generation, Group = apps.get_model("generator", "Generation"), apps.get_model("generator", "Group")
    firsts = Generation.objects.filter(pk__gte=start, pk__lt=start + AT_ONCE, group=None, position=1)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The wallets first, as those do who spend from them and then look at an image.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        found = firsts.filter(status__in=ENDED).values(
            "pk", "wallet_id", "api_key_id", "operation", "idempotency_key", "request_digest", "created_at"
        )
        others, busy = _others(cursor, Generation._meta.db_table, start)
        rows = [row for row in found if row["pk"] not in busy]
        groups = Group.objects.bulk_create(
            Group(
                wallet_id=row["wallet_id"],
                api_key_id=row["api_key_id"],
                source="studio" if row["api_key_id"] is None else "api",
                operation=row["operation"],
                count=1 + len(others.get(row["pk"], ())),
                idempotency_key=row["idempotency_key"],
                digest=row["request_digest"],
                created_at=row["created_at"],
            )
            for row in rows
        )
        pairs = [
            (pk, group.pk)
            for row, group in zip(rows, groups, strict=True)
            for pk in (row["pk"], *others.get(row["pk"], ()))
        ]
        if pairs:
            cursor.execute(
                f"UPDATE {Generation._meta.db_table} SET group_id = v.column2"
                f" FROM (VALUES {', '.join(['(%s, %s)'] * len(pairs))}) AS v"
                f" WHERE {Generation._meta.db_table}.id = v.column1",
                [number for pair in pairs for number in pair],
            )
    return len(rows)


def _others(cursor, table, start):
    """Return the further images of each first one, and the first ones of which one is not finished yet."""
    cursor.execute(
        f"SELECT f.id, o.id, o.status FROM {table} f JOIN {table} o"
        " ON o.wallet_id = f.wallet_id AND o.idempotency_key = f.idempotency_key AND o.position > 1"
        " WHERE f.id >= %s AND f.id < %s AND f.position = 1 AND f.group_id IS NULL AND f.idempotency_key IS NOT NULL",
        [start, start + AT_ONCE],
    )
    others, busy = {}, set()
    for first, other, status in cursor.fetchall():
        others.setdefault(first, []).append(other)
        if status not in ENDED:
            busy.add(first)
    return others, busy


class Migration(migrations.Migration):

    atomic = False  # it can be run again, and goes on where it was

    dependencies = [
        ("generator", "0040_address_of_upstream"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
