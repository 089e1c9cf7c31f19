"""A row that is a queue: one worker at a time has it, and whoever lost its claim changes nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from billing.models import StripeEvent
from kit import due
from tests.billing.test_ledger import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

LEASE = timedelta(minutes=1)
WAITING = Q(handled_at=None)


@pytest.fixture
def row() -> StripeEvent:
    return StripeEvent.objects.create(id="evt_1", type="x", payload={})


def claim() -> StripeEvent | None:
    return due.claim(StripeEvent.objects.filter(WAITING), "evt_1", lease=LEASE)


def claimed() -> StripeEvent:
    found = claim()
    assert found is not None
    return found


def lapse() -> None:
    StripeEvent.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def test_one_of_many_workers_gets_it(row: StripeEvent) -> None:
    found = at_once(8, lambda _: claim())
    assert sum(one is not None for one in found) == 1
    assert StripeEvent.objects.get().attempts == 1


def test_nobody_gets_what_is_not_due_or_has_ended(row: StripeEvent) -> None:
    StripeEvent.objects.update(due_at=timezone.now() + timedelta(seconds=9))
    assert claim() is None
    StripeEvent.objects.update(due_at=timezone.now(), handled_at=timezone.now())
    assert claim() is None


def test_a_claim_that_lapsed_is_the_next_workers(row: StripeEvent) -> None:
    first = claimed()
    assert claim() is None
    lapse()
    second = claimed()
    assert (second.attempts, second.claim != first.claim) == (2, True)


@pytest.mark.parametrize(
    "act",
    [
        lambda row: due.write(row, handled_at=timezone.now()),
        lambda row: due.put_off(row, ValueError("late"), pause=LEASE),
        lambda row: due.give_up(row, "late", handled_at=timezone.now()),
    ],
)
def test_a_worker_that_slept_through_its_lease_changes_nothing(
    row: StripeEvent, act: Callable[[StripeEvent], None]
) -> None:
    slow = claimed()
    lapse()
    quick = claimed()
    before = StripeEvent.objects.values().get()
    with pytest.raises(due.LostClaim):
        act(slow)
    assert not due.renew(slow, LEASE)
    assert StripeEvent.objects.values().get() == before
    act(quick)


def test_a_row_that_ended_without_its_worker_is_not_written(row: StripeEvent) -> None:
    mine = claimed()
    StripeEvent.objects.update(handled_at=timezone.now())
    with pytest.raises(due.LostClaim):
        due.put_off(mine, ValueError(), pause=LEASE, still=WAITING)
    due.write(mine, last_error="no condition")
    assert StripeEvent.objects.get().last_error == "no condition"


def test_putting_off_frees_it_and_says_why(row: StripeEvent) -> None:
    due.put_off(claimed(), ValueError("nul \x00 and half a pair \ud800"), pause=timedelta(seconds=9))
    kept = StripeEvent.objects.get()
    assert (kept.claim, kept.last_error) == ("", "ValueError: nul  and half a pair ?")
    assert timedelta(seconds=7) < kept.due_at - timezone.now() <= timedelta(seconds=9)


def test_the_claim_is_renewed_beside_long_work(row: StripeEvent) -> None:
    lease = timedelta(seconds=0.3)
    mine = due.claim(StripeEvent.objects.filter(WAITING), "evt_1", lease=lease)
    assert mine is not None
    with due.renewing(mine, lease):
        end = timezone.now() + 2.5 * lease
        while timezone.now() < end:
            assert claim() is None
            connection.close()  # SQLite: let the renewing thread have its turn
    lapse()
    assert claim() is not None


def test_pauses_grow_up_to_a_limit() -> None:
    most = timedelta(minutes=10)
    pauses = [due.growing_pause(number, most=most).total_seconds() for number in (0, 1, 2, 6, 7, 1000)]
    assert pauses == [5, 10, 20, 320, 600, 600]
