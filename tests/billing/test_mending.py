"""Kept figures that were changed behind the ledger's back are found, shown, and brought in line with the entries."""

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import BooksMoved, InsufficientCredits
from billing.ledger import Figure
from billing.ledger.mending import Kept
from billing.models import AuditRecord, Comparison, CreditGrant, Refund, Wallet
from billing.staff import audit, comparing, repairs, roles
from reveweb.watch import troubles
from reveweb.watch.troubles import Severity
from tests.billing import books

pytestmark = pytest.mark.services


def sql(statement: str, *values: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def off_balance(wallet: Wallet) -> Figure:
    sql("UPDATE billing_wallet SET balance = balance + 7 WHERE id = %s", wallet.pk)
    return Figure(wallet.pk, Kept.BALANCE, wallet.pk, 10, 3)


def off_grant(wallet: Wallet) -> Figure:
    grant = CreditGrant.objects.get(wallet=wallet)
    sql("UPDATE billing_creditgrant SET remaining = 1 WHERE id = %s", grant.pk)
    return Figure(wallet.pk, Kept.REMAINING, grant.pk, 1, 3, 3)


def off_refund(wallet: Wallet) -> Figure:
    grant = CreditGrant.objects.get(wallet=wallet)
    refund = Refund.objects.create(grant=grant, charge="ch_1", refunded=0, paid=900, credits=2, owed=2)
    sql("UPDATE billing_refund SET owed = 1 WHERE id = %s", refund.pk)
    return Figure(wallet.pk, Kept.OWED, refund.pk, 1, 2, 2)


@pytest.mark.parametrize("inject", [off_balance, off_grant, off_refund])
def test_a_figure_that_is_off_is_found_and_mended(wallet: Wallet, inject: Callable[[Wallet], Figure]) -> None:
    figure = inject(wallet)
    assert list(audit.figures()) != []
    assert repairs.planned(None) == [figure]
    repairs.repair(actor=None, wallets={wallet.pk}, shown=repairs.digest([figure]), reason="As shown")
    assert repairs.planned(None) == []
    if inject is not off_refund:  # a claim that nobody made stays one
        assert list(audit.figures()) == []
    record = AuditRecord.objects.get()
    name = record.before.keys()
    assert (record.wallet_id, list(record.before.values()), list(record.after.values())) == (
        wallet.pk,
        [figure.kept],
        [figure.true],
    )
    assert name == record.after.keys()


def test_what_moved_since_it_was_shown_is_left_alone(wallet: Wallet) -> None:
    figure = off_balance(wallet)
    books.hold(wallet, 1, reference="generation:1")
    with pytest.raises(BooksMoved):
        repairs.repair(actor=None, wallets={wallet.pk}, shown=repairs.digest([figure]), reason="As shown")
    wallet.refresh_from_db()
    assert (wallet.balance, AuditRecord.objects.count()) == (9, 0)
    with pytest.raises(BooksMoved):
        ledger.mend([figure])


def test_a_row_that_cannot_hold_what_the_entries_say_is_for_people(wallet: Wallet) -> None:
    sql("UPDATE billing_creditline SET amount = 50")
    assert repairs.planned(None) == []
    assert len(list(audit.figures())) == 2  # the grant has other lines than are left, the entry others than it moved
    figure = next(iter(ledger.astray()))
    with pytest.raises(ValueError, match="cannot hold"):
        ledger.mend([figure])


@pytest.mark.parametrize("inject", [off_balance, off_grant])
def test_where_entries_and_their_lines_disagree_a_repair_would_make_another_drift(
    wallet: Wallet, inject: Callable[[Wallet], Figure]
) -> None:
    hold = books.hold(wallet, 1, reference="generation:1")
    inject(wallet)
    sql("DELETE FROM billing_creditline WHERE entry_id = %s", hold.pk)
    kept = Wallet.objects.values_list("balance", "grants__remaining").get(pk=wallet.pk)
    figures = list(ledger.astray())
    assert figures
    assert repairs.planned(None) == []
    with pytest.raises(ValueError, match="cannot hold"):
        ledger.mend(figures)
    assert Wallet.objects.values_list("balance", "grants__remaining").get(pk=wallet.pk) == kept


def test_a_balance_is_not_brought_beyond_grants_that_cannot_follow(wallet: Wallet) -> None:
    """An entry and its line that somebody wrote by hand, of more than their grant was: one could be mended."""
    sql("UPDATE billing_creditentry SET amount = 50")
    sql("UPDATE billing_creditline SET amount = 50")
    [balance, grant] = sorted(ledger.astray())
    assert (balance.can_be_mended, grant.can_be_mended) == (True, False)
    assert repairs.planned(None) == []


def test_nobody_spends_what_a_balance_says_and_no_grant_has(wallet: Wallet) -> None:
    off_balance(wallet)
    books.hold(wallet, 3, reference="generation:1")
    with pytest.raises(InsufficientCredits) as refused:
        books.hold(wallet, 1, reference="generation:2")
    assert (refused.value.balance, refused.value.needed) == (0, 1)


def test_it_is_repaired_while_somebody_spends(wallet: Wallet) -> None:
    books.grant(wallet, 200, reference="checkout:cs_1")
    off_balance(wallet)

    def spend() -> None:
        try:
            for number in range(20):
                books.hold(wallet, 1, reference=f"generation:{number}")
        finally:
            connection.close()

    spender = threading.Thread(target=spend)
    spender.start()
    refused = 0
    while True:
        figures = repairs.planned({wallet.pk})
        if not figures:
            break
        try:
            repairs.repair(actor=None, wallets={wallet.pk}, shown=repairs.digest(figures), reason="As shown")
        except BooksMoved:
            refused += 1
    spender.join()
    wallet.refresh_from_db()
    assert wallet.balance == 203 - 20
    assert list(audit.figures()) == []
    assert AuditRecord.objects.count() == 1


def test_only_an_admin_repairs_and_only_within_reach(wallet: Wallet, bob: User, sam: User) -> None:
    figure = off_balance(wallet)
    shown = repairs.digest([figure])
    bob.is_staff = True
    bob.save()
    roles.sync()
    with pytest.raises(PermissionDenied):
        repairs.repair(actor=bob, wallets={wallet.pk}, shown=shown, reason="As shown")
    assert repairs.repair(actor=sam, wallets={wallet.pk}, shown=shown, reason="As shown") == [figure]
    assert AuditRecord.objects.get().actor == sam


def test_the_command_says_what_it_does_and_does_it(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    off_balance(wallet)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("audit_ledger", repair=True, stdout=StringIO())
    out = StringIO()
    call_command("audit_ledger", repair=True, yes=True, stdout=out)
    assert out.getvalue().splitlines() == [
        f"account {wallet.pk}, balance: 10 → 3",
        "1 figure repaired.",
        "1 accounts, no drift.",
    ]
    call_command("audit_ledger", repair=True, stdout=out)
    assert "There is nothing that can be repaired." in out.getvalue()


def test_the_last_comparison_is_kept_and_told(wallet: Wallet) -> None:
    assert comparing.trouble() is None
    off_balance(wallet)
    pk = comparing.begin()
    assert pk is not None
    assert comparing.begin() is None  # one at a time
    running = comparing.running()
    assert running is not None
    found = comparing.run(pk)
    assert (found.found, found.wallets, found.done) == (1, [wallet.pk], found.steps)
    assert (comparing.trouble() or "").startswith("1 figure does not follow from the ledger's entries, as of ")
    figures = repairs.planned(found.wallets)
    repairs.repair(actor=None, wallets=found.wallets, shown=repairs.digest(figures), reason="As shown")
    comparing.run(comparing.begin() or 0)
    assert comparing.trouble() is None


def test_the_commands_repair_ends_the_alarm_and_a_look_alone_writes_nothing(wallet: Wallet) -> None:
    off_balance(wallet)
    comparing.run(comparing.begin() or 0)
    with pytest.raises(CommandError, match="1 drifts"):
        call_command("audit_ledger", stdout=StringIO())
    assert Comparison.objects.count() == 1
    call_command("audit_ledger", repair=True, yes=True, stdout=StringIO())
    assert comparing.trouble() is None
    assert Comparison.objects.count() == 2


def test_a_repair_beside_another_comparison_says_so_and_still_names_what_is_left(wallet: Wallet) -> None:
    comparing.begin()
    out = StringIO()
    call_command("audit_ledger", repair=True, stdout=out)
    assert "Another comparison is under way" in out.getvalue()
    assert out.getvalue().splitlines()[-1] == "1 accounts, no drift."


def earlier(pk: int, days: float) -> None:
    """Let a comparison have been made so many days ago."""
    row = Comparison.objects.get(pk=pk)
    ago = timedelta(days=days)
    row.started_at, row.heard_at = row.started_at - ago, row.heard_at - ago
    row.ended_at = row.ended_at and row.ended_at - ago
    row.save()


def test_that_no_comparison_comes_to_its_end_is_told_after_two_days(wallet: Wallet) -> None:
    assert comparing.silence() is None  # a new installation
    pk = comparing.begin() or 0
    earlier(pk, 1.9)
    assert comparing.silence() is None  # the first was killed
    earlier(pk, 0.2)
    assert (comparing.silence() or "").startswith("The ledger was never compared to the end")
    good = comparing.run(comparing.begin() or 0).pk
    assert comparing.silence() is None
    earlier(good, 2.1)
    comparing.begin()  # and killed
    assert (comparing.silence() or "").startswith("The ledger was last compared on ")
    assert [(one.name, one.severity) for one in troubles.books()] == [("uncompared", Severity.ALARM)]
    earlier(good, 100)
    comparing.tidy()
    assert comparing.silence() is not None  # still, after months


def test_a_comparison_that_was_interrupted_makes_room(wallet: Wallet) -> None:
    pk = comparing.begin()
    Comparison.objects.update(heard_at=timezone.now() - comparing.SILENT * 2)
    assert comparing.running() is None
    assert comparing.begin() not in (None, pk)
