"""A refund takes its share of what is left, and what is out then as it comes back: in any order, from any thread."""

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections

from billing.models import CreditGrant, Refund, Wallet
from billing.staff import audit as drift
from tests.billing import books
from tests.billing.books import audit, history

PAID = 500


@pytest.fixture(autouse=True)
def _books_balance(wallet: Wallet) -> Iterator[None]:
    yield
    audit(wallet)
    assert list(drift.figures()) == []


@pytest.fixture
def pack(wallet: Wallet) -> CreditGrant:
    """50 credits for 500 cents, and nothing beside them."""
    books.take(wallet, 3, reference="staff:welcome")
    return books.grant(wallet, 50, reference="checkout:cs_1")


def left(pack: CreditGrant) -> int:
    return CreditGrant.objects.get(pk=pack.pk).remaining


def hold(pack: CreditGrant, credits: int, number: int = 1) -> None:
    books.hold(pack.wallet, credits, reference=f"generation:{number}")


def release(number: int = 1) -> None:
    books.release(f"generation:{number}")


def settle(number: int = 1) -> None:
    books.settle(f"generation:{number}")


def give_back(number: int = 1) -> None:
    books.give_back(f"generation:{number}")


def refund(pack: CreditGrant, cents: int) -> None:
    """Let `cents` be what is paid back by now."""
    books.follow_refunds(pack, cents, PAID)


@pytest.mark.services
def test_what_is_set_aside_is_taken_as_it_comes_back(wallet: Wallet, pack: CreditGrant) -> None:
    hold(pack, 40)
    refund(pack, 250)
    assert left(pack) == 0
    release()
    assert left(pack) == 25
    assert history(wallet)[-4:] == [("hold", -40), ("claw_back", -10), ("release", 40), ("claw_back", -15)]


def test_images_that_fail_one_by_one_bring_back_only_what_was_not_refunded(pack: CreditGrant) -> None:
    for number in range(40):
        hold(pack, 1, number)
    refund(pack, 250)
    for number in range(40):
        release(number)
    assert left(pack) == 25


def test_what_was_set_aside_and_is_spent_is_not_taken_twice(pack: CreditGrant) -> None:
    hold(pack, 10)
    hold(pack, 10, 2)
    refund(pack, 250)
    settle()
    release(2)
    assert left(pack) == 25 - 10


def test_what_is_spent_beyond_what_was_paid_makes_no_debt(wallet: Wallet, pack: CreditGrant) -> None:
    hold(pack, 45)
    refund(pack, 400)
    settle()
    assert left(pack) == audit(wallet) == 0
    other = books.grant(wallet, 5, reference="checkout:cs_2")
    assert (left(other), audit(wallet)) == (5, 5)


@pytest.mark.parametrize(("cents", "kept"), [(1, 49), (10, 49), (11, 48), (499, 0)])
def test_a_part_of_a_credit_that_was_paid_back_is_a_whole_one(pack: CreditGrant, cents: int, kept: int) -> None:
    refund(pack, cents)
    assert left(pack) == kept


@pytest.mark.services
@pytest.mark.parametrize("order", sorted(set(itertools.permutations("hheerr"))))
def test_the_order_of_holds_their_release_and_refunds_does_not_matter(pack: CreditGrant, order: str) -> None:
    """`h` sets 5 credits aside, `e` lets the next of these fail, `r` pays a fifth of the money back."""
    held = released = refunded = 0
    for step in order:
        match step:
            case "h":
                held += 1
                hold(pack, 5, held)
            case "e" if released < held:
                released += 1
                release(released)
            case "r":
                refunded += 100
                refund(pack, refunded)
    for number in range(released + 1, held + 1):
        release(number)
    assert left(pack) == 30


def test_a_whole_refund_leaves_nothing_whatever_comes_back(pack: CreditGrant) -> None:
    hold(pack, 20)
    refund(pack, 100)
    refund(pack, 500)
    release()
    assert left(pack) == 0


@pytest.mark.services
def test_the_same_refund_is_followed_once(pack: CreditGrant) -> None:
    hold(pack, 40)
    for _ in range(2):
        refund(pack, 250)
    assert Refund.objects.get().owed == 15
    release()
    assert left(pack) == 25


def test_a_refund_that_failed_leaves_no_claim(pack: CreditGrant) -> None:
    hold(pack, 40)
    hold(pack, 5, 2)
    refund(pack, 250)
    release(2)
    refund(pack, 0)
    refund(pack, 0)
    release()
    assert left(pack) == 50


def test_of_two_refunds_only_the_one_that_failed_is_undone(pack: CreditGrant) -> None:
    hold(pack, 40)
    refund(pack, 100)
    refund(pack, 200)
    refund(pack, 100)
    release()
    assert left(pack) == 40


