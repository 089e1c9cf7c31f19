"""A migration lets people go on writing: on a table that may be large, an index is made concurrently."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    AlterIndexTogether,
    AlterUniqueTogether,
    CreateModel,
    Migration,
    RenameModel,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from kit.migrations import AddIndexConcurrently, AddUniqueConcurrently

# The last ones from before this rule.
BEFORE = [
    ("accounts", "0002_preferences_and_caps"),
    ("billing", "0009_balance_crossings"),
    ("generator", "0007_count_key_months"),
    ("reveweb", "0002_expiring_failures"),
]
# What one operator writes, by hand; and the accounts at Stripe that an installation ever used.
SMALL = {"billing.plan", "billing.pack", "billing.price", "billing.stripeprice", "billing.stripeaccount"}
CONCURRENTLY = (AddIndexConcurrently, AddUniqueConcurrently)
_CREATE_INDEX = re.compile(r"\bCREATE\s+(UNIQUE\s+)?INDEX\b(?!\s+CONCURRENTLY\b)", re.IGNORECASE)


def faults(migration: Migration, state: ProjectState) -> Iterator[str]:
    """Yield a sentence for each lock that `migration` takes for as long as an index takes to make.

    `state` is the project's just before it, and is moved on.
    """
    app = migration.app_label
    concurrent = [isinstance(operation, CONCURRENTLY) for operation in migration.operations]
    if any(concurrent) and migration.atomic:
        yield f"{migration} makes an index concurrently: say atomic = False"
    if any(concurrent) and not all(concurrent):
        yield f"{migration} makes an index concurrently: other operations go into a migration of their own"
    fresh: set[str] = set()
    for operation in migration.operations:
        for one in _in_database(operation):
            if isinstance(one, CreateModel):
                fresh.add(one.name.lower())  # nobody writes to it yet
            elif isinstance(one, RenameModel) and one.old_name.lower() in fresh:
                fresh.add(one.new_name.lower())
            elif what := _locks(one, app, state, fresh):
                yield f"{migration}: {what} is made while nobody can write: see kit/migrations.py"
        operation.state_forwards(app, state)


def _in_database(operation: Operation) -> Sequence[Operation]:
    return operation.database_operations if isinstance(operation, SeparateDatabaseAndState) else [operation]


def _locks(operation: Operation, app: str, state: ProjectState, fresh: set[str]) -> str:
    """Return the index that `operation` makes at once on a table that may be large, or nothing."""
    if isinstance(operation, RunSQL):
        return "an index in SQL" if any(map(_CREATE_INDEX.search, _statements(operation))) else ""
    if isinstance(operation, CONCURRENTLY):
        return ""
    model = str(getattr(operation, "model_name", "") or getattr(operation, "name", "")).lower()
    if model in fresh or f"{app}.{model}" in SMALL:
        return ""
    match operation:
        case AddIndex():
            return f"the index {operation.index.name}"
        case AddConstraint(constraint=models.CheckConstraint()):
            return ""
        case AddConstraint():
            return f"the constraint {operation.constraint.name}"
        case AlterField() if _has_index(state.models[app, model].fields[operation.name]):
            return ""
        case AddField() | AlterField() if _has_index(operation.field):
            return f"the index of the field {operation.name}"
        case AlterUniqueTogether() | AlterIndexTogether() if operation.option_value:
            return f"an index of {operation.option_value}"
    return ""


def _has_index(field: "models.Field[Any, Any]") -> bool:
    return not field.many_to_many and (field.unique or getattr(field, "db_index", False))


def _statements(operation: RunSQL) -> list[str]:
    sql = [operation.sql] if isinstance(operation.sql, str) else operation.sql
    return [one if isinstance(one, str) else one[0] for one in sql]


def test_every_migration_makes_indexes_concurrently() -> None:
    loader = MigrationLoader(None)
    old = {node for newest in BEFORE for node in loader.graph.forwards_plan(newest)}
    ours = {config.label for config in apps.get_app_configs() if Path(config.path).parent == settings.BASE_DIR}
    assert {app for app, _ in BEFORE} <= ours
    leaves = [leaf for leaf in loader.graph.leaf_nodes() if leaf[0] in ours]
    newer = [
        node for leaf in leaves for node in loader.graph.forwards_plan(leaf) if node not in old and node[0] in ours
    ]
    found = [
        fault
        for node in dict.fromkeys(newer)
        for fault in faults(loader.graph.nodes[node], loader.project_state(node, at_end=False))
    ]
    assert found == []


INDEX = models.Index(fields=["due_at"], name="image_due")
UNIQUE = models.UniqueConstraint(fields=["due_at"], name="image_once")
CHECK = models.CheckConstraint(condition=models.Q(due_at__gt=0), name="image_late")
FOREIGN = models.ForeignKey("shop.Plan", models.PROTECT, null=True)


@pytest.mark.parametrize(
    "operations",
    [
        [AddIndex("image", INDEX)],
        [AddConstraint("image", UNIQUE)],
        [AddField("image", "token", models.CharField(max_length=9, unique=True, null=True))],
        [AddField("image", "token", models.SlugField(null=True))],
        [AddField("image", "plan", FOREIGN)],
        [AddField("image", "plan", models.OneToOneField("shop.Plan", models.PROTECT, null=True))],
        [AlterField("image", "due_at", models.IntegerField(db_index=True))],
        [AlterField("image", "due_at", models.IntegerField(unique=True))],
        [AlterUniqueTogether("image", {("id", "due_at")})],
        [RunSQL("create unique  index one on shop_image (due_at)")],
        [RunSQL([("SELECT 1", None), ("CREATE INDEX one ON shop_image (due_at)", None)])],
        [SeparateDatabaseAndState([AddIndex("image", INDEX)], [])],
        [RenameModel("Image", "Picture"), AddIndex("picture", INDEX)],
        [AddIndexConcurrently("image", INDEX)],
    ],
)
def test_a_lock_is_found(operations: list[Operation]) -> None:
    assert len(list(faults(_migration(operations), _state()))) == 1


def test_what_is_made_concurrently_stands_alone() -> None:
    both = [AddField("image", "token", models.TextField()), AddIndexConcurrently("image", INDEX)]
    assert len(list(faults(_migration(both, atomic=False), _state()))) == 1


@pytest.mark.parametrize(
    "operations",
    [
        [AddIndexConcurrently("image", INDEX), AddUniqueConcurrently("image", UNIQUE)],
        [RunSQL("CREATE INDEX CONCURRENTLY one ON shop_image (due_at)")],
    ],
)
def test_what_is_made_concurrently_is_fine(operations: list[Operation]) -> None:
    assert list(faults(_migration(operations, atomic=False), _state())) == []


@pytest.mark.parametrize(
    "operations",
    [
        [AddIndex("plan", models.Index(fields=["id"], name="plan_id"))],
        [AddField("image", "words", models.TextField(default=""))],
        [AddField("image", "plan", models.ForeignKey("shop.Plan", models.PROTECT, null=True, db_index=False))],
        [AddField("image", "plans", models.ManyToManyField("shop.Plan"))],
        [AddConstraint("image", CHECK)],
        [AlterField("image", "token", models.CharField(max_length=90, unique=True))],
        [AlterUniqueTogether("image", set())],
        [CreateModel("Group", [("id", models.BigAutoField(primary_key=True))]), AddIndex("group", INDEX)],
        [CreateModel("Group", []), RenameModel("Group", "Press"), AddIndex("press", INDEX)],
        [SeparateDatabaseAndState([], [AddIndex("image", INDEX)])],
    ],
)
def test_what_locks_nobody_out_is_fine(operations: list[Operation], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "SMALL", {"shop.plan"})
    assert list(faults(_migration(operations), _state())) == []


def _migration(operations: list[Operation], *, atomic: bool = True) -> Migration:
    made: type[Migration] = type("Made", (Migration,), {"operations": operations, "atomic": atomic})
    return made("0002_more", "shop")


def _state() -> ProjectState:
    number = models.BigAutoField(primary_key=True)
    token = models.CharField(max_length=9, unique=True)
    fields: dict[str, models.Field[Any, Any]] = {"id": number, "due_at": models.IntegerField(), "token": token}
    state = ProjectState()
    state.add_model(ModelState("shop", "Plan", {"id": models.BigAutoField(primary_key=True)}))
    state.add_model(ModelState("shop", "Image", fields))
    return state
