"""The ledger: grants, holds and how they end, each written once; the books balance after every operation."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import InsufficientCredits, UnknownHold
from billing.models import Account, CreditEntry, CreditGrant, CreditLine
from tests.billing.books import audit, history

pytestmark = pytest.mark.services

HOLD = "generation:1"


@pytest.fixture(autouse=True)
def _books_balance(transactional_db: None) -> Iterator[None]:
    yield
    for account in Account.objects.all():
        audit(account)


@pytest.fixture
def bobs(bob: User) -> Account:
    """Bob's account, with his own 3 welcome credits."""
    return ledger.account_of(bob.pk)


def grant(account: Account, credits: int, *, days: float | None = None, reference: str | None = None) -> CreditGrant:
    """Grant credits that expire in `days`, and return their bucket."""
    entry = ledger.grant(
        account=account,
        credits=credits,
        source=CreditGrant.Source.PACK,
        reference=reference or f"pack:{random.random()}",
        cause="test",
        expires_at=None if days is None else timezone.now() + timedelta(days=days),
    )
    return entry.lines.get().grant


def hold(account: Account, credits: int, reference: str = HOLD) -> CreditEntry:
    return ledger.hold(account=account, credits=credits, reference=reference, cause="Image img_1")


def release(reference: str = HOLD) -> CreditEntry:
    return ledger.release(reference=reference, cause="Returned: no image")


def take(account: Account, credits: int, reference: str = "staff:1") -> CreditEntry:
    return ledger.take(account=account, credits=credits, reference=reference, cause="mistake")


def expire_at(bucket: CreditGrant, moment: datetime) -> None:
    CreditGrant.objects.filter(pk=bucket.pk).update(expires_at=moment)


def lapse(bucket: CreditGrant) -> None:
    """Let a grant's time be up, without anybody having noticed yet."""
    expire_at(bucket, timezone.now() - timedelta(seconds=1))


def remaining(*buckets: CreditGrant) -> list[int]:
    return [CreditGrant.objects.get(pk=bucket.pk).remaining for bucket in buckets]


# --- Opening an account ----------------------------------------------------------------------------------------


def test_a_new_account_has_three_credits(account: Account) -> None:
    assert audit(account) == 3
    assert history(account) == [("grant", 3)]


def test_an_account_is_opened_once(alice: User, account: Account) -> None:
    assert ledger.account_of(alice.pk) == account
    assert Account.objects.count() == 1
    assert audit(account) == 3


def test_an_account_can_be_opened_without_welcome_credits(alice: User, settings: Any) -> None:
    settings.WELCOME_CREDITS = 0
    account = ledger.account_of(alice.pk)
    assert audit(account) == 0
    assert history(account) == []


def test_an_account_opened_by_many_at_once_gets_one_welcome(alice: User) -> None:
    found = at_once(8, lambda _: ledger.account_of(alice.pk))
    assert {account.balance for account in found} == {3}
    assert Account.objects.count() == 1
    assert history(found[0]) == [("grant", 3)]


# --- Granting --------------------------------------------------------------------------------------------------


def test_a_grant_adds_credits_as_a_bucket_of_their_own(account: Account) -> None:
    bucket = grant(account, 100)
    assert audit(account) == 103
    assert remaining(bucket) == [100]


def test_a_grant_with_a_known_reference_adds_nothing(account: Account) -> None:
    first = ledger.grant(
        account=account, credits=5, source=CreditGrant.Source.PACK, reference="stripe:evt_1", cause="Pack"
    )
    again = ledger.grant(
        account=account, credits=500, source=CreditGrant.Source.PACK, reference="stripe:evt_1", cause="Pack"
    )
    assert again == first
    assert audit(account) == 8
    assert CreditGrant.objects.count() == 2


def test_a_grant_that_comes_many_times_at_once_is_granted_once(account: Account) -> None:
    at_once(8, lambda _: grant(account, 5, reference="stripe:evt_1"))
    assert audit(account) == 8


