"""Refunds of one payment take together what one of their sum takes, whatever happens between them."""

from collections.abc import Iterator

import pytest

from billing import ledger
from billing.models import Pack, Payment
from billing.staff import audit
from tests.payments.conftest import Customer, Desk, deliver

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _books_balance(customer: Customer) -> Iterator[None]:
    yield
    assert list(audit.drifts()) == []


@pytest.fixture
def charge(customer: Customer, pack: Pack) -> str:
    """What paid 5.00 for 50 credits. There are 3 welcome credits beside them."""
    session = customer.pay(pack)
    customer.follow()
    return customer.charge(f"checkout:{session}")


@pytest.mark.parametrize(
    ("parts", "taken"), [([250], 25), ([125, 125], 25), ([50] * 5, 25), ([25], 3), ([5] * 5, 3), ([1, 499], 50)]
)
def test_many_take_what_one_takes(customer: Customer, desk: Desk, charge: str, parts: list[int], taken: int) -> None:
    for cents in parts:
        desk(f"charges/{charge}/refund", amount=cents)
        customer.follow()
    assert customer.balance == 53 - taken


@pytest.mark.parametrize("between", ["a hold", "a return", "a failure", "a dispute", "another failure"])
def test_nothing_that_comes_between_two_changes_it(customer: Customer, desk: Desk, charge: str, between: str) -> None:
    with ledger.books(customer.wallet) as books:
        books.hold_each([(f"generation:{number}", "an image", 1) for number in range(20)])
    desk(f"charges/{charge}/refund", amount=125)
    customer.follow()
    match between:
        case "a hold":
            with ledger.books(customer.wallet) as books:
                books.hold(credits=7, reference="generation:more", cause="an image")
        case "a return":
            ledger.settle(["generation:0"])
            with ledger.books(customer.wallet) as books:
                books.give_back(reference="generation:0", cause="a bad image")
        case "a failure":
            failed = desk(f"charges/{charge}/refund", amount=99)
            customer.follow()
            desk(f"refunds/{failed['id']}/fail")
        case "a dispute":
            desk(f"charges/{charge}/refund", amount=125)
            refunded = customer.news()
            dispute = desk(f"charges/{charge}/dispute")
            customer.follow()
            deliver(refunded)
            desk(f"disputes/{dispute['id']}/close", won=True)
        case "another failure":
            failed = desk(f"charges/{charge}/refund", amount=125)
            customer.follow()
            desk(f"refunds/{failed['id']}/fail")
    customer.follow()
    if between != "a dispute":  # whose charge Stripe does not refund any more
        desk(f"charges/{charge}/refund", amount=125)
        customer.follow()
    open_holds = customer.wallet.entries.filter(kind="hold", ends=None)
    with ledger.books(customer.wallet) as books:
        for hold in open_holds:
            books.release(reference=hold.reference, cause="it failed")
    assert (customer.balance, Payment.objects.get().refunded) == (53 - 25, 250)


def test_a_small_refund_that_fails_gives_back_no_more_than_it_took(customer: Customer, desk: Desk, charge: str) -> None:
    desk(f"charges/{charge}/refund", amount=250)
    customer.follow()
    with ledger.books(customer.wallet) as books:
        books.hold(credits=customer.balance, reference="generation:all", cause="an image")
    ledger.settle(["generation:all"])
    small = desk(f"charges/{charge}/refund", amount=1)
    customer.follow()
    desk(f"refunds/{small['id']}/fail")
    customer.follow()
    assert (customer.balance, Payment.objects.get().refunded) == (0, 250)
