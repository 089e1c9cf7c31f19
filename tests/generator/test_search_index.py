"""`build_search_index`: the index of prompts is made on a live table, again and again, and after an interruption."""

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import Wallet
from generator.library import search_index
from generator.models import Generation
from tests import ROOT
from tests.installation import wait_until

pytestmark = pytest.mark.services

UNDER_WAY = "SELECT true FROM pg_stat_progress_create_index WHERE datname = current_database()"
BACKWARDS = re.compile(r"manage\.py migrate\s+[a-z]\w*\s+(?:\d{4}\w*|zero)")


def build() -> str:
    out = io.StringIO()
    call_command("build_search_index", stdout=out)
    return out.getvalue()


def definition() -> str:
    """Return what the index is, "" when there is none that PostgreSQL would use."""
    query = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indisvalid AND indexrelid = to_regclass(%s)"
    with connection.cursor() as cursor:
        cursor.execute(query, [search_index.NAME])
        row = cursor.fetchone()
    return row[0] if row else ""


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def build_on_a_thread() -> str:
    try:
        return build()
    finally:
        connection.close()


def other_connection() -> "psycopg.Connection[tuple[Any, ...]]":
    """Return a connection of somebody else's."""
    named = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "dbname"}
    known = {word: connection.settings_dict[name] for name, word in named.items() if connection.settings_dict[name]}
    return psycopg.connect(**known, autocommit=True)


PEOPLE = import_module("accounts.migrations.0008_search_people").INDEX


@pytest.fixture
def migrated(transactional_db: None) -> Iterator[str]:
    """The index as `migrate` makes it; it is there again when the test is over."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has it")
    yield definition()
    build()


def test_a_prompt_that_an_earlier_version_wrote_is_found_again(wallet: Wallet, generation: Generation) -> None:
    Generation.objects.update(prompt="A CAFÉ", search_text="")
    assert build().startswith("1 prompts were noted")
    assert Generation.objects.get().search_text == "a café"
    assert "noted" not in build()


def test_sqlite_needs_none(transactional_db: None) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("there it does")
    assert build().startswith("Nothing to do: on SQLite")


def test_it_is_made_as_migrate_makes_it_and_then_left_alone(migrated: str) -> None:
    assert migrated
    assert build() == "Nothing to do: the index generation_search is there.\n"
    run("DROP INDEX generation_search")
    for extension in search_index.EXTENSIONS:
        run(f"DROP EXTENSION {extension} CASCADE")
    said = build()
    run(PEOPLE)  # whose index went with the extension
    assert definition() == migrated
    assert said.count("was created") == 2
    assert said.endswith("The index generation_search is there now.\n")


def test_people_write_while_it_is_built(migrated: str) -> None:
    run("DROP INDEX generation_search")
    with other_connection() as other, other_connection() as third, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN")
        try:
            other.execute("LOCK TABLE generator_generation IN ROW EXCLUSIVE MODE")  # somebody writes
            building = pool.submit(build_on_a_thread)
            wait_until(lambda: third.execute(UNDER_WAY).fetchone())
            third.execute("SET lock_timeout = '60s'")
            third.execute("UPDATE generator_generation SET prompt = prompt")
            assert not building.done()
        finally:
            other.execute("COMMIT")
        assert "is there now" in building.result(100)
    assert definition() == migrated


def test_an_index_that_an_interruption_left_is_made_anew(migrated: str) -> None:
    run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'generation_search'::regclass")
    assert not definition()
    assert "interrupted attempt" in build()
    assert definition() == migrated


def test_words_that_are_deleted_for_good_meanwhile_do_not_come_back(
    migrated: str, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    Generation.objects.update(search_text="")
    refused = []

    def fold(prompt: str) -> str:
        with other_connection() as other:
            other.execute("SET lock_timeout = '200ms'")
            try:
                other.execute("UPDATE generator_generation SET prompt = '', search_text = ''")
            except psycopg.errors.LockNotAvailable:
                refused.append(prompt)  # it waits for its turn, and comes after
        return prompt

    monkeypatch.setattr(search_index, "folded", fold)
    build()
    assert refused == [generation.prompt]


def test_two_do_not_build_at_once(migrated: str) -> None:
    with other_connection() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [search_index._LOCK])
        with pytest.raises(CommandError, match="at this moment"):
            build()
        other.execute("SELECT pg_advisory_unlock(%s)", [search_index._LOCK])  # a session ends somewhat later
    assert "Nothing to do" in build()


def test_where_an_extension_may_not_be_made_it_says_who_can(migrated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("DROP INDEX generation_search")
    run("DROP EXTENSION btree_gin")
    run("CREATE ROLE search_index_nobody")
    table = "GRANT ALL ON generator_generation TO search_index_nobody"
    try:
        run(table)
        run("SET ROLE search_index_nobody")
        with pytest.raises(CommandError) as refused:
            build()
        assert 'CREATE EXTENSION btree_gin"' in str(refused.value)
        assert "\n" not in str(refused.value)
        run("RESET ROLE")
        assert not definition()
        monkeypatch.setattr(search_index, "EXTENSIONS", ("no_such_extension",))
        with pytest.raises(CommandError, match="postgresql-contrib"):
            build()
        monkeypatch.undo()
    finally:
        run("RESET ROLE")
        run("DROP OWNED BY search_index_nobody")
        run("DROP ROLE search_index_nobody")


def test_no_document_asks_to_migrate_backwards() -> None:
    documents = [path for where in ("*.md", "docs/**/*.md", "*/**/*.md") for path in ROOT.glob(where)]
    ours = [path for path in documents if "node_modules" not in path.parts and ".venv" not in path.parts]
    assert len(ours) > 15
    assert [path.name for path in ours if BACKWARDS.search(path.read_text())] == []
