"""The page of the books: its days, its file, a comparison that is asked for, and a repair that does what it said."""

import csv
from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from billing import ledger
from billing.models import AuditRecord, Comparison, Wallet
from billing.staff import comparing
from reveweb.admin import books as pages
from reveweb.books import days, report
from tests.admin.conftest import Staff
from tests.billing import books
from tests.reveweb.test_books import age


def off(wallet: Wallet) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_wallet SET balance = balance + 7 WHERE id = %s", [wallet.pk])


def test_finance_sees_the_days_and_the_sum(finance: Staff, wallet: Wallet) -> None:
    page = finance.text("books")
    assert "Welcome" in page
    assert "so far" in page
    assert "The whole ledger was not compared yet" in page


def test_an_empty_period_says_what_would_be_there(finance: Staff, wallet: Wallet) -> None:
    assert "Nothing was sold" in finance.text("books", query="?since=2020-01-01&until=2020-01-02")
    assert "at most 400 days" in finance.text("books", query="?since=2020-01-01&until=2026-01-02")


def test_the_file_has_a_line_for_each_day(finance: Staff, wallet: Wallet) -> None:
    answer = finance.get("books_csv")
    [line] = csv.DictReader(answer.content.decode("utf-8-sig").splitlines())
    assert (line["welcome"], line["opening"], line["partial"]) == (line["closing"], "0", "yes")
    assert int(line["closing"]) == sum(Wallet.objects.values_list("balance", flat=True))
    assert line["day"] == f"{timezone.now():%Y-%m-%d}"


def test_a_long_time_is_shown_by_month_and_comes_to_the_same(finance: Staff, wallet: Wallet) -> None:
    age(24 * 100)
    books.grant(wallet, 5, reference="checkout:1")
    age(24 * 40)
    books.grant(wallet, 7, reference="checkout:2")
    days.keep()
    today = days.today()
    found = report.report(today - timedelta(days=150), today)
    months, held = report.by_month(found.lines), sum(Wallet.objects.values_list("balance", flat=True))
    assert [month.day for month in months] == sorted({day.day.replace(day=1) for day in found.lines if day.day})[::-1]
    assert [month.closing for month in months if month.sold] == [held, held - 7]
    assert report.total(months[::-1]) == found.whole

    query = f"?since={today - timedelta(days=150)}&until={today}"
    context = finance.get("books", query=query).context_data
    assert context["is_by_month"]
    assert [shown["line"].sold for shown in context["lines"]] == [7, 5, 0]
    [_, shown, _] = context["lines"]
    inside = finance.get("books", query=shown["url"]).context_data
    assert not inside["is_by_month"]
    assert inside["whole"]["line"].sold == 5


def test_a_comparison_is_asked_for_once(finance: Staff, wallet: Wallet) -> None:
    for _ in range(2):
        assert finance.post("books").status_code == 302
    assert Comparison.objects.get().actor == finance.user
    assert "0 of 9 steps done" in finance.text("books")


def test_a_drift_is_shown_and_its_repair_does_what_it_says(admin: Staff, finance: Staff, wallet: Wallet) -> None:
    off(wallet)
    comparing.run(comparing.begin() or 0)
    page = finance.text("books")
    assert "balance 10, entries 3, grants 3" in page
    assert "Repair …" not in page
    assert "Repair …" in admin.text("books")
    shown = admin.get("books_repair").context_data["shown"]
    done = admin.act("books_repair", shown=shown)
    assert done.status_code == 302
    wallet.refresh_from_db()
    assert wallet.balance == 3
    record = AuditRecord.objects.get(action="Repaired the books")
    assert (record.actor, record.before, record.after) == (admin.user, {"balance": 10}, {"balance": 3})


def test_a_repair_of_what_has_moved_shows_anew(admin: Staff, wallet: Wallet) -> None:
    off(wallet)
    comparing.run(comparing.begin() or 0)
    shown = admin.get("books_repair").context_data["shown"]
    books.hold(wallet, 1, reference="generation:1")
    answer = admin.act("books_repair", shown=shown)
    assert "Something has moved" in answer.content.decode()
    assert answer.context_data["shown"] != shown
    wallet.refresh_from_db()
    assert wallet.balance == 9


def test_who_is_out_of_reach_keeps_nobody_from_being_repaired(admin: Staff, wallet: Wallet) -> None:
    own = ledger.wallet_of(admin.user.pk)
    off(own)
    off(wallet)
    comparing.run(comparing.begin() or 0)
    page = admin.text("books_repair")
    assert "Left out: <a" in page
    assert "This is your own account" in page
    assert admin.act("books_repair", shown=admin.get("books_repair").context_data["shown"]).status_code == 302
    for one, balance in ((wallet, 3), (own, 10)):
        one.refresh_from_db()
        assert one.balance == balance


def test_what_was_paid_back_is_less_and_what_failed_to_go_is_more(finance: Staff) -> None:
    line = report.Line(days.today(), back={"USD": Decimal(3), "EUR": Decimal(-5), "JPY": Decimal(0)})
    assert pages._shown(line, [])["back"] == ["€5.00 EUR", "−$3.00 USD"]


def test_nobody_repairs_their_own_account(admin: Staff) -> None:
    own = ledger.wallet_of(admin.user.pk)
    off(own)
    page = admin.text("books_repair", query=f"?account={own.pk}")
    assert "This is your own account" in page
    assert "Do exactly this" not in page
