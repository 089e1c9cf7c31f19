"""The margin of days that are kept: the same as one counted now, to the last millionth, whatever is refunded later."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import BooksDay, Payment, Wallet
from generator.library import margin
from generator.models import Attempt, Generation, Upstream
from reveweb.books import days
from tests.billing import books
from tests.generator.test_margin import drawn, money, sold
from tests.reveweb.test_books import age

pytestmark = pytest.mark.services

DAY = timedelta(days=1)


@pytest.fixture
def reve(wallet: Wallet) -> Upstream:
    return Upstream.objects.get(slug="reve")


@pytest.fixture
def payment(wallet: Wallet, reve: Upstream) -> Payment:
    """Two days ago 10 credits were sold for $1 and 4 of them spent, on the day after it another 2; 3 today."""
    books.take(wallet, wallet.balance, reference="taken:all")
    payment = sold(wallet, 10, 100)
    drawn(wallet, 4, reve, "0.04")
    age(24)
    drawn(wallet, 2, reve, "0.05")
    age(24)
    drawn(wallet, 3, reve, None)
    return payment


def report(patience: float | None = None, *, back: int = 5) -> margin.Report:
    start = datetime.combine(days.today(), datetime.min.time(), UTC)
    return margin.report(start - back * DAY, start + DAY, patience)


def counted_anew() -> margin.Report:
    kept = dict(BooksDay.objects.values_list("pk", "margin"))
    BooksDay.objects.update(margin=None)
    found = report()
    for pk, told in kept.items():
        BooksDay.objects.filter(pk=pk).update(margin=told)
    return found


def keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "SETTLED", timedelta(0))  # or the first hour of a day would be another's
    days.keep()


def test_a_kept_day_comes_to_what_is_counted_now(payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    now = report()
    [row] = now.rows
    assert (row.images, row.credits, row.tries, row.unknown) == (3, 9, 3, 1)
    assert (row.brought, row.cost) == (money(USD="0.90"), money(USD="0.09"))
    keep(monkeypatch)
    assert BooksDay.objects.filter(margin__isnull=False).count() == 2
    assert report() == now

    BooksDay.objects.filter(day=days.today() - 2 * DAY).update(margin=[])  # is what the page reads
    [row] = report().rows
    assert (row.images, row.credits, row.brought) == (2, 5, money(USD="0.50"))


def test_what_is_refunded_later_counts_in_kept_days(payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch)
    assert payment.grant
    Payment.objects.update(refunded=50)
    books.follow_refunds(payment.grant, 50, 100)  # took the one credit that was left: 50 cents for 9
    [row] = report().rows
    assert (row.credits, row.brought) == (9, money(USD="0.50"))
    assert report() == counted_anew()

    dispute = books.disputed(payment.grant)
    dispute.status = "lost"
    dispute.save()
    assert report() == counted_anew()


def test_a_credit_that_staff_returned_counts_against_its_day(wallet: Wallet, payment: Payment, reve: Upstream) -> None:
    image = drawn(wallet, 1, reve, None)
    age()
    books.give_back(image.credit_reference)
    Payment.objects.update(refunded=50)  # of which no claim is known
    days.keep()
    [row] = report().rows
    assert (row.images, row.credits, row.brought) == (3, 9, money(USD="0.45"))
    assert report() == counted_anew()


def test_days_that_a_page_does_not_wait_for_are_in_no_sum(payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = report(0)
    assert (nothing.rows, nothing.uncounted) == ([], 3)
    keep(monkeypatch)
    BooksDay.objects.filter(day=days.today() - 2 * DAY).update(margin=None)
    Payment.objects.update(refunded=50)
    found = report(0)
    [row] = found.rows
    assert found.uncounted == 2
    assert (row.credits, row.brought) == (2, money(USD="0.10"))  # yesterday's, at five cents


def test_days_kept_by_an_earlier_version_are_counted(payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch)
    before = list(BooksDay.objects.order_by("day").values_list("margin", flat=True))
    BooksDay.objects.update(margin=None, sold=1)
    days.keep_margins()
    assert list(BooksDay.objects.order_by("day").values_list("margin", flat=True)) == before
    assert set(BooksDay.objects.values_list("sold", flat=True)) == {1}  # which nobody asked to count anew


def test_a_month_reads_no_entry_of_a_kept_day(payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch)
    with CaptureQueriesContext(connection) as few:
        report(back=2)
    with CaptureQueriesContext(connection) as many:
        report(back=30)
    assert len(many) == len(few)


def test_a_try_that_is_under_way_is_in_no_day(payment: Payment, reve: Upstream) -> None:
    generation = Generation.objects.order_by("pk")[0]
    Attempt.objects.create(generation=generation, number=2, upstream=reve, started_at=timezone.now() - DAY)
    [row] = report().rows
    assert row.tries == 3
