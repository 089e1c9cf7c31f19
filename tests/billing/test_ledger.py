"""The ledger: grants, holds and how they end, each written once; the books balance after every operation."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import InsufficientCredits, UnknownHold
from billing.models import CreditEntry, CreditGrant, CreditLine, Wallet
from tests import another
from tests.billing import books
from tests.billing.books import audit, history

pytestmark = pytest.mark.services

HOLD = "generation:1"


@pytest.fixture(autouse=True)
def _books_balance(transactional_db: None) -> Iterator[None]:
    yield
    for wallet in Wallet.objects.all():
        audit(wallet)


@pytest.fixture
def bobs(bob: User) -> Wallet:
    """Bob's account, with his own 3 welcome credits."""
    return ledger.wallet_of(bob.pk)


def grant(wallet: Wallet, credits: int, *, days: float | None = None, reference: str | None = None) -> CreditGrant:
    """Grant credits that expire in `days`, and return their bucket."""
    ends = None if days is None else timezone.now() + timedelta(days=days)
    return books.grant(wallet, credits, reference=reference or f"pack:{random.random()}", expires_at=ends)


def hold(wallet: Wallet, credits: int, reference: str = HOLD) -> CreditEntry:
    return books.hold(wallet, credits, reference=reference)


def release(reference: str = HOLD) -> CreditEntry:
    return books.release(reference)


def settle(reference: str = HOLD) -> CreditEntry:
    return books.settle(reference)


def take(wallet: Wallet, credits: int, reference: str = "staff:1") -> CreditEntry:
    return books.take(wallet, credits, reference=reference)


def expire_at(bucket: CreditGrant, moment: datetime) -> None:
    CreditGrant.objects.filter(pk=bucket.pk).update(expires_at=moment)


def lapse(bucket: CreditGrant) -> None:
    """Let a grant's time be up, without anybody having noticed yet."""
    expire_at(bucket, timezone.now() - timedelta(seconds=1))


def remaining(*buckets: CreditGrant) -> list[int]:
    return [CreditGrant.objects.get(pk=bucket.pk).remaining for bucket in buckets]


# --- Opening an account ----------------------------------------------------------------------------------------


def test_a_new_account_has_three_credits(wallet: Wallet) -> None:
    assert audit(wallet) == 3
    assert history(wallet) == [("grant", 3)]


def test_an_account_is_opened_once(alice: User, wallet: Wallet) -> None:
    assert ledger.wallet_of(alice.pk) == wallet
    assert Wallet.objects.count() == 1
    assert audit(wallet) == 3


def test_an_account_can_be_opened_without_welcome_credits(alice: User, settings: Any) -> None:
    settings.WELCOME_CREDITS = 0
    wallet = ledger.wallet_of(alice.pk)
    assert audit(wallet) == 0
    assert history(wallet) == []


def test_an_account_opened_by_many_at_once_gets_one_welcome(alice: User) -> None:
    found = at_once(8, lambda _: ledger.wallet_of(alice.pk))
    assert {wallet.balance for wallet in found} == {3}
    assert Wallet.objects.count() == 1
    assert history(found[0]) == [("grant", 3)]


# --- Granting --------------------------------------------------------------------------------------------------


def test_a_grant_adds_credits_as_a_bucket_of_their_own(wallet: Wallet) -> None:
    bucket = grant(wallet, 100)
    assert audit(wallet) == 103
    assert remaining(bucket) == [100]


def test_a_grant_with_a_known_reference_adds_nothing(wallet: Wallet) -> None:
    first = grant(wallet, 5, reference="stripe:evt_1")
    assert grant(wallet, 500, reference="stripe:evt_1") == first
    assert audit(wallet) == 8
    assert CreditGrant.objects.count() == 2


def test_a_grant_that_comes_many_times_at_once_is_granted_once(wallet: Wallet) -> None:
    at_once(8, lambda _: grant(wallet, 5, reference="stripe:evt_1"))
    assert audit(wallet) == 8


