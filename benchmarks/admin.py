"""Whether the admin answers at once at size: `.venv/bin/python -m benchmarks.admin` (some minutes for each database).

Fills a database of its own with `benchmarks.crowd`. Then it opens, as a superuser and in one process, every list of
the admin (its first, 50th and last page, each filter, each column as the order, a search that finds one row, none, and
many), a page of one row of each, a person, the search of Ctrl+K, the first page and the books, and prints those that
took longer than 300 ms, with their slowest queries and those's plans. Runs on SQLite, and on PostgreSQL too where that
answers on its standard local port. `ON=sqlite` leaves PostgreSQL out, `BUSY=1` counts this process's own work where a
busy machine makes it wait (which says nothing of PostgreSQL's), `KEEP=folder` keeps the databases for the next time.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from benchmarks.crowd import DAYS, PEOPLE, fill
from tests import ROOT

LIMIT = 0.3  # seconds
PATIENCE = 3  # seconds after which a page has failed
SERVER = "postgres://postgres@127.0.0.1:5432/"
DATABASE = "reveweb_admin_benchmark"
BUSY = bool(os.environ.get("BUSY"))


def main() -> None:
    """Measure on every database there is."""
    kept = os.environ.get("KEEP")
    with tempfile.TemporaryDirectory() as folder:
        folder = kept or folder
        print("SQLite", flush=True)
        _child(folder, f"sqlite:///{folder}/benchmark.sqlite3")
        if os.environ.get("ON") == "sqlite":
            return
        if not _psql("SELECT 1"):
            print("PostgreSQL does not answer on its standard local port.")
            return
        if not kept:
            _psql(f"DROP DATABASE IF EXISTS {DATABASE}")
        _psql(f"CREATE DATABASE {DATABASE}")
        print("PostgreSQL", flush=True)
        try:
            _child(folder, SERVER + DATABASE)
        finally:
            if not kept:
                _psql(f"DROP DATABASE IF EXISTS {DATABASE}")


def _child(folder: str, database: str) -> None:
    environment = {**os.environ, "VAR_DIR": folder, "ENV_FILE": "", "DATABASE_URL": database, "REDIS_URL": ""}
    subprocess.run([sys.executable, "-m", "benchmarks.admin", "measure"], cwd=ROOT, env=environment, check=True)


def _psql(statement: str) -> bool:
    command = ["psql", "-q", "-h", "127.0.0.1", "-U", "postgres", "-c", statement]
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


Page = tuple[str, str]


def pages() -> Iterator[Page]:
    """Yield every page to open, with a name for it."""
    from django.contrib import admin
    from django.test import RequestFactory
    from django.urls import reverse

    from accounts.models import User

    boss = User.objects.get(email="boss@example.com")
    request: Any = RequestFactory().get("/admin/")
    request.user = boss
    for model, model_admin in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        address = reverse(f"admin:{name}_changelist")
        count = model._default_manager.count()
        yield f"{name}: first page", address
        size = model_admin.list_per_page
        for page in {min(50, count // size), max(1, -(-count // size))} - {0, 1}:
            yield f"{name}: page {page}", f"{address}?p={page}"
        for at, _ in enumerate(model_admin.get_list_display(request), 1):
            for sign in ("", "-"):
                yield f"{name}: order {sign}{at}", f"{address}?o={sign}{at}"
        request.GET = request.GET.copy()
        try:
            listed = model_admin.get_changelist_instance(request)
        except Exception as error:
            print(name, error)
            continue
        for spec in listed.filter_specs:
            for choice in list(spec.choices(listed)):
                if query := str(choice.get("query_string", "")).lstrip("?"):
                    yield f"{name}: filter {query}", f"{address}?{query}"
        if model_admin.get_search_fields(request):
            for kind, text in SEARCHES.items():
                yield f"{name}: search {kind}", f"{address}?{urlencode({'q': text})}"
        first = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
        if first is not None:
            yield f"{name}: one row", reverse(f"admin:{name}_change", args=[first])
            yield f"{name}: its history", reverse(f"admin:{name}_history", args=[first])
    yield "a person with all of it", reverse("admin:accounts_user_change", args=[1 + 7919 % PEOPLE])
    for text in SEARCHES.values():
        yield f"Ctrl+K {text}", f"{reverse('admin:search')}?{urlencode({'s': text})}"
    yield "cockpit", reverse("admin:index")
    today = datetime.now(UTC).date()
    year = urlencode({"since": today - timedelta(days=DAYS - 2), "until": today})
    for extra in ("books", "margin"):
        yield extra, reverse(f"admin:{extra}")
        yield f"{extra} of a year", f"{reverse(f'admin:{extra}')}?{year}"
    for act in ("take_out", "put_back", "test"):
        yield f"an upstream: {act}", reverse(f"admin:upstream_{act}", args=[1])


SEARCHES = {
    "one person": "person77@studio.art",
    "nobody": "nobody@nowhere.test",
    "a common word": "person",
    "part": "smith",
    "no word": "zzzz",
    "an image": "img_4711",
    "a reference": "generation:img_4711",
}


def measure() -> None:
    """Fill the database that the environment names unless it is, open every page, and print the slow ones."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection, reset_queries
    from django.test import Client

    from accounts.models import User
    from reveweb.books import days

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    if not User.objects.exists():
        fill()
        User.objects.create_superuser("boss@example.com", "x" * 20)
    days.keep()  # as a worker does each night
    days.keep_margins()
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.get(email="boss@example.com"))
    connection.force_debug_cursor = True
    patience = _patience()
    times: dict[str, float] = {}
    only = os.environ.get("ONLY", "")
    client.get("/admin/")
    for name, address in list(pages()):
        if only and only not in name:
            continue
        best, cpu, queries = float("inf"), 0.0, []
        for _ in range(4):
            reset_queries()
            begun, worked = time.perf_counter(), time.process_time()
            patience(begun)
            try:
                answer: Any = client.get(address)
                status = answer.status_code
            except Exception as error:
                status = type(error).__name__
            took = time.process_time() - worked if BUSY else time.perf_counter() - begun
            if took < best:
                best, cpu, queries = took, time.process_time() - worked, list(connection.queries)
            if best < LIMIT or best > 3:
                break
        times[name] = best
        if best > LIMIT or status not in (200, 302):
            print(f"{best * 1000:7.0f} ms ({cpu * 1000:.0f} of work)  {name}  {address}  {status}", flush=True)
            for query in sorted(queries, key=lambda query: -float(query["time"]))[:2]:
                if float(query["time"]) > LIMIT / 4:
                    _explain(query)
    slow = [seconds for seconds in times.values() if seconds > LIMIT]
    print(
        f"{len(times)} pages: {len(slow)} over {LIMIT * 1000:.0f} ms; "
        f"median {statistics.median(times.values()) * 1000:.0f} ms, slowest {max(times.values()) * 1000:.0f} ms"
    )


def _patience() -> Callable[[float], None]:
    """Have no query take longer than some seconds, and return what begins the count anew."""
    from django.db import connection

    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {PATIENCE * 1000}")
        return lambda begun: None
    ends = [float("inf")]
    connection.ensure_connection()
    connection.connection.set_progress_handler(lambda: time.perf_counter() > ends[0], 100_000)

    def begin(at: float) -> None:
        ends[0] = at + PATIENCE

    return begin


def _explain(query: dict[str, str]) -> None:
    from django.db import connection

    sql = query["sql"]
    print(f"      {float(query['time']) * 1000:.0f} ms: {sql[:140]} … {sql[-220:]}")
    if not os.environ.get("PLANS"):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                ("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + sql.replace("%", "%%")
            )
            for row in cursor.fetchall()[:12]:
                print("        ", row[-1])
    except Exception as error:
        print("         no plan:", str(error)[:80])


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["measure"] else main()
