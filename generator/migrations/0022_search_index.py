"""On PostgreSQL: the index of prompts, now of what a search compares.

It needs two extensions that come with PostgreSQL. Where the role may not create them, search works without the index.
"""

from django.db import DatabaseError, migrations, transaction

EXTENSIONS = ("pg_trgm", "btree_gin")
# The condition is what `completed()` does.
INDEX = """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS generation_search ON generator_generation
    USING gin (wallet_id, search_text gin_trgm_ops)
    WHERE status = 'completed' AND deleted_at IS NULL
"""


def change(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            for extension in EXTENSIONS:
                schema_editor.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    except DatabaseError:
        return
    schema_editor.execute(INDEX)
    schema_editor.execute("DROP INDEX CONCURRENTLY IF EXISTS generation_words")


class Migration(migrations.Migration):

    atomic = False  # an index that is made without locking the table is made outside a transaction

    dependencies = [
        ("generator", "0021_fill_search_text"),
    ]

    operations = [
        migrations.RunPython(change, migrations.RunPython.noop),
    ]
