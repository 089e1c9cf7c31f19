"""Operations for migrations of a site in use: indexes that lock nobody out.

`CREATE INDEX` lets nobody write to a table until it is done. On PostgreSQL these build an index beside the writers;
Django's own operations for that fail everywhere else, these do the plain thing there. A migration with one of them says
`atomic = False` and holds nothing else, so that it can be run again after it was interrupted.
"""

from django.contrib.postgres import operations as postgres
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexConcurrently(postgres.AddIndexConcurrently):
    """Add an index without keeping anybody from writing to its table."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        if schema_editor.connection.vendor == "postgresql":
            model = to_state.apps.get_model(app_label, self.model_name)
            _drop_unfinished(schema_editor, model._meta.db_table, self.index.name)
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)


class AddUniqueConcurrently(postgres.NotInTransactionMixin, migrations.AddConstraint):
    """Add a unique constraint without keeping anybody from writing to its table.

    Rows that are not unique make it fail. On PostgreSQL it can be run again as soon as they are corrected.
    """

    atomic = False
    constraint: models.UniqueConstraint

    def __init__(self, model_name: str, constraint: models.UniqueConstraint) -> None:
        if not isinstance(constraint, models.UniqueConstraint) or constraint.deferrable:
            raise TypeError("Only a unique constraint that is not deferrable is one with its index.")
        super().__init__(model_name, constraint)

    def describe(self) -> str:
        return f"Concurrently create unique constraint {self.constraint.name} on model {self.model_name}"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        _drop_unfinished(schema_editor, model._meta.db_table, self.constraint.name)
        table, name = (schema_editor.quote_name(one) for one in (model._meta.db_table, self.constraint.name))
        plain = f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE"
        sql = str(self.constraint.create_sql(model, schema_editor))
        # Django makes an index of its own for a condition, an expression and the like, and else a constraint.
        is_constraint = sql.startswith(plain)
        start = plain if is_constraint else f"CREATE UNIQUE INDEX {name} ON {table}"
        if not sql.startswith(start):
            raise NotImplementedError(f"An unknown way to make a unique constraint: {sql}")
        rest = sql.removeprefix(start)
        schema_editor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table}{rest}", params=None)
        if is_constraint:
            schema_editor.execute(f"{plain} USING INDEX {name}", params=None)


def _drop_unfinished(schema_editor: BaseDatabaseSchemaEditor, table: str, name: str) -> None:
    """Drop what an interrupted attempt left: most often an index that PostgreSQL keeps up to date and never uses."""
    with schema_editor.connection.cursor() as cursor:
        if name in schema_editor.connection.introspection.get_constraints(cursor, table):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY {schema_editor.quote_name(name)}")
