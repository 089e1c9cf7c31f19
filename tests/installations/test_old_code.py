"""The release before goes on while a migration runs and after it: what it reads stays, and what it writes is taken.

Its statements name the columns that it knows. So nothing is renamed or removed, and a column that it does not know may
be empty, or has a default in the database: one of Django's own is written by code that knows the column.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.migrations import (
    AddField,
    AlterField,
    AlterModelTable,
    CreateModel,
    DeleteModel,
    Migration,
    RemoveField,
    RenameField,
    RenameModel,
    SeparateDatabaseAndState,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.fields import NOT_PROVIDED

# The last ones from before this rule.
BEFORE = [
    ("accounts", "0005_reported_keys"),
    ("billing", "0033_audit_by_actor"),
    ("generator", "0055_key_days"),
    ("reveweb", "0003_login_backend"),
]
_GONE = (RemoveField, RenameField, DeleteModel, RenameModel, AlterModelTable)


def faults(migration: Migration, state: ProjectState) -> Iterator[str]:
    """Yield a sentence for each thing that `migration` does and old code does not survive; `state` is moved on."""
    app = migration.app_label
    fresh: set[str] = set()
    for operation in migration.operations:
        each = operation.database_operations if isinstance(operation, SeparateDatabaseAndState) else [operation]
        for one in each:
            if isinstance(one, CreateModel):
                fresh.add(one.name.lower())  # old code knows nothing of it
            elif what := _breaks(one, app, state, fresh):
                yield f"{migration}: {what}"
        operation.state_forwards(app, state)


def _breaks(operation: Operation, app: str, state: ProjectState, fresh: set[str]) -> str:
    if str(getattr(operation, "model_name", getattr(operation, "name", ""))).lower() in fresh:
        return ""
    if isinstance(operation, _GONE):
        return f"{operation.describe()}, which the release before reads: let it stay for a release"
    is_many = isinstance(getattr(operation, "field", None), models.ManyToManyField)
    if isinstance(operation, AddField) and not is_many and not _may_be_left_out(operation.field):
        return f"{operation.name} is a column that the release before does not write: give it a db_default, or null"
    if isinstance(operation, AlterField):
        before = state.models[app, operation.model_name.lower()].fields[operation.name]
        if _may_be_left_out(before) and not _may_be_left_out(operation.field):
            return f"{operation.name} may not be left out any more, and the release before leaves it out"
    return ""


def _may_be_left_out(field: "models.Field[object, object]") -> bool:
    return field.null or field.db_default is not NOT_PROVIDED or isinstance(field, models.AutoField)


def test_the_release_before_survives_every_migration() -> None:
    loader = MigrationLoader(None)
    own = {config.label for config in apps.get_app_configs() if Path(config.path).parent == settings.BASE_DIR}
    before = {key for end in BEFORE for key in loader.graph.forwards_plan(end)}
    after = [key for key in loader.graph._generate_plan(loader.graph.leaf_nodes(), True) if key not in before]
    state = loader.project_state(BEFORE)
    found: list[str] = []
    for key in after:
        migration = loader.graph.nodes[key]
        if key[0] in own:
            found += faults(migration, state)
        else:
            state = migration.mutate_state(state, preserve=False)
    assert found == []


THING = ModelState("billing", "Thing", [("id", models.BigAutoField(primary_key=True)), ("size", models.IntegerField())])


@pytest.mark.parametrize(
    "operation",
    [
        AddField("thing", "colour", models.CharField(max_length=7)),
        AddField("thing", "colour", models.CharField(max_length=7, default="")),
        RemoveField("thing", "size"),
        RenameField("thing", "size", "bytes"),
        RenameModel("Thing", "Object"),
        DeleteModel("Thing"),
    ],
)
def test_what_breaks_it_is_found(operation: Operation) -> None:
    assert len(list(_faults(operation))) == 1


@pytest.mark.parametrize(
    "operation",
    [
        AddField("thing", "colour", models.CharField(max_length=7, default="", db_default="")),
        AddField("thing", "seen_at", models.DateTimeField(null=True)),
        AlterField("thing", "size", models.BigIntegerField()),
        CreateModel("Other", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=7))]),
    ],
)
def test_what_it_survives_is_fine(operation: Operation) -> None:
    assert list(_faults(operation)) == []


def test_a_column_that_is_no_longer_optional_is_found() -> None:
    optional = AddField("thing", "seen_at", models.DateTimeField(null=True))
    assert len(list(_faults(optional, AlterField("thing", "seen_at", models.DateTimeField())))) == 1


def _faults(*operations: Operation) -> Iterator[str]:
    migration = type("Migration", (Migration,), {"operations": list(operations)})("0099_test", "billing")
    state = ProjectState()
    state.add_model(THING.clone())
    return faults(migration, state)


@pytest.mark.services
def test_a_migration_waits_for_nobody_for_long(transactional_db: None) -> None:
    """Behind one that waits for a table everybody else waits too."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL lets others write meanwhile")
    with connection.schema_editor() as editor:
        editor.execute("SELECT 1")
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("5s",)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
