"""On PostgreSQL: an index of the letters in addresses and names, so that staff's search need not read them all.

It needs an extension that comes with PostgreSQL. Where the role may not create it, search works without the index.
"""

from django.db import DatabaseError, migrations, transaction

# The expressions are what `people.named` compares.
INDEX = """
    CREATE INDEX CONCURRENTLY user_letters ON accounts_user
    USING gin (email gin_trgm_ops, UPPER(name) gin_trgm_ops)
"""


def add(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError:
        return
    schema_editor.execute("DROP INDEX CONCURRENTLY IF EXISTS user_letters")  # left by one that was interrupted
    schema_editor.execute(INDEX)


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX CONCURRENTLY IF EXISTS user_letters")


class Migration(migrations.Migration):

    atomic = False  # an index that is made without locking the table is made outside a transaction

    dependencies = [
        ("accounts", "0007_welcome"),
    ]

    operations = [
        migrations.RunPython(add, remove),
    ]