@pytest.mark.parametrize("credits", [0, -1])
def test_a_grant_of_nothing_is_a_mistake(account: Account, credits: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        grant(account, credits)
    assert history(account) == [("grant", 3)]


def test_one_accounts_credits_never_touch_anothers(account: Account, bobs: Account) -> None:
    grant(account, 10, days=1)
    hold(account, 12)
    take(account, 1)
    release()
    assert audit(account) == 12
    assert audit(bobs) == 3
    assert history(bobs) == [("grant", 3)]


# --- Holding ---------------------------------------------------------------------------------------------------


def test_a_hold_sets_credits_aside(account: Account) -> None:
    entry = hold(account, 1)
    assert (entry.amount, entry.balance_after) == (-1, 2)
    assert audit(account) == 2


def test_a_hold_with_a_known_reference_holds_nothing_more(account: Account) -> None:
    assert hold(account, 2) == hold(account, 2)
    assert audit(account) == 1


def test_a_known_hold_is_found_even_when_nothing_is_left(account: Account) -> None:
    first = hold(account, 3)
    assert hold(account, 3) == first
    assert audit(account) == 0


def test_a_hold_beyond_the_balance_writes_nothing(account: Account) -> None:
    with pytest.raises(InsufficientCredits) as error:
        hold(account, 4)
    assert (error.value.balance, error.value.needed) == (3, 4)
    assert audit(account) == 3
    assert history(account) == [("grant", 3)]


def test_a_refused_hold_can_be_made_once_there_are_credits(account: Account) -> None:
    with pytest.raises(InsufficientCredits):
        hold(account, 4)
    grant(account, 1)
    hold(account, 4)
    assert audit(account) == 0


@pytest.mark.parametrize("credits", [0, -1, -3])
def test_a_hold_of_nothing_is_a_mistake(account: Account, credits: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        hold(account, credits)
    assert history(account) == [("grant", 3)]


def test_a_hold_takes_what_expires_soonest_first_and_what_never_expires_last(account: Account) -> None:
    welcome = CreditGrant.objects.get()
    later, sooner = grant(account, 4, days=20), grant(account, 5, days=10)
    hold(account, 7, "a")
    assert remaining(sooner, later, welcome) == [0, 2, 3]
    hold(account, 3, "b")
    assert remaining(sooner, later, welcome) == [0, 0, 2]


def test_of_two_that_never_expire_the_older_is_spent_first(account: Account) -> None:
    welcome, second = CreditGrant.objects.get(), grant(account, 5)
    hold(account, 4)
    assert remaining(welcome, second) == [0, 4]


def test_a_hold_notes_how_much_came_from_which_grant(account: Account) -> None:
    welcome, plan = CreditGrant.objects.get(), grant(account, 5, days=10)
    lines = hold(account, 6).lines.order_by("grant_id")
    assert [(line.grant, line.amount) for line in lines] == [(welcome, -1), (plan, -5)]


def test_a_hold_does_not_spend_what_has_expired(account: Account) -> None:
    plan = grant(account, 5, days=10)
    lapse(plan)
    hold(account, 3)
    assert remaining(plan) == [0]
    assert audit(account) == 0
    assert history(account)[-2:] == [("expire", -5), ("hold", -3)]


def test_a_hold_that_only_expired_credits_would_cover_is_refused(account: Account) -> None:
    lapse(grant(account, 5, days=10))
    with pytest.raises(InsufficientCredits) as error:
        hold(account, 4)
    assert error.value.balance == audit(account) == 3
    assert history(account) == [("grant", 3), ("grant", 5), ("expire", -5)]


def test_a_refusal_that_undoes_more_leaves_what_has_expired_to_be_written_off(account: Account) -> None:
    lapse(grant(account, 5, days=10))

    @transaction.atomic
    def two() -> None:
        hold(account, 1)
        hold(account, 4, "generation:2")

    with pytest.raises(InsufficientCredits) as error:
        two()
    assert error.value.balance == 2
    ledger.write_off_expired(account)
    assert audit(account) == 3
    ledger.write_off_expired(account)
    assert history(account) == [("grant", 3), ("grant", 5), ("expire", -5)]


def test_many_holds_at_once_spend_no_credit_twice(account: Account) -> None:
    grant(account, 2, days=1)

    def try_to_hold(number: int) -> bool:
        try:
            hold(account, 1, f"generation:{number}")
        except InsufficientCredits:
            return False
        return True

    assert sum(at_once(12, try_to_hold)) == 5
    assert audit(account) == 0


# --- Ending a hold ---------------------------------------------------------------------------------------------


def test_settling_spends_what_was_held(account: Account) -> None:
    hold(account, 1)
    entry = ledger.settle(reference=HOLD)
    assert (entry.amount, entry.balance_after, entry.kind) == (0, 2, "settle")
    assert audit(account) == 2


def test_settling_twice_does_nothing_more(account: Account) -> None:
    hold(account, 1)
    assert ledger.settle(reference=HOLD) == ledger.settle(reference=HOLD)
    assert history(account) == [("grant", 3), ("hold", -1), ("settle", 0)]


def test_releasing_gives_back_to_the_grants_it_came_from(account: Account) -> None:
    welcome, plan = CreditGrant.objects.get(), grant(account, 5, days=10)
    hold(account, 7)
    entry = release()
    assert (entry.amount, entry.balance_after) == (7, 8)
    assert remaining(welcome, plan) == [3, 5]


def test_releasing_twice_gives_back_once(account: Account) -> None:
    hold(account, 2)
    assert release() == release()
    assert audit(account) == 3


def test_releasing_in_many_places_at_once_gives_back_once(account: Account) -> None:
    hold(account, 2)
    at_once(8, lambda _: release())
    assert audit(account) == 3
    assert history(account) == [("grant", 3), ("hold", -2), ("release", 2)]


def test_what_was_settled_is_not_released_any_more(account: Account) -> None:
    hold(account, 1)
    settled = ledger.settle(reference=HOLD)
    assert release() == settled
    assert audit(account) == 2


def test_what_was_released_is_not_settled_any_more(account: Account) -> None:
    hold(account, 1)
    released = release()
    assert ledger.settle(reference=HOLD) == released
    assert audit(account) == 3


def test_a_hold_that_is_settled_and_released_at_once_ends_one_way(account: Account) -> None:
    hold(account, 2)
    outcomes = at_once(8, lambda n: release() if n % 2 else ledger.settle(reference=HOLD))
    assert len({entry.pk for entry in outcomes}) == 1
    assert audit(account) == (3 if outcomes[0].kind == "release" else 1)


@pytest.mark.parametrize("end", [lambda ref: ledger.settle(reference=ref), release])
def test_ending_a_hold_that_nobody_made_is_an_error(account: Account, end: Callable[[str], Any]) -> None:
    hold(account, 1)
    with pytest.raises(UnknownHold):
        end("generation:2")
    with pytest.raises(UnknownHold):
        end(CreditEntry.objects.get(kind="grant").reference)
    assert audit(account) == 2


# --- Coming back late ------------------------------------------------------------------------------------------


def test_credits_that_come_back_in_time_keep_their_end(account: Account) -> None:
    plan = grant(account, 5, days=10)
    hold(account, 5)
    release()
    assert CreditGrant.objects.get(pk=plan.pk).expires_at == plan.expires_at


def test_credits_that_come_back_late_get_seven_days(account: Account) -> None:
    plan = grant(account, 5, days=10)
    hold(account, 2)
    lapse(plan)
    release()
    plan.refresh_from_db()
    assert plan.expires_at is not None
    assert abs(plan.expires_at - timezone.now() - timedelta(days=7)) < timedelta(seconds=30)
    assert plan.remaining == 2


def test_only_what_comes_back_late_gets_more_time_not_what_was_left_over(account: Account) -> None:
    plan = grant(account, 100, days=10)
    hold(account, 1)
    lapse(plan)
    release()
    assert remaining(plan) == [1]
    assert history(account)[-2:] == [("expire", -99), ("release", 1)]


def test_credits_that_came_back_late_expire_for_good(account: Account) -> None:
    plan = grant(account, 5, days=10)
    hold(account, 2)
    lapse(plan)
    assert ledger.expire_due() == 1
    release()
    expire_at(plan, timezone.now() - timedelta(minutes=5))
    assert ledger.expire_due() == 1
    assert audit(account) == 3
    assert history(account)[2:] == [("hold", -2), ("expire", -3), ("release", 2), ("expire", -2)]


def test_credits_that_never_expire_come_back_without_an_end(account: Account) -> None:
    hold(account, 2)
    release()
    assert CreditGrant.objects.get().expires_at is None


# --- Taking ----------------------------------------------------------------------------------------------------


def test_taking_removes_credits(account: Account) -> None:
    assert take(account, 2).balance_after == 1
    assert audit(account) == 1


def test_taking_more_than_there_is_leaves_zero(account: Account) -> None:
    assert take(account, 1000).amount == -3
    assert audit(account) == 0
    assert take(account, 1, "staff:2").amount == 0
    assert audit(account) == 0


def test_taking_with_a_known_reference_takes_nothing_more(account: Account) -> None:
    assert take(account, 1) == take(account, 1)
    assert audit(account) == 2


def test_taking_leaves_alone_what_is_held(account: Account) -> None:
    hold(account, 2)
    take(account, 1000)
    release()
    assert audit(account) == 2


def test_taking_takes_from_what_can_be_spent_not_from_what_has_expired(account: Account) -> None:
    lapse(grant(account, 5, days=10))
    assert take(account, 2).balance_after == 1


@pytest.mark.parametrize("credits", [0, -2])
def test_taking_nothing_is_a_mistake(account: Account, credits: int) -> None:
    with pytest.raises(ValueError, match="At least 1"):
        take(account, credits)
    assert history(account) == [("grant", 3)]


# --- Expiring --------------------------------------------------------------------------------------------------


def test_expiring_writes_off_what_is_left(account: Account) -> None:
    plan = grant(account, 5, days=10)
    hold(account, 2)
    lapse(plan)
    assert ledger.expire_due() == 1
    assert remaining(plan) == [0]
    assert audit(account) == 3


def test_expiring_twice_writes_off_once(account: Account) -> None:
    plan = grant(account, 5, days=10)
    lapse(plan)
    assert ledger.expire(plan) is not None
    assert ledger.expire(plan) is None
    assert ledger.expire_due() == 0
    assert audit(account) == 3


def test_expiring_in_many_places_at_once_writes_off_once(account: Account) -> None:
    lapse(grant(account, 5, days=10))
    assert sum(at_once(6, lambda _: ledger.expire_due())) == 1
    assert audit(account) == 3


def test_what_is_not_due_or_never_ends_does_not_expire(account: Account) -> None:
    plan, welcome = grant(account, 5, days=1), CreditGrant.objects.earliest("id")
    assert ledger.expire(plan) is None
    assert ledger.expire(welcome) is None
    assert ledger.expire_due() == 0
    assert audit(account) == 8


def test_expiring_goes_by_the_row_not_by_what_the_caller_remembers(account: Account) -> None:
    plan = grant(account, 5, days=10)
    lapse(plan)
    stale = CreditGrant.objects.get(pk=plan.pk)
    expire_at(plan, timezone.now() + timedelta(days=1))
    assert ledger.expire(stale) is None
    assert audit(account) == 8


def test_expiring_is_done_in_batches_for_every_account(account: Account, bobs: Account) -> None:
    for owner in (account, account, bobs):
        lapse(grant(owner, 5, days=10))
    assert [ledger.expire_due(limit=2), ledger.expire_due(limit=2), ledger.expire_due(limit=2)] == [2, 1, 0]
    assert (audit(account), audit(bobs)) == (3, 3)


# --- What is written stays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CreditEntry, CreditLine])
def test_what_is_written_cannot_be_changed_or_deleted(account: Account, kind: Any) -> None:
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
        lambda: account.entries.all().delete(),
    ):
        with pytest.raises(TypeError, match="never"):
            forbidden()
    assert kind.objects.get().amount == 3


def test_the_database_itself_refuses_a_second_entry_with_a_reference(account: Account) -> None:
    known = CreditEntry.objects.get()
    with pytest.raises(IntegrityError):
        CreditEntry.objects.create(account=account, kind="grant", amount=0, balance_after=3, reference=known.reference)


@pytest.mark.parametrize(
    ("model", "change"),
    [(Account, {"balance": -1}), (CreditGrant, {"remaining": -1}), (CreditGrant, {"remaining": 4})],
)
def test_the_database_itself_refuses_impossible_balances(account: Account, model: Any, change: dict[str, int]) -> None:
    with pytest.raises(IntegrityError):
        model.objects.update(**change)


def test_an_account_with_a_history_cannot_be_deleted(account: Account, alice: User) -> None:
    for row in (account, alice, CreditGrant.objects.get()):
        with pytest.raises(IntegrityError):
            row.delete()
    assert audit(account) == 3


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` on `count` threads that start together, each with a connection of its own; return their results."""
    results: list[Any] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(10)
            results.append(work(number))
        except Exception as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == count
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