def test_a_dispute_that_is_won_brings_back_what_no_refund_took(pack: CreditGrant) -> None:
    for first in ("refund", "dispute"):
        dispute = books.disputed(pack, f"du_{first}")
        if first == "dispute":
            books.freeze(pack, dispute)
            refund(pack, 250)
        else:
            refund(pack, 250)
            books.freeze(pack, dispute)
        assert left(pack) == 0
        books.thaw(pack, dispute)
        assert left(pack) == 25
        refund(pack, 0)
        assert left(pack) == 50


def test_what_comes_back_during_a_dispute_is_still_owed_when_it_is_won(pack: CreditGrant) -> None:
    hold(pack, 40)
    refund(pack, 250)
    dispute = books.disputed(pack)
    books.freeze(pack, dispute)
    release()
    assert left(pack) == 0
    books.thaw(pack, dispute)
    assert left(pack) == 25


def test_a_spent_credit_that_staff_return_is_taken_if_it_was_refunded(pack: CreditGrant) -> None:
    hold(pack, 45)
    refund(pack, 400)
    settle()
    give_back()
    assert left(pack) == 10


def test_a_credit_that_staff_return_after_a_refund_is_taken_as_one_that_they_returned_before(
    pack: CreditGrant,
) -> None:
    hold(pack, 45)
    settle()
    refund(pack, 400)
    assert left(pack) == 1
    give_back()
    assert left(pack) == 10


@pytest.mark.services
@pytest.mark.parametrize("steps", [[250], [125, 250], [25 * part for part in range(1, 11)], [1, 249, 250]])
@pytest.mark.parametrize("held", [0, 20, 50])
def test_many_refunds_take_what_one_takes(pack: CreditGrant, steps: list[int], held: int) -> None:
    if held:
        hold(pack, held)
    for cents in steps:
        refund(pack, cents)
    if held:
        release()
    assert left(pack) == 25


def test_refunds_of_a_part_of_a_credit_add_up_to_one(pack: CreditGrant) -> None:
    for cents in (5, 10, 15, 20, 25):
        refund(pack, cents)
    assert left(pack) == 50 - 3  # as one of 25 cents


def test_a_refund_that_failed_and_is_made_again_takes_the_same_again(pack: CreditGrant) -> None:
    for cents in (125, 250, 125, 250, 0, 125, 100, 250):
        refund(pack, cents)
        assert left(pack) == 50 - -(-cents // 10)
    assert Refund.objects.filter(failed_at=None).count() == 2
    assert Refund.objects.exclude(failed_at=None).count() == 4


def test_a_small_refund_that_fails_gives_back_no_more_than_it_took(pack: CreditGrant) -> None:
    refund(pack, 250)
    hold(pack, 25)
    settle()
    for cents in (251, 250):
        refund(pack, cents)
        assert left(pack) == 0


@pytest.mark.services
def test_claims_are_kept_however_often_something_comes_and_goes(pack: CreditGrant) -> None:
    hold(pack, 50)
    for turn in range(4):
        refund(pack, 250 + turn)
        if not turn:
            release()
        dispute = books.disputed(pack, f"du_{turn}")
        for _ in range(2):
            books.freeze(pack, dispute)
            assert left(pack) == 0
            books.thaw(pack, dispute)
        refund(pack, 0)
    assert left(pack) == 50


@pytest.mark.services
def test_an_end_that_passed_meanwhile_gives_more_time_only_to_what_a_failed_refund_took(pack: CreditGrant) -> None:
    refund(pack, 250)
    CreditGrant.objects.filter(pk=pack.pk).update(expires_at="2020-01-01T00:00:00Z")
    refund(pack, 0)
    assert left(pack) == 25


@pytest.mark.services
def test_the_audit_names_credits_that_were_refunded_and_are_there(pack: CreditGrant) -> None:
    Refund.objects.create(grant=pack, refunded=1, paid=500, credits=1, owed=1)
    assert ["though a refund or dispute has a claim" in line for line in drift.figures()] == [True]
    Refund.objects.all().delete()


@pytest.mark.services
def test_images_that_fail_in_many_threads_while_a_refund_comes(wallet: Wallet, pack: CreditGrant) -> None:
    for number in range(40):
        hold(pack, 1, number)

    def fail_every(fourth: int) -> None:
        for number in range(fourth, 40, 4):
            release(number)

    at_once([*(lambda n=n: fail_every(n) for n in range(4)), lambda: refund(pack, 200), lambda: refund(pack, 200)])
    assert left(pack) == audit(wallet) == 30


def at_once(work: list[Callable[[], None]]) -> None:
    errors: list[Exception] = []

    def run(each: Callable[[], None]) -> None:
        try:
            each()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
