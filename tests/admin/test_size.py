"""No list of the admin reads a whole table that grows for ever: told from the plans of SQLite, of whatever size.

A list of such a table says so (`many_rows`), and then no query of its pages may scan one, be it for the rows, their
number, the choices of a filter, an order or a search. Whoever adds a list of a small table names it here.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import many_rows
from accounts.models import User
from billing.models import AuditRecord, CreditEntry, Wallet
from generator.models import Upstream
from tests.admin.conftest import Staff

pytestmark = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL reads small tables whole, as it should"
)

# Tables of which a few thousand rows are many, or that an operator fills.
SMALL = {
    "billing_bulk",
    "billing_codeoffer",
    "billing_dispute",
    "billing_pack",
    "billing_plan",
    "billing_price",
    "billing_staffrefund",
    "billing_stripeaccount",
    "generator_imagemodel",
    "generator_pause",
    "generator_price",
    "generator_promptrule",
    "generator_route",
    "generator_upstream",
    "generator_upstreamtrouble",
    "generator_webhookendpoint",
}
LISTS: dict[str, Any] = {
    f"{model._meta.app_label}_{model._meta.model_name}": each for model, each in admin.site._registry.items()
}
LARGE = {name: each for name, each in LISTS.items() if name not in SMALL}
# Without a list of their own.
GROWING = {*LARGE, "generator_attempt", "billing_creditline", *"eshglacpd"}  # as SQL of ours has them
# What stands anywhere in an address or a name is in no index: these are read whole, in one go.
WHOLE = {("accounts_user", "search smith"), ("billing_auditrecord", "search smith")}


@pytest.mark.parametrize("name", LARGE)
def test_nothing_that_is_asked_of_a_large_list_reads_a_whole_table(
    boss: Staff, wallet: Wallet, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGE[name].many_rows, f"{name} grows for ever: give its list many_rows, or name it among the small"
    monkeypatch.setattr(many_rows, "NEWEST", 0)  # as if there were more rows than are looked through
    AuditRecord.objects.create(actor=boss.user, wallet=wallet, action="x", reason="y")
    for what, address in addresses(name, boss):
        if (name, what) in WHOLE:
            continue
        with scans(LARGE) as found:
            list(LARGE[name].get_changelist_instance(asked(address, boss)).result_list)
        assert not found, f"{what} of {name}"


def asked(address: str, boss: Staff) -> Any:
    request: Any = RequestFactory().get(address)
    request.user = boss.user
    return request


def addresses(name: str, boss: Staff) -> Iterator[tuple[str, str]]:
    """Yield everything that a list offers."""
    each = LARGE[name]
    url = reverse(f"admin:{name}_changelist")
    request = asked(url, boss)
    yield "the list", url
    columns = each.get_list_display(request)
    for at in range(1, len(columns) + 1):
        yield f"order {at}", f"{url}?o={at}"
        yield f"order -{at}", f"{url}?o=-{at}"
    listed = each.get_changelist_instance(request)
    for spec in listed.filter_specs:
        for choice in spec.choices(listed):
            if query := str(choice.get("query_string", "")).lstrip("?"):
                yield f"filter {query}", f"{url}?{query}"
    if each.get_search_fields(request):
        for term in ("alice@example.com", "nobody@example.com", "smith", "img_1", "generation:img_1"):
            yield f"search {term}", f"{url}?q={term}"


@contextmanager
def scans(tables: Collection[str]) -> Iterator[list[str]]:
    """Gather what is read of a whole one of `tables` meanwhile, by the plans of what is asked."""
    found: list[str] = []

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith("SELECT") and (step := scanned(sql, params, tables)):
            found.append(f"{step}: {sql}")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield found


def scanned(sql: str, params: Any, tables: Collection[str]) -> str:
    """Return the step of a query's plan that reads a whole one of `tables`, "" where none does.

    A table that is read in an index's order is read as far as a page goes; without a limit it is shorter than one.
    Values stay bound, for SQLite plans otherwise where they are written out.
    """
    explain = f"EXPLAIN QUERY PLAN {sql}"
    if params:
        explain %= ("?",) * len(params)
    assert connection.connection
    steps = [row[3] for row in connection.connection.execute(explain, params or ())]
    sorts = any("TEMP B-TREE FOR ORDER BY" in step or "TEMP B-TREE FOR DISTINCT" in step for step in steps)
    asks_whether = sql.endswith("LIMIT 1")  # there is any: where there is none, all is read
    for step in steps:
        words = step.split()
        if words[0] != "SCAN" or words[1] not in tables or "LEFT-JOIN" in step:
            continue
        if is_partial(words[-1]):
            continue  # the few rows that are in it
        is_in_order = not sorts and ("ORDER BY" in sql or ("LIMIT" in sql and not asks_whether))
        if not is_in_order:
            return str(step)
    return ""


def is_partial(index: str) -> bool:
    """Tell whether an index has only some of a table's rows."""
    assert connection.connection
    which = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ? AND sql LIKE '% WHERE %'"
    return bool(connection.connection.execute(which, (index,)).fetchone())


def test_a_count_is_given_up(boss: Staff, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_rows, "COUNTED", 5)
    now = timezone.now()
    CreditEntry.objects.bulk_create(
        [
            CreditEntry(wallet=wallet, kind="expire", amount=0, balance_after=3, cause="x", created_at=now)
            for _ in range(9)
        ]
    )
    page = boss.text("billing_creditentry_changelist")
    assert "More than 5" in page


def test_a_filter_without_an_index_looks_at_the_newest_and_says_so(
    boss: Staff, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "newest"
    assert words not in boss.text("billing_creditentry_changelist", query="?kind__exact=grant")
    monkeypatch.setattr(many_rows, "NEWEST", 1)
    CreditEntry.objects.create(wallet=wallet, kind="expire", amount=0, balance_after=3, cause="x")
    assert words in boss.text("billing_creditentry_changelist", query="?kind__exact=grant")
    assert words not in boss.text("billing_creditentry_changelist")


def test_an_address_in_capitals_finds_its_person(boss: Staff, alice: User, wallet: Wallet) -> None:
    assert "alice@example.com" in boss.text("billing_creditentry_changelist", query="?q=Alice@Example.com")
    assert "alice@example.com" not in boss.text("billing_creditentry_changelist", query="?q=bob@example.com")


def test_no_page_of_an_upstream_and_no_cockpit_reads_a_whole_table(boss: Staff, wallet: Wallet) -> None:
    """What is under way is few of many; what a day or a month came to is kept, or read by its time."""
    upstream = Upstream.objects.get(slug="reve")
    pages = {
        "the first page": reverse("admin:index"),
        "the upstreams": reverse("admin:generator_upstream_changelist"),
        "an upstream": reverse("admin:generator_upstream_change", args=[upstream.pk]),
        "taking it out": reverse("admin:upstream_take_out", args=[upstream.pk]),
        "the margin": reverse("admin:margin"),
        "a person": reverse("admin:accounts_user_change", args=[wallet.user_id]),
    }
    for what, url in pages.items():
        with scans(GROWING) as found:
            assert boss.client.get(url).status_code == 200
        assert not found, what


def test_an_upstream_is_looked_at_once_for_its_page(boss: Staff, wallet: Wallet) -> None:
    upstream = Upstream.objects.get(slug="reve")
    with CaptureQueriesContext(connection) as captured:
        boss.client.get(reverse("admin:generator_upstream_change", args=[upstream.pk]))
    assert sum("generator_attempt" in query["sql"] for query in captured.captured_queries) == 2