def test_a_grant_that_stops_half_way_never_was(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(CreditEntry.objects, "bulk_create", _dies)
        with pytest.raises(KeyboardInterrupt):
            grant(wallet, 5)
    assert audit(wallet) == 3


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("credits", [0, -1])
def test_a_grant_of_nothing_is_a_mistake(wallet: Wallet, credits: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        grant(wallet, credits)
    assert history(wallet) == [("grant", 3)]


def test_one_accounts_credits_never_touch_anothers(wallet: Wallet, bobs: Wallet) -> None:
    grant(wallet, 10, days=1)
    hold(wallet, 12)
    take(wallet, 1)
    release()
    assert audit(wallet) == 12
    assert audit(bobs) == 3
    assert history(bobs) == [("grant", 3)]


# --- Holding ---------------------------------------------------------------------------------------------------


def test_a_hold_sets_credits_aside(wallet: Wallet) -> None:
    entry = hold(wallet, 1)
    assert (entry.amount, entry.balance_after) == (-1, 2)
    assert audit(wallet) == 2


def test_a_hold_with_a_known_reference_holds_nothing_more(wallet: Wallet) -> None:
    assert hold(wallet, 2) == hold(wallet, 2)
    assert audit(wallet) == 1


def test_a_known_hold_is_found_even_when_nothing_is_left(wallet: Wallet) -> None:
    first = hold(wallet, 3)
    assert hold(wallet, 3) == first
    assert audit(wallet) == 0


def test_a_hold_beyond_the_balance_writes_nothing(wallet: Wallet) -> None:
    with pytest.raises(InsufficientCredits) as error:
        hold(wallet, 4)
    assert (error.value.balance, error.value.needed) == (3, 4)
    assert audit(wallet) == 3
    assert history(wallet) == [("grant", 3)]


def test_a_refused_hold_can_be_made_once_there_are_credits(wallet: Wallet) -> None:
    with pytest.raises(InsufficientCredits):
        hold(wallet, 4)
    grant(wallet, 1)
    hold(wallet, 4)
    assert audit(wallet) == 0


@pytest.mark.parametrize("credits", [0, -1, -3])
def test_a_hold_of_nothing_is_a_mistake(wallet: Wallet, credits: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        hold(wallet, credits)
    assert history(wallet) == [("grant", 3)]


def test_a_hold_takes_what_expires_soonest_first_and_what_never_expires_last(wallet: Wallet) -> None:
    welcome = CreditGrant.objects.get()
    later, sooner = grant(wallet, 4, days=20), grant(wallet, 5, days=10)
    hold(wallet, 7, "a")
    assert remaining(sooner, later, welcome) == [0, 2, 3]
    hold(wallet, 3, "b")
    assert remaining(sooner, later, welcome) == [0, 0, 2]


def test_of_two_that_never_expire_the_older_is_spent_first(wallet: Wallet) -> None:
    welcome, second = CreditGrant.objects.get(), grant(wallet, 5)
    hold(wallet, 4)
    assert remaining(welcome, second) == [0, 4]


def test_a_hold_notes_how_much_came_from_which_grant(wallet: Wallet) -> None:
    welcome, plan = CreditGrant.objects.get(), grant(wallet, 5, days=10)
    lines = hold(wallet, 6).lines.order_by("grant_id")
    assert [(line.grant, line.amount) for line in lines] == [(welcome, -1), (plan, -5)]


def test_a_hold_does_not_spend_what_has_expired(wallet: Wallet) -> None:
    plan = grant(wallet, 5, days=10)
    lapse(plan)
    hold(wallet, 3)
    assert remaining(plan) == [0]
    assert audit(wallet) == 0
    assert history(wallet)[-2:] == [("expire", -5), ("hold", -3)]


def test_a_hold_that_only_expired_credits_would_cover_is_refused(wallet: Wallet) -> None:
    lapse(grant(wallet, 5, days=10))
    with pytest.raises(InsufficientCredits) as error:
        hold(wallet, 4)
    assert error.value.balance == audit(wallet) == 3
    assert history(wallet) == [("grant", 3), ("grant", 5), ("expire", -5)]


def test_a_refusal_that_undoes_more_leaves_what_has_expired_to_be_written_off(wallet: Wallet) -> None:
    lapse(grant(wallet, 5, days=10))

    @transaction.atomic
    def two() -> None:
        hold(wallet, 1)
        hold(wallet, 4, "generation:2")

    with pytest.raises(InsufficientCredits) as error:
        two()
    assert error.value.balance == 2
    assert [ledger.write_off_expired(wallet), audit(wallet), ledger.write_off_expired(wallet)] == [3, 3, 3]
    assert history(wallet) == [("grant", 3), ("grant", 5), ("expire", -5)]


def test_no_purse_waits_for_rows_that_refer_to_it(wallet: Wallet) -> None:
    """As those of a request log do: one that is written with many others waits for whoever has the others."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    with another.connect() as refers, connection.cursor() as cursor:
        refers.execute("SELECT 1 FROM billing_wallet WHERE id = %s FOR KEY SHARE", [wallet.pk])
        cursor.execute("SET lock_timeout = '20s'")
        try:
            grant(wallet, 5, reference="stripe:evt_1")
        finally:
            cursor.execute("RESET lock_timeout")
    assert audit(wallet) == 8


def test_many_holds_at_once_spend_no_credit_twice(wallet: Wallet) -> None:
    grant(wallet, 2, days=1)

    def try_to_hold(number: int) -> bool:
        try:
            hold(wallet, 1, f"generation:{number}")
        except InsufficientCredits:
            return False
        return True

    assert sum(at_once(12, try_to_hold)) == 5
    assert audit(wallet) == 0


# --- Ending a hold ---------------------------------------------------------------------------------------------


def test_settling_spends_what_was_held(wallet: Wallet) -> None:
    hold(wallet, 1)
    entry = settle()
    assert (entry.amount, entry.balance_after, entry.kind) == (0, 2, "settle")
    assert audit(wallet) == 2


def test_settling_twice_does_nothing_more(wallet: Wallet) -> None:
    hold(wallet, 1)
    assert settle() == settle()
    assert history(wallet) == [("grant", 3), ("hold", -1), ("settle", 0)]


def test_releasing_gives_back_to_the_grants_it_came_from(wallet: Wallet) -> None:
    welcome, plan = CreditGrant.objects.get(), grant(wallet, 5, days=10)
    hold(wallet, 7)
    entry = release()
    assert (entry.amount, entry.balance_after) == (7, 8)
    assert remaining(welcome, plan) == [3, 5]


def test_releasing_twice_gives_back_once(wallet: Wallet) -> None:
    hold(wallet, 2)
    assert release() == release()
    assert audit(wallet) == 3


def test_releasing_in_many_places_at_once_gives_back_once(wallet: Wallet) -> None:
    hold(wallet, 2)
    at_once(8, lambda _: release())
    assert audit(wallet) == 3
    assert history(wallet) == [("grant", 3), ("hold", -2), ("release", 2)]


def test_what_was_settled_is_not_released_any_more(wallet: Wallet) -> None:
    hold(wallet, 1)
    settled = settle()
    assert release() == settled
    assert audit(wallet) == 2


def test_what_was_released_is_not_settled_any_more(wallet: Wallet) -> None:
    hold(wallet, 1)
    released = release()
    assert settle() == released
    assert audit(wallet) == 3


def test_a_hold_that_is_settled_and_released_at_once_ends_one_way(wallet: Wallet) -> None:
    hold(wallet, 2)
    outcomes = at_once(8, lambda n: release() if n % 2 else settle())
    assert len({entry.pk for entry in outcomes}) == 1
    assert audit(wallet) == (3 if outcomes[0].kind == "release" else 1)


@pytest.mark.parametrize("end", [settle, release])
def test_ending_a_hold_that_nobody_made_is_an_error(wallet: Wallet, end: Callable[[str], Any]) -> None:
    hold(wallet, 1)
    with pytest.raises(UnknownHold):
        end("generation:2")
    with pytest.raises(UnknownHold):
        end(str(CreditEntry.objects.get(kind="grant").reference))
    assert audit(wallet) == 2


# --- Coming back late ------------------------------------------------------------------------------------------


def test_credits_that_come_back_in_time_keep_their_end(wallet: Wallet) -> None:
    plan = grant(wallet, 5, days=10)
    hold(wallet, 5)
    release()
    assert CreditGrant.objects.get(pk=plan.pk).expires_at == plan.expires_at


def test_credits_that_come_back_late_get_seven_days(wallet: Wallet) -> None:
    plan = grant(wallet, 5, days=10)
    hold(wallet, 2)
    lapse(plan)
    release()
    plan.refresh_from_db()
    assert plan.expires_at is not None
    assert abs(plan.expires_at - timezone.now() - timedelta(days=7)) < timedelta(seconds=30)
    assert plan.remaining == 2


def test_only_what_comes_back_late_gets_more_time_not_what_was_left_over(wallet: Wallet) -> None:
    plan = grant(wallet, 100, days=10)
    hold(wallet, 1)
    lapse(plan)
    release()
    assert remaining(plan) == [1]
    assert history(wallet)[-2:] == [("expire", -99), ("release", 1)]


def test_credits_that_came_back_late_expire_for_good(wallet: Wallet) -> None:
    plan = grant(wallet, 5, days=10)
    hold(wallet, 2)
    lapse(plan)
    assert ledger.expire_due() == 1
    release()
    expire_at(plan, timezone.now() - timedelta(minutes=5))
    assert ledger.expire_due() == 1
    assert audit(wallet) == 3
    assert history(wallet)[2:] == [("hold", -2), ("expire", -3), ("release", 2), ("expire", -2)]


def test_credits_that_never_expire_come_back_without_an_end(wallet: Wallet) -> None:
    hold(wallet, 2)
    release()
    assert CreditGrant.objects.get().expires_at is None


# --- Taking ----------------------------------------------------------------------------------------------------


def test_taking_removes_credits(wallet: Wallet) -> None:
    assert take(wallet, 2).balance_after == 1
    assert audit(wallet) == 1


def test_taking_more_than_there_is_leaves_zero(wallet: Wallet) -> None:
    assert take(wallet, 1000).amount == -3
    assert audit(wallet) == 0
    assert take(wallet, 1, "staff:2").amount == 0
    assert audit(wallet) == 0


def test_taking_with_a_known_reference_takes_nothing_more(wallet: Wallet) -> None:
    assert take(wallet, 1) == take(wallet, 1)
    assert audit(wallet) == 2


def test_taking_leaves_alone_what_is_held(wallet: Wallet) -> None:
    hold(wallet, 2)
    take(wallet, 1000)
    release()
    assert audit(wallet) == 2


def test_taking_takes_from_what_can_be_spent_not_from_what_has_expired(wallet: Wallet) -> None:
    lapse(grant(wallet, 5, days=10))
    assert take(wallet, 2).balance_after == 1


@pytest.mark.parametrize("credits", [0, -2])
def test_taking_nothing_is_a_mistake(wallet: Wallet, credits: int) -> None:
    with pytest.raises(ValueError, match="At least 1"):
        take(wallet, credits)
    assert history(wallet) == [("grant", 3)]


# --- Expiring --------------------------------------------------------------------------------------------------


def test_expiring_writes_off_what_is_left(wallet: Wallet) -> None:
    plan = grant(wallet, 5, days=10)
    hold(wallet, 2)
    lapse(plan)
    assert ledger.expire_due() == 1
    assert remaining(plan) == [0]
    assert audit(wallet) == 3


def test_expiring_twice_writes_off_once(wallet: Wallet) -> None:
    plan = grant(wallet, 5, days=10)
    lapse(plan)
    assert [ledger.expire_due(), ledger.expire_due()] == [1, 0]
    assert audit(wallet) == 3


def test_expiring_in_many_places_at_once_writes_off_once(wallet: Wallet) -> None:
    lapse(grant(wallet, 5, days=10))
    assert sum(at_once(6, lambda _: ledger.expire_due())) == 1
    assert audit(wallet) == 3


def test_what_is_not_due_or_never_ends_does_not_expire(wallet: Wallet) -> None:
    grant(wallet, 5, days=1)
    assert ledger.expire_due() == 0
    with ledger.books(wallet) as opened:
        assert opened.expire() == 0
    assert audit(wallet) == 8


def test_writing_off_goes_by_the_row_not_by_what_the_caller_remembers(wallet: Wallet) -> None:
    plan = grant(wallet, 5, days=10)
    hold(wallet, 4)
    with ledger.books(wallet) as opened:
        opened.write_off(plan, cause="The plan has ended")
        assert opened.write_off(plan, cause="The plan has ended") is None
    assert history(wallet)[-1] == ("expire", -1)


def test_expiring_is_done_in_batches_for_every_account(wallet: Wallet, bobs: Wallet) -> None:
    for owner in (wallet, wallet, bobs):
        lapse(grant(owner, 5, days=10))
    assert [ledger.expire_due(limit=2), ledger.expire_due(limit=2), ledger.expire_due(limit=2)] == [2, 1, 0]
    assert (audit(wallet), audit(bobs)) == (3, 3)


# --- What is written stays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CreditEntry, CreditLine])
def test_what_is_written_cannot_be_changed_or_deleted(wallet: Wallet, kind: Any) -> None:
    row = kind.objects.get()
    row.amount = 1_000_000
    for forbidden in (
        row.save,
        row.delete,
        lambda: row.save(update_fields=["amount"]),
        lambda: kind.objects.update(amount=1),
        lambda: kind.objects.filter(pk=row.pk).delete(),
        lambda: kind.objects.all().delete(),
        lambda: kind.objects.bulk_update([row], ["amount"]),
        lambda: kind.objects.update_or_create({"amount": 1}, pk=row.pk),
        lambda: wallet.entries.all().delete(),
    ):
        with pytest.raises(TypeError, match="never"):
            forbidden()
    assert kind.objects.get().amount == 3


def test_the_database_itself_refuses_a_second_entry_with_a_reference(wallet: Wallet) -> None:
    known = CreditEntry.objects.get()
    with pytest.raises(IntegrityError):
        CreditEntry.objects.create(wallet=wallet, kind="grant", amount=0, balance_after=3, reference=known.reference)


def test_the_database_itself_refuses_a_second_end(wallet: Wallet) -> None:
    held = hold(wallet, 1)
    settled = settle()
    with pytest.raises(IntegrityError):
        CreditEntry.objects.create(wallet=wallet, kind="release", amount=0, balance_after=2, of=held)
    CreditEntry.objects.create(wallet=wallet, kind="release", amount=0, balance_after=2, of=settled)
    with pytest.raises(IntegrityError):
        CreditEntry.objects.create(wallet=wallet, kind="release", amount=0, balance_after=2, of=settled)


def test_the_same_books_are_not_opened_within_themselves(wallet: Wallet, bobs: Wallet) -> None:
    with (
        pytest.raises(RuntimeError, match="open already"),
        ledger.books(wallet),
        ledger.books(bobs),
        ledger.books(wallet),
    ):
        pass


@pytest.mark.parametrize(
    ("model", "change"),
    [(Wallet, {"balance": -1}), (CreditGrant, {"remaining": -1}), (CreditGrant, {"remaining": 4})],
)
def test_the_database_itself_refuses_impossible_balances(wallet: Wallet, model: Any, change: dict[str, int]) -> None:
    with pytest.raises(IntegrityError):
        model.objects.update(**change)


def test_an_account_with_a_history_cannot_be_deleted(wallet: Wallet, alice: User) -> None:
    for row in (wallet, alice, CreditGrant.objects.get()):
        with pytest.raises(IntegrityError):
            row.delete()
    assert audit(wallet) == 3


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` on `count` threads that start together, each with a connection of its own; return their results."""
    results: list[Any] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(60)
            results.append(work(number))
        except Exception as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(results) == count
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
