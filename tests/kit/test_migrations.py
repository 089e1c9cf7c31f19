"""Indexes that lock nobody out, on every database, and permissions that follow a renamed model."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, NotSupportedError, connection, models, transaction
from django.db.migrations import CreateModel, Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from kit.migrations import AddIndexConcurrently, AddUniqueConcurrently

pytestmark = pytest.mark.services

INDEX = AddIndexConcurrently("parcel", models.Index(fields=["number"], name="parcel_number"))
UNIQUE = [
    AddUniqueConcurrently("parcel", models.UniqueConstraint(fields=["number", "kind"], name="parcel_once")),
    AddUniqueConcurrently(
        "parcel",
        models.UniqueConstraint(
            fields=["number"], condition=models.Q(kind="big") & ~models.Q(number=7), name="one_big"
        ),
    ),
]
EVERY = [INDEX, *UNIQUE]


@pytest.fixture
def state(transactional_db: None) -> Iterator[ProjectState]:
    """A table of parcels, in a project that has only the apps which Django's permissions need."""
    with connection.cursor() as cursor:
        before = connection.introspection.table_names(cursor)
    loader = MigrationLoader(None)
    begun = loader.project_state(loader.graph.leaf_nodes("auth"))
    fields = [("id", models.BigAutoField(primary_key=True)), ("number", models.IntegerField())]
    kind = ("kind", models.CharField(max_length=9, default="small"))
    yield _run(begun, CreateModel("Parcel", [*fields, kind], options={"permissions": [("weigh", "Can weigh")]}))
    with connection.cursor() as cursor:
        for table in set(connection.introspection.table_names(cursor)) - set(before):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}")


@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_it_comes_and_goes(state: ProjectState, operation: Operation) -> None:
    then = _run(state, operation, atomic=False)
    assert _name(operation) in _constraints()
    _run_back(state, then, operation)
    assert _name(operation) not in _constraints()


@pytest.mark.parametrize("operation", UNIQUE, ids=str)
def test_a_unique_one_is_unique(state: ProjectState, operation: Operation) -> None:
    then = _run(state, operation, atomic=False)
    parcels = then.apps.get_model("kit", "Parcel")._default_manager
    parcels.create(number=1, kind="big"), parcels.create(number=1), parcels.create(number=7, kind="huge")
    with pytest.raises(DatabaseError), transaction.atomic():
        parcels.create(number=1, kind="big")


@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_on_postgresql_nobody_waits(state: ProjectState, operation: Operation) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL can")
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        operation.database_forwards("kit", editor, state, _after(state, operation))
    assert "INDEX CONCURRENTLY" in editor.collected_sql[0]
    # What follows it takes no longer than a look at the catalogue.
    assert all(" USING INDEX " in sql for sql in editor.collected_sql[1:])


@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_an_interrupted_one_is_begun_anew(state: ProjectState, operation: Operation) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("elsewhere it is done in one go")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX {_name(operation)} ON kit_parcel (id)")
        cursor.execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{_name(operation)}'::regclass")
    _run(state, operation, atomic=False)
    assert _constraints()[_name(operation)]["columns"] != ["id"]


@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_a_migration_that_forgot_its_atomic_is_told_so_everywhere(state: ProjectState, operation: Operation) -> None:
    with pytest.raises(NotSupportedError, match="atomic = False"):
        _run(state, operation)


def test_a_constraint_that_is_deferrable_has_no_index_to_begin_with() -> None:
    for constraint in (
        models.UniqueConstraint(fields=["number"], name="late", deferrable=models.Deferrable.DEFERRED),
        models.CheckConstraint(condition=models.Q(number=1), name="one"),
    ):
        with pytest.raises(TypeError):
            AddUniqueConcurrently("parcel", constraint)  # type: ignore[arg-type]  # one of them is of another kind


def _after(state: ProjectState, operation: Operation) -> ProjectState:
    then = state.clone()
    operation.state_forwards("kit", then)
    return then


def _run(state: ProjectState, operation: Operation, *, atomic: bool = True) -> ProjectState:
    migration = type("Made", (Migration,), {"operations": [operation], "atomic": atomic})("0001_any", "kit")
    with connection.schema_editor(atomic=atomic) as editor:
        then: ProjectState = migration.apply(state.clone(), editor)
        return then


def _run_back(state: ProjectState, then: ProjectState, operation: Operation, *, atomic: bool = False) -> None:
    with connection.schema_editor(atomic=atomic) as editor:
        operation.database_backwards("kit", editor, then, state)


def _constraints() -> dict[str, Any]:
    with connection.cursor() as cursor:
        found: dict[str, Any] = connection.introspection.get_constraints(cursor, "kit_parcel")
        return found


def _name(operation: Any) -> str:
    return str(operation.index.name if isinstance(operation, AddIndexConcurrently) else operation.constraint.name)
