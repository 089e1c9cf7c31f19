"""The books of days: sums made by hand, which reconcile, whether a day is counted now or was kept."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from billing.models import BooksDay, CreditEntry, CreditGrant, Dispute, Payment, Refund, Wallet
from billing.staff import acts
from generator.models import Attempt, Generation, Upstream
from reveweb.books import days, report
from tests.billing import books

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _at_any_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first hour of a day the one before is not kept yet."""
    monkeypatch.setattr(days, "SETTLED", timedelta(0))


def sell(wallet: Wallet, credits: int, amount: int) -> Payment:
    grant = books.grant(wallet, credits, reference=f"checkout:cs_{credits}")
    about = {"reference": f"checkout:cs_{credits}", "amount": amount, "currency": "usd", "credits": credits}
    return Payment.objects.create(wallet=wallet, grant=grant, description="Credits", **about)


@pytest.fixture
def lively(wallet: Wallet) -> Wallet:
    """3 welcome credits, 100 sold for $9, 5 by staff; 4 spent, 1 of them returned, 2 set aside, 10 taken."""
    payment = sell(wallet, 100, 900)
    acts.grant(actor=None, wallet=wallet, credits=5, reason="Kind", reference="staff:1")
    for number in range(4):
        books.hold(wallet, 1, reference=f"generation:{number}")
        books.settle(f"generation:{number}")
    books.give_back("generation:0")
    books.hold(wallet, 1, reference="generation:failed")
    books.release("generation:failed")
    books.hold(wallet, 2, reference="generation:under way")
    books.take(wallet, 10, reference="taken:1")
    deadline = timezone.now() + timedelta(hours=1)
    generation = Generation.objects.create(wallet=wallet, prompt="x", deadline_at=deadline, due_at=deadline)
    Attempt.objects.create(
        generation=generation,
        number=1,
        upstream=Upstream.objects.get(slug="reve"),
        state=Attempt.State.DRAWN,
        cost_micros=40_000,
        cost_currency="USD",
        ended_at=timezone.now(),
    )
    assert payment.grant
    Refund.objects.create(grant=payment.grant, refunded=100, paid=900)
    Dispute.objects.create(stripe_id="dp_1", payment=payment, status="lost", amount=200, closed_at=timezone.now())
    return wallet


def age(hours: int = 48) -> None:
    """Let everything have happened earlier."""
    back = timedelta(hours=hours)
    for model, name in ((CreditEntry, "created_at"), (Payment, "created_at"), (Attempt, "ended_at")):
        for row in model._default_manager.all():
            _set(row, name, getattr(row, name) - back)


def _set(row: Model, name: str, value: datetime) -> None:
    """Change what is never edited."""
    column: Any = row._meta.get_field(name)
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{row._meta.db_table}" SET "{name}" = %s WHERE id = %s',
            [column.get_db_prep_value(value, connection), row.pk],
        )


def columns(row: BooksDay | report.Line) -> dict[str, int]:
    return {name: getattr(row, name) for name in BooksDay.CREDITS}


SUMS = {"sold": 100, "staff": 5, "welcome": 3, "other": 0, "spent": 4, "returned": 1, "expired": 0, "taken": 10}


def test_a_day_is_added_up_and_reconciles(lively: Wallet) -> None:
    found = report.report(days.today(), days.today())
    [line] = found.lines
    assert columns(line) == SUMS
    assert (line.opening, line.closing, line.aside, line.astray) == (0, 95, 2, 0)
    lively.refresh_from_db()
    assert line.closing == lively.balance + 2
    assert line.took == {"USD": Decimal("9.00")}
    assert line.back == {"USD": Decimal("3.00")}
    assert line.charged == {"USD": Decimal("0.04")}
    assert line.left == {"USD": Decimal("5.96")}
    assert line.is_partial
    assert report.standing() == report.Standing(93, 93)


def test_days_that_are_over_are_kept_and_say_the_same(lively: Wallet) -> None:
    age()
    today = days.today()
    found = report.report(today - timedelta(days=3), today)
    assert (found.uncounted, BooksDay.objects.count()) == (0, 2)
    assert columns(found.whole) == SUMS
    day = BooksDay.objects.get(day=today - timedelta(days=2))
    assert (day.change, day.aside, day.took, day.costs) == (95, 2, {"usd": 900}, {"USD": 40_000})
    assert [line.closing for line in found.lines] == [95, 95, 95]
    assert report.report(today, today).lines[0].opening == 95
    assert report.standing() == report.Standing(93, 93)


