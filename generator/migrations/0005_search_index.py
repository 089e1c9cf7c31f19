"""On PostgreSQL: an index of the letters in prompts, so that a search among very many images need not read them all.

It needs two extensions that come with PostgreSQL. Where the role may not create them, search works without the index.
"""

from django.db import DatabaseError, migrations, transaction

EXTENSIONS = ("pg_trgm", "btree_gin")
# The expression is what Django's `icontains` asks for; the condition is what `completed()` does.
INDEX = """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS generation_words ON generator_generation
    USING gin (account_id, UPPER(prompt) gin_trgm_ops)
    WHERE status = 'completed' AND deleted_at IS NULL
"""


def add(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            for extension in EXTENSIONS:
                schema_editor.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    except DatabaseError:
        return
    schema_editor.execute(INDEX)


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS generation_words")


class Migration(migrations.Migration):

    atomic = False  # an index that is made without locking the table is made outside a transaction

    dependencies = [
        ("generator", "0004_gallery"),
    ]

    operations = [
        migrations.RunPython(add, remove),
    ]
