"""A month on paper: it adds up, it is its owner's alone, and it is made quickly however much happened."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing.models import CreditEntry, Payment, Wallet
from billing.staff import repairs
from billing.statements import figures, paper
from tests.billing import books

THIS = timezone.now().date().replace(day=1)
LAST = (THIS - timedelta(days=1)).replace(day=1)


@pytest.fixture
def old(wallet: Wallet) -> Wallet:
    """Alice's account since last month, with what happened then: welcome, a pack, five images of which one failed."""
    Payment.objects.create(
        wallet=wallet,
        reference="checkout:cs_1",
        amount=500,
        currency="usd",
        description="50 credits",
        created_at=datetime(LAST.year, LAST.month, 3, tzinfo=UTC),
        grant=books.grant(wallet, 50, reference="checkout:cs_1", cause="50 credits bought"),
    )
    for number in range(5):
        books.hold(wallet, reference=f"generation:{number}")
    books.release("generation:0")
    books.settle("generation:1")
    _rows().filter(wallet=wallet).update(created_at=datetime(LAST.year, LAST.month, 3, 12, tzinfo=UTC))
    Wallet.objects.filter(pk=wallet.pk).update(created_at=datetime(LAST.year, LAST.month, 2, tzinfo=UTC))
    wallet.refresh_from_db()
    return wallet


def _rows() -> QuerySet[CreditEntry]:
    """Entries as they are in the table: their own manager refuses changes, as it should."""
    return QuerySet(CreditEntry)


@pytest.mark.services
def test_a_month_leads_from_its_opening_to_its_closing_balance(old: Wallet) -> None:
    books.take(old, 9, reference="staff:1", cause="Too many")
    last, this = (figures.statement(old, month.year, month.month) for month in (LAST, THIS))
    assert (last.opening, last.closing, this.opening, this.closing) == (0, 49, 49, 40)
    assert last.totals == {"Images": -5, "Returned": 1, "Granted": 53}
    assert [(one.words, one.count, one.credits) for one in this.movements] == [("Too many", 1, -9)]
    assert ("Images", 5, -5) in [(one.words, one.count, one.credits) for one in last.movements]
    assert [(paid.words, paid.amount) for paid in last.payments] == [("50 credits", "$5.00 USD")]


def test_a_month_in_which_nothing_happened_keeps_its_balance(old: Wallet) -> None:
    found = figures.statement(old, THIS.year, THIS.month)
    assert (found.opening, found.closing, found.movements) == (49, 49, [])


def test_no_entry_is_on_two_statements_when_times_and_order_differ_at_midnight(old: Wallet) -> None:
    midnight = datetime(THIS.year, THIS.month, 1, tzinfo=UTC)
    for number, seconds in ((10, 1), (11, -1)):  # the second one took its time before it waited for the wallet
        books.hold(old, reference=f"generation:{number}")
        _rows().filter(reference=f"generation:{number}").update(created_at=midnight + timedelta(seconds=seconds))
    last, this = (figures.statement(old, month.year, month.month) for month in (LAST, THIS))
    assert (last.closing, this.opening, this.closing) == (47, 47, 47)
    assert (last.totals["Images"], this.totals) == (-7, {})


def test_months_go_back_to_the_accounts_first(old: Wallet) -> None:
    assert figures.months(old) == [THIS, LAST]
    for year, month in ((LAST.year - 1, 1), (THIS.year + 1, 1)):
        with pytest.raises(ValueError, match="no statement"):
            figures.statement(old, year, month)


def test_a_balance_that_was_off_until_it_was_repaired_is_on_no_statement(old: Wallet) -> None:
    Wallet.objects.filter(pk=old.pk).update(balance=149)
    books.hold(old, reference="generation:of last month")
    _rows().filter(wallet=old).update(created_at=datetime(LAST.year, LAST.month, 4, tzinfo=UTC))
    repairs.repair(
        actor=None, wallets=[old.pk], shown=repairs.digest(repairs.planned([old.pk])), reason="Off by a hundred"
    )
    books.hold(old, reference="generation:of this month")
    last, this = (figures.statement(old, month.year, month.month) for month in (LAST, THIS))
    old.refresh_from_db()
    assert (last.opening, last.closing, this.opening, this.closing) == (0, 48, 48, old.balance)


def test_it_is_a_pdf_of_ones_own_that_nobody_keeps(client: Client, old: Wallet, bob: User) -> None:
    client.force_login(old.user)
    address = f"/dashboard/billing/statements/{LAST:%Y-%m}.pdf"
    assert address in client.get("/dashboard/billing/").content.decode()
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (
        200,
        "application/pdf",
        "private, no-store",
    )
    assert answer.content.startswith(b"%PDF-")
    client.force_login(bob)
    assert client.get(address).status_code == 404
    client.logout()
    assert client.get(address).status_code == 302
    for wrong in ("2026-13", "2026-0", "0-1", "99999-1", f"{10**20}-1", f"2026-{10**20}"):
        client.force_login(old.user)
        assert client.get(f"/dashboard/billing/statements/{wrong}.pdf").status_code == 404


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Zoë Łukasz", "Zoë Łukasz"),
        ("Ελένη", "Ελένη"),
        ("Ольга", "Ольга"),
        ("山田", "??"),
        ("ﬁn\u200b", "fin"),
        ("🎉", "?"),
    ],
)
def test_what_there_are_no_letters_for_is_told_by_a_question_mark(text: str, printed: str) -> None:
    assert paper.printable(text) == printed


def test_many_movements_take_pages_and_little_time(old: Wallet) -> None:
    now = datetime(LAST.year, LAST.month, 4, tzinfo=UTC)
    balance = Wallet.objects.get(pk=old.pk).balance
    rows = []
    for number in range(20_000):
        amount = -1 if number % 2 else 1
        balance += amount
        kind = "hold" if amount < 0 else "release"
        when = now + timedelta(minutes=number)
        rows.append(
            CreditEntry(wallet=old, kind=kind, amount=amount, balance_after=balance, cause="x", created_at=when)
        )
    CreditEntry.objects.bulk_create(rows, batch_size=2_000)
    began = datetime.now(UTC)
    found = figures.statement(old, LAST.year, LAST.month)
    file = paper.pdf(found)
    assert (datetime.now(UTC) - began).total_seconds() < 5  # 0.2 s on an idle machine
    assert len(found.movements) < 2 * 31 + 10
    assert file.count(b"/Type /Page\n") >= 2


def test_the_first_day_is_the_months_and_the_last_is_not_beyond_today(old: Wallet) -> None:
    last, this = (figures.statement(old, month.year, month.month) for month in (LAST, THIS))
    assert (last.first, last.until) == (LAST, THIS - timedelta(days=1))
    assert this.until == timezone.now().date()
