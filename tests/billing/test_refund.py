"""A refund takes its share of what is left, and what is out then as it comes back: in any order, from any thread."""

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections

from billing import ledger
from billing.models import CreditGrant, Refund, Wallet
from billing.staff import audit as drift
from tests.billing.books import audit, history

PAID = 500
KEPT_BY = "refunded:ch_1"


@pytest.fixture(autouse=True)
def _books_balance(wallet: Wallet) -> Iterator[None]:
    yield
    audit(wallet)
    assert list(drift.drifts()) == []


@pytest.fixture
def pack(wallet: Wallet) -> CreditGrant:
    """50 credits for 500 cents, and nothing beside them."""
    ledger.take(wallet=wallet, credits=3, reference="staff:welcome", cause="out of the way")
    entry = ledger.grant(
        wallet=wallet, credits=50, source=CreditGrant.Source.PACK, reference="checkout:cs_1", cause="50 credits"
    )
    return entry.lines.get().grant


def left(pack: CreditGrant) -> int:
    return CreditGrant.objects.get(pk=pack.pk).remaining


def hold(pack: CreditGrant, credits: int, number: int = 1) -> None:
    ledger.hold(wallet=pack.wallet, credits=credits, reference=f"generation:{number}", cause="an image")


def release(number: int = 1) -> None:
    ledger.release(reference=f"generation:{number}", cause="it failed")


def settle(number: int = 1) -> None:
    ledger.settle(reference=f"generation:{number}")


def refund(pack: CreditGrant, cents: int, *, before: int = 0) -> None:
    """Pay `cents` back, after `before` were."""
    ledger.refund(
        grant=pack,
        part=cents,
        of=PAID - before,
        refunded=before + cents,
        reference=f"refund:ch_1:{before + cents}:0",
        cause="50 credits was refunded",
    )


def undo(pack: CreditGrant, above: int) -> int:
    return ledger.undo_refunds(grant=pack, above=above, kept_by=KEPT_BY, cause="it failed")


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
    other = ledger.grant(
        wallet=wallet, credits=5, source=CreditGrant.Source.PACK, reference="checkout:cs_2", cause="5 credits"
    )
    assert (other.balance_after, audit(wallet)) == (5, 5)


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
                refund(pack, 100, before=refunded)
                refunded += 100
    for number in range(released + 1, held + 1):
        release(number)
    assert left(pack) == 30


def test_a_whole_refund_leaves_nothing_whatever_comes_back(pack: CreditGrant) -> None:
    hold(pack, 20)
    refund(pack, 100)
    refund(pack, 400, before=100)
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
    assert undo(pack, 0) == 0
    assert undo(pack, 0) == 0
    release()
    assert left(pack) == 50


def test_of_two_refunds_only_the_one_that_failed_is_undone(pack: CreditGrant) -> None:
    hold(pack, 40)
    refund(pack, 100)
    refund(pack, 100, before=100)
    assert undo(pack, 100) == 100
    release()
    assert left(pack) == 40


def test_a_dispute_that_is_won_brings_back_what_no_refund_took(pack: CreditGrant) -> None:
    for first in ("refund", "dispute"):
        if first == "dispute":
            ledger.freeze(grant=pack, reference="dispute:du_1", cause="disputed")
            refund(pack, 250)
        else:
            refund(pack, 250)
            ledger.freeze(grant=pack, reference="dispute:du_0", cause="disputed")
        assert left(pack) == 0
        ledger.thaw(grant=pack, reference=f"dispute:du_{int(first == 'dispute')}", cause="won")
        assert left(pack) == 25
        assert undo(pack, 0) == 0
        assert left(pack) == 50


def test_what_comes_back_during_a_dispute_is_still_owed_when_it_is_won(pack: CreditGrant) -> None:
    hold(pack, 40)
    refund(pack, 250)
    ledger.freeze(grant=pack, reference="dispute:du_1", cause="disputed")
    release()
    assert left(pack) == 0
    ledger.thaw(grant=pack, reference="dispute:du_1", cause="won")
    assert left(pack) == 25


def test_a_spent_credit_that_staff_return_is_taken_if_it_was_refunded(pack: CreditGrant) -> None:
    hold(pack, 45)
    refund(pack, 400)
    settle()
    ledger.give_back(reference="generation:1", cause="a bad image")
    assert left(pack) == 10


@pytest.mark.services
def test_references_stay_short_however_often_something_comes_and_goes(pack: CreditGrant) -> None:
    hold(pack, 50)
    for turn in range(4):
        refund(pack, 250 + turn)
        if not turn:
            release()
        for _ in range(2):
            name = f"dispute:du_{turn}_{'x' * 20}"
            ledger.freeze(grant=pack, reference=name, cause="disputed")
            ledger.thaw(grant=pack, reference=name, cause="won")
        assert undo(pack, 0) == 0
    assert left(pack) == 50


@pytest.mark.services
def test_an_end_that_passed_meanwhile_gives_more_time_only_to_what_a_failed_refund_took(pack: CreditGrant) -> None:
    refund(pack, 250)
    CreditGrant.objects.filter(pk=pack.pk).update(expires_at="2020-01-01T00:00:00Z")
    undo(pack, 0)
    assert left(pack) == 25


@pytest.mark.services
def test_the_audit_names_credits_that_were_refunded_and_are_there(pack: CreditGrant) -> None:
    Refund.objects.create(grant=pack, reference="refund:ch_1:1:0", refunded=1, owed=1)
    assert ["though a refund or dispute has a claim" in line for line in drift.drifts()] == [True]
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