def test_what_is_not_counted_in_time_is_said_and_what_waits_gets_it_all(lively: Wallet) -> None:
    age()
    today = days.today()
    hurried = report.report(today - timedelta(days=3), today, patience=0)
    assert (hurried.uncounted, hurried.lines[-1].is_counted, hurried.whole.sold) == (2, False, 0)
    assert report.report(today - timedelta(days=3), today).whole.sold == 100


def test_the_night_counts_the_latest_days_again(lively: Wallet) -> None:
    age()
    days.keep()
    BooksDay.objects.update(sold=1)
    days.keep_again()
    assert sum(BooksDay.objects.values_list("sold", flat=True)) == 100
    assert BooksDay.objects.count() == 2


def test_a_balance_that_moved_without_an_entry_is_a_drift_of_its_day(lively: Wallet) -> None:
    Wallet.objects.update(balance=193)
    books.hold(lively, 1, reference="generation:later")
    [line] = report.report(days.today(), days.today()).lines
    assert line.astray == 100
    standing = report.standing()
    assert standing is not None
    assert standing.difference == 100


def test_a_refund_counts_when_it_was_and_back_when_it_failed(lively: Wallet) -> None:
    grant = CreditGrant.objects.get(source="pack")
    Refund.objects.create(grant=grant, refunded=300, paid=900)
    [line] = report.report(days.today(), days.today()).lines
    assert line.back == {"USD": Decimal("5.00")}
    Refund.objects.filter(refunded=300).update(failed_at=timezone.now())
    [line] = report.report(days.today(), days.today()).lines
    assert line.back == {"USD": Decimal("3.00")}


def test_sums_of_days_and_currencies_are_those_made_by_hand(wallet: Wallet) -> None:
    """Three days, at their very borders in UTC, with yen (no decimals) and dinars (three) beside dollars."""
    today = days.start_of(days.today())
    first, second = today - 3 * days.DAY, today - 2 * days.DAY
    last_moment = timedelta(microseconds=1)
    sales = [
        ("usd", 900, 10, second - last_moment),  # refunded in part twice, on other days; the second part fails
        ("jpy", 1500, 20, second),
        ("kwd", 12_345, 30, second),
        ("usd", 0, 5, second),  # credits without money, by a coupon
        ("usd", 700, 40, today - last_moment),  # disputed and lost on the day after
    ]
    sold = []
    for currency, amount, credits, at in sales:
        payment = sell(wallet, credits, amount)
        Payment.objects.filter(pk=payment.pk).update(currency=currency)
        for row in (payment, CreditEntry.objects.get(reference=payment.reference)):
            _set(row, "created_at", at)
        sold.append(payment)
    _set(CreditEntry.objects.get(cause__startswith="Welcome"), "created_at", first)
    about = {"grant": sold[0].grant, "paid": 900}
    Refund.objects.create(refunded=300, created_at=second, **about)
    Refund.objects.create(refunded=900, created_at=today - last_moment, failed_at=today, **about)
    Dispute.objects.create(stripe_id="dp_1", payment=sold[4], status="lost", amount=700, closed_at=today)
    Dispute.objects.create(stripe_id="dp_2", payment=sold[1], status="won", amount=1500, closed_at=today)
    Payment.objects.filter(pk=sold[0].pk).update(refunded=300)
    found = report.report(first.date(), today.date())
    by_hand = {
        first.date(): (13, {"USD": "9.00"}, {}),
        second.date(): (55, {"JPY": "1500", "KWD": "12.345", "USD": "0.00"}, {"USD": "3.00"}),
        (today - days.DAY).date(): (40, {"USD": "7.00"}, {"USD": "6.00"}),
        today.date(): (0, {}, {"USD": "1.00"}),  # 7.00 lost, 6.00 that failed to go back
    }
    for line in found.lines:
        assert line.day
        credits, took, back = by_hand[line.day]
        told = ({code: str(each) for code, each in sums.items()} for sums in (line.took, line.back))
        assert (line.sold + line.welcome, *told) == (credits, took, back)
    assert {code: str(left) for code, left in found.whole.left.items()} == {
        "JPY": "1500",
        "KWD": "12.345",
        "USD": "6.00",
    }
    assert (found.whole.opening, found.whole.closing) == (0, 108)
    assert report.standing() == report.Standing(108, 108)


def test_where_nothing_happened_there_is_nothing(transactional_db: None) -> None:
    found = report.report(days.today(), days.today())
    assert found.whole.is_empty
    assert report.standing() == report.Standing(0, 0)
    assert datetime.now(UTC).date() == days.today()
