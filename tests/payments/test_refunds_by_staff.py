"""Staff pay a payment back through Stripe: once, in whole or part, and the books follow its word."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.models import User
from billing import gateway, identity, ledger
from billing.errors import CannotRefund
from billing.models import AuditRecord, Pack, Payment, Plan, Price, StaffRefund, StripeAccount
from billing.staff import audit, refunds
from billing.stripe.events.refunds import Taking, would_take
from tests.payments.conftest import Customer, Desk

REASON = "The images were not what they hoped for"


@pytest.fixture(autouse=True)
def _books_balance(customer: Customer) -> object:
    yield
    assert list(audit.drifts()) == []


@pytest.fixture
def payment(customer: Customer, pack: Pack) -> Payment:
    """5.00 that Alice paid for 50 credits."""
    customer.pay(pack)
    customer.follow()
    return customer.wallet.payments.get()


def spend(customer: Customer, credits: int) -> None:
    with ledger.books(customer.wallet) as books:
        books.hold(credits=credits, reference=f"generation:{credits}", cause="images")
    ledger.settle([f"generation:{credits}"])


def refund(sam: User, payment: Payment, amount: int, nonce: UUID | None = None) -> StaffRefund:
    return refunds.refund(actor=sam, payment=payment, amount=amount, reason=REASON, nonce=nonce or uuid4())


def paid_back(payment: Payment) -> list[int]:
    """What Stripe has paid back of a payment, newest first."""
    made: list[Any] = gateway.refunds_of(str(payment.payment_intent))
    return [each["amount"] for each in made]


@pytest.mark.services
def test_a_part_goes_back_and_the_books_follow_stripes_word(sam: User, customer: Customer, payment: Payment) -> None:
    taking = would_take(payment, 250)
    made = refund(sam, payment, 250)
    assert (made.status, made.amount, paid_back(payment)) == ("made", 250, [250])
    assert (made.is_on_its_way, Payment.objects.get().refunded, customer.balance) == (True, 0, 53)
    customer.follow()
    made = StaffRefund.objects.get()
    assert (made.is_on_its_way, Payment.objects.get().refunded, customer.balance) == (False, 250, 28)
    assert taking == Taking(brought=50, left=50, credits=25, later=0)


def test_its_record_says_who_why_and_how_much(sam: User, customer: Customer, payment: Payment) -> None:
    made = refund(sam, payment, 120)
    record = AuditRecord.objects.get(action="Refunded a payment")
    assert (record.actor, record.reason, record.wallet) == (sam, REASON, customer.wallet)
    about = {"payment": payment.reference, "currency": "usd"}
    assert record.before == {**about, "paid": 500, "refunded": 0}
    assert record.after == {**about, "amount": 120, "refund": made.stripe_id}


@pytest.mark.services
@pytest.mark.parametrize("amount", [1, 125, 250, 499, 500])
def test_what_is_shown_before_is_what_the_books_do(
    sam: User, customer: Customer, payment: Payment, amount: int
) -> None:
    spend(customer, 20)
    with ledger.books(customer.wallet) as books:
        books.hold(credits=5, reference="generation:open", cause="an image")
    before = customer.balance
    refund(sam, payment, 50)
    customer.follow()
    payment.refresh_from_db()
    taken_by_the_first = before - customer.balance
    taking = would_take(payment, min(amount, 450))
    assert taking is not None
    assert (taking.brought, taking.left) == (50, 50 - 17 - taken_by_the_first)
    assert customer.balance == before - taken_by_the_first  # looking changes nothing
    refund(sam, payment, min(amount, 450))
    customer.follow()
    assert customer.balance == before - taken_by_the_first - (taking.credits - taking.later)
    with ledger.books(customer.wallet) as books:
        books.release(reference="generation:open", cause="it failed")
    assert customer.balance == before + 5 - taken_by_the_first - taking.credits


@pytest.mark.services
def test_a_form_that_is_sent_twice_pays_back_once(sam: User, payment: Payment) -> None:
    nonce = uuid4()
    first, second = refund(sam, payment, 100, nonce), refund(sam, payment, 100, nonce)
    assert first == second
    assert paid_back(payment) == [100]
    assert AuditRecord.objects.filter(action="Refunded a payment").count() == 1
    with pytest.raises(CannotRefund, match="sent before"):
        refund(sam, payment, 200, nonce)


@pytest.mark.parametrize("performed", [True, False])
@pytest.mark.parametrize("status", [500, 503])
def test_an_answer_that_is_lost_pays_back_once(
    sam: User, customer: Customer, payment: Payment, desk: Desk, performed: bool, status: int
) -> None:
    desk("api/fail", status=status, performed=performed, times=3)  # once, and twice more by the SDK itself
    asked = refund(sam, payment, 100)
    assert asked.status == "asked"
    assert "waits for Stripe" in refunds.obstacle(payment)
    with pytest.raises(CannotRefund, match="waits for Stripe"):
        refund(sam, payment, 100)
    desk("api/fail", status=status, performed=performed, times=0)
    refunds.ask_due()
    assert StaffRefund.objects.get().status == "asked"  # not due yet
    StaffRefund.objects.update(due_at=timezone.now())
    refunds.ask_due()
    assert StaffRefund.objects.get().status == "made"
    assert paid_back(payment) == [100]
    assert AuditRecord.objects.filter(action="Refunded a payment").count() == 1
    customer.follow()
    assert Payment.objects.get().refunded == 100


def test_one_that_died_before_stripe_was_asked_goes_on(
    sam: User, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(refunds, "ask", lambda pk: None)
        refund(sam, payment, 100)
    assert paid_back(payment) == []
    refunds.ask_due()
    assert (paid_back(payment), StaffRefund.objects.get().status) == ([100], "made")


def test_one_that_a_restored_copy_does_not_know_was_made_is_found_at_stripe(sam: User, payment: Payment) -> None:
    asked = refund(sam, payment, 100)
    # As the copy has it, which comes back after Stripe forgot the key.
    unasked = {"status": "asked", "attempts": 0, "asked_at": None, "stripe_id": None, "ended_at": None}
    StaffRefund.objects.update(**unasked, idempotency_key="forgotten", due_at=timezone.now())
    assert refunds.look_first() == 1
    refunds.ask_due()
    assert paid_back(payment) == [100]
    assert (StaffRefund.objects.get().status, StaffRefund.objects.get().stripe_id) == ("made", asked.stripe_id)


def test_what_is_on_its_way_is_not_paid_back_again(sam: User, customer: Customer, payment: Payment) -> None:
    refund(sam, payment, 300)
    payment = Payment.objects.get()
    assert refunds.available(payment) == 200
    with pytest.raises(CannotRefund, match=r"At most \$2\.00 USD"):
        refund(sam, payment, 201)
    refund(sam, payment, 200)
    assert refunds.obstacle(Payment.objects.get()) == "What is left of it is on its way back already."
    customer.follow()
    assert refunds.obstacle(Payment.objects.get()) == "All of it is refunded already."
    assert customer.balance == 3


def test_one_that_was_made_in_the_dashboard_meanwhile_is_refused_in_words(
    sam: User, customer: Customer, payment: Payment, desk: Desk
) -> None:
    charge = customer.charge(payment.reference)
    desk(f"charges/{charge}/refund", amount=400)
    with pytest.raises(CannotRefund, match=r"less than \$2\.00 USD left"):
        refund(sam, payment, 200)
    desk(f"charges/{charge}/refund", amount=100)
    with pytest.raises(CannotRefund, match="refunded all of it already"):
        refund(sam, payment, 200)
    assert [each.status for each in StaffRefund.objects.all()] == ["refused", "refused"]
    assert not AuditRecord.objects.filter(action="Refunded a payment").exists()
    customer.follow()
    assert customer.balance == 3


def test_a_disputed_payment_is_left_to_the_bank(sam: User, customer: Customer, payment: Payment, desk: Desk) -> None:
    desk(f"charges/{customer.charge(payment.reference)}/dispute")
    with pytest.raises(CannotRefund, match="taken this money back"):
        refund(sam, payment, 100)  # before we hear of it
    customer.follow()
    assert "questions this payment" in refunds.obstacle(Payment.objects.get())
    with pytest.raises(CannotRefund, match="questions this payment"):
        refund(sam, Payment.objects.get(), 100)
    assert paid_back(payment) == []


def test_a_payment_of_another_account_is_refunded_there(sam: User, payment: Payment) -> None:
    earlier = StripeAccount.objects.create(stripe_id="acct_earlier", livemode=False)
    Payment.objects.update(account=earlier)
    with pytest.raises(CannotRefund, match=r"paid at acct_earlier, test; the key in use opens acct_"):
        refund(sam, Payment.objects.get(), 100)
    original = identity.account()
    copied = StripeAccount.objects.create(stripe_id=original.stripe_id, livemode=False, installation="original")
    Payment.objects.update(account=copied)
    with pytest.raises(CannotRefund, match="this one is a copy of"):
        refund(sam, Payment.objects.get(), 100)
    Payment.objects.update(account=None, payment_intent="pi_elsewhere")
    with pytest.raises(CannotRefund, match="does not open the account"):
        refund(sam, Payment.objects.get(), 100)


def test_a_refund_that_fails_at_the_bank_is_marked_so_and_can_be_made_again(
    sam: User, customer: Customer, payment: Payment, desk: Desk
) -> None:
    made = refund(sam, payment, 500)
    customer.follow()
    assert customer.balance == 3
    desk(f"refunds/{made.stripe_id}/fail")
    customer.follow()
    assert (customer.balance, StaffRefund.objects.get().status) == (53, "failed")
    refund(sam, Payment.objects.get(), 500)
    customer.follow()
    assert customer.balance == 3


def test_a_payment_that_brought_no_credits_takes_none(sam: User, customer: Customer, payment: Payment) -> None:
    payment.grant = None
    assert would_take(payment, 100) is None


def test_who_may_not_refund_pays_nothing_back(alice: User, payment: Payment) -> None:
    with pytest.raises(PermissionDenied):
        refund(alice, payment, 100)
    with pytest.raises(ValueError, match="reason"):
        refunds.refund(actor=None, payment=payment, amount=100, reason=" ", nonce=uuid4())
    assert paid_back(payment) == []


def test_a_plan_is_refunded_like_a_pack(sam: User, customer: Customer, basic: Plan) -> None:
    customer.pay(basic)
    customer.follow()
    payment = customer.wallet.payments.get()
    refund(sam, payment, 450)
    customer.follow()
    assert (customer.balance, Payment.objects.get().refunded) == (53, 450)
    assert Price.objects.filter(plan=basic).count() == 1
