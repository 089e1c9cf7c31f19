"""On PostgreSQL: the index of the letters in prompts, made where `migrate` could not make it or was interrupted.

Searching works without it, only slower. It is made beside those who read and write; asking again does no harm.
"""

from collections.abc import Callable

from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper

from generator.models import Generation
from kit.text import folded

NAME = "generation_search"
TABLE = "generator_generation"
EXTENSIONS = ("pg_trgm", "btree_gin")
# As migration 0022 makes it: the condition is what `completed()` does.
CREATE = f"""
    CREATE INDEX CONCURRENTLY {NAME} ON {TABLE}
    USING gin (wallet_id, search_text gin_trgm_ops)
    WHERE status = 'completed' AND deleted_at IS NULL
"""
AT_ONCE = 1_000
_UNDER_WAY = """
    SELECT true FROM pg_stat_progress_create_index
    WHERE datname = current_database() AND index_relid = to_regclass(%s)
"""
_LOCK = 0x67656E5F776F7264  # "gen_word": held by whoever builds it


class CannotBuild(Exception):
    """The index cannot be built; the message says why and what to do."""


def build(say: Callable[[str], None]) -> None:
    """Make the index and the extensions that it needs, unless they are there; `say` hears what is done.

    Raises CannotBuild.
    """
    with connection.cursor() as cursor:
        if TABLE not in connection.introspection.table_names(cursor):
            raise CannotBuild("There is no table to index yet. Run first: manage.py migrate")
    if noted := _note_prompts():
        say(f"{noted:,} prompts were noted as a search compares them.")
    if connection.vendor != "postgresql":
        say("Nothing to do: on SQLite a search looks at each of one's prompts, and needs no index.")
        return
    with connection.cursor() as cursor:
        if not _answer(cursor, "SELECT pg_try_advisory_lock(%s)", _LOCK):
            raise CannotBuild("Somebody is building it at this moment. Run this again later to see what came of it.")
        try:
            _build(cursor, say)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _note_prompts() -> int:
    """Note what a process of an earlier version has written meanwhile, and return how many those were."""
    noted = last = 0
    unnoted = Generation.objects.filter(search_text="").exclude(prompt="").order_by("pk").only("prompt")
    while True:
        with transaction.atomic():  # nobody's words come back that are deleted for good meanwhile
            found = list(unnoted.filter(pk__gt=last).select_for_update()[:AT_ONCE])
            for generation in found:
                generation.search_text = folded(generation.prompt)
            noted += Generation.objects.bulk_update(found, ["search_text"])
        if not found:
            return noted
        last = found[-1].pk


def _build(cursor: CursorWrapper, say: Callable[[str], None]) -> None:
    is_valid = _answer(cursor, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", NAME)
    if is_valid:
        say(f"Nothing to do: the index {NAME} is there.")
        return
    for extension in EXTENSIONS:
        _ensure_extension(cursor, extension, say)
    if is_valid is not None:
        if _answer(cursor, _UNDER_WAY, NAME):  # by `migrate`, say
            raise CannotBuild("PostgreSQL is building it at this moment. Run this again later to see what came of it.")
        say("An interrupted attempt left an index that is never used: it goes first.")
        cursor.execute(f"DROP INDEX CONCURRENTLY {NAME}")
    say("The index is being built. The site goes on meanwhile; a large table takes minutes …")
    cursor.execute(CREATE)
    say(f"The index {NAME} is there now.")


def _ensure_extension(cursor: CursorWrapper, extension: str, say: Callable[[str], None]) -> None:
    if _answer(cursor, "SELECT true FROM pg_extension WHERE extname = %s", extension):
        return
    if not _answer(cursor, "SELECT true FROM pg_available_extensions WHERE name = %s", extension):
        raise CannotBuild(
            f"This PostgreSQL does not have the extension {extension}. On Debian the package postgresql-contrib has "
            "it; install that where the server runs, then run this again."
        )
    try:
        cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    except DatabaseError as error:
        database = connection.settings_dict["NAME"]
        raise CannotBuild(
            f"The extension {extension} could not be created ({str(error).splitlines()[0]}). As the database's owner "
            f'or a superuser, run: psql {database} -c "CREATE EXTENSION {extension}". Then run this again.'
        ) from error
    say(f"The extension {extension} was created.")


def _answer(cursor: CursorWrapper, query: str, *parameters: int | str) -> bool | None:
    """Return the one value that `query` gives; None when it gives no row."""
    cursor.execute(query, parameters)
    row = cursor.fetchone()
    return None if row is None else bool(row[0])
