"""What happens to an account's credits over a customer's life, told by Stripe's events."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing import gateway, ledger
from billing.catalogue import products
from billing.errors import AlreadySubscribed, NotForSale, NotYet
from billing.models import CreditGrant, Dispute, Order, OutgoingMail, Pack, Payment, Plan, StripeEvent, Wallet
from billing.models import Subscription as Row
from billing.staff import audit
from billing.stripe import checkout
from tests.billing import books
from tests.payments.conftest import DECLINED, FAILS_LATER, GOOD, SITE, Customer, Desk, deliver


@pytest.fixture(autouse=True)
def _books_balance(customer: Customer) -> object:
    yield
    assert list(audit.drifts()) == []


def mails(customer: Customer) -> list[str]:
    return [mail.template for mail in OutgoingMail.objects.filter(wallet=customer.wallet).order_by("pk")]


def spend(customer: Customer, credits: int) -> None:
    reference = f"generation:{Wallet.objects.count()}:{customer.balance}:{credits}"
    books.hold(wallet=customer.wallet, credits=credits, reference=reference, cause="images")
    ledger.settle([reference])


@pytest.mark.services
def test_a_pack_is_granted_once_it_is_paid(customer: Customer, pack: Pack) -> None:
    session = customer.pay(pack)
    assert customer.balance == 3
    customer.follow()
    assert customer.balance == 53
    assert customer.wallet.payments.get().reference == f"checkout:{session}"
    assert Order.objects.get().status == Order.Status.PAID
    assert mails(customer) == ["receipt"]


def test_a_declined_card_buys_nothing(customer: Customer, pack: Pack) -> None:
    customer.pay(pack, DECLINED)
    customer.follow()
    assert customer.balance == 3


@pytest.mark.services
def test_a_plan_grants_its_credits_with_each_paid_invoice_and_ends_the_last_ones(
    customer: Customer, basic: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    assert customer.balance == 103
    assert customer.plan == basic
    spend(customer, 43)  # the welcome credits never expire, so the plan's go first
    assert customer.balance == 60
    for _ in range(3):
        desk(f"subscriptions/{customer.subscription.stripe_id}/renew")
        customer.follow()
        assert customer.balance == 103
    assert mails(customer) == ["receipt", "renewal", "renewal", "renewal"]


def test_a_failed_renewal_keeps_packs_and_a_recovery_brings_the_credits(
    customer: Customer, basic: Plan, pack: Pack, desk: Desk
) -> None:
    customer.pay(basic, FAILS_LATER)
    customer.pay(pack)
    customer.follow()
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{customer.subscription.stripe_id}/renew")
    customer.follow()
    assert customer.subscription.status == "past_due"
    assert "payment_failed" in mails(customer)
    assert customer.balance == 153
    desk(f"customers/{customer.id}/card", number=GOOD)
    customer.follow()
    assert customer.subscription.status == "active"
    assert customer.balance == 153


def test_an_invoice_that_is_not_paid_brings_nothing_whatever_an_event_says(
    customer: Customer, basic: Plan, desk: Desk
) -> None:
    customer.pay(basic, FAILS_LATER)
    customer.follow()
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{customer.subscription.stripe_id}/renew")
    failed = next(event for event in customer.news() if event["type"] == "invoice.payment_failed")
    deliver([{**failed, "id": f"{failed['id']}_paid", "type": "invoice.paid"}])
    assert customer.balance == 103
    assert [payment.amount for payment in customer.wallet.payments.all()] == [900]


def test_a_plan_that_is_never_paid_again_ends_and_leaves_what_was_bought(
    customer: Customer, basic: Plan, pack: Pack, desk: Desk
) -> None:
    customer.pay(basic, FAILS_LATER)
    customer.pay(pack)
    customer.follow()
    desk(f"customers/{customer.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{customer.subscription.stripe_id}/renew")
    desk("clock/advance", days=30)
    customer.follow()
    assert customer.subscription.status == "canceled"
    assert customer.plan == Plan.objects.get(slug="free")
    assert customer.balance == 53
    assert "plan_ended" in mails(customer)


def test_cancelling_keeps_the_plan_to_the_end_of_its_period(customer: Customer, basic: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    gateway.update_subscription(customer.subscription.stripe_id, {"cancel_at_period_end": True})
    customer.follow()
    assert customer.subscription.cancel_at == customer.subscription.period_end
    assert customer.balance == 103
    desk("clock/advance", days=32)
    customer.follow()
    assert (customer.plan, customer.balance) == (Plan.objects.get(slug="free"), 3)


def test_an_upgrade_adds_the_difference_and_a_downgrade_takes_nothing(
    customer: Customer, basic: Plan, bigger: Plan
) -> None:
    customer.pay(basic)
    customer.follow()
    checkout.change_plan(wallet=customer.wallet, plan=bigger)
    customer.follow()
    assert customer.plan == bigger
    assert 103 + 295 <= customer.balance <= 103 + 300  # the share of the period that is left, just short of all
    before = customer.balance
    checkout.change_plan(wallet=customer.wallet, plan=basic)
    customer.follow()
    assert customer.plan == basic
    assert customer.balance == before


def test_an_upgrade_in_the_middle_of_a_period_adds_half_of_the_difference(
    customer: Customer, basic: Plan, bigger: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    period = gateway.retrieve_subscription(customer.subscription.stripe_id)["items"]["data"][0]
    desk("clock/advance", seconds=(period["current_period_end"] - period["current_period_start"]) // 2)
    checkout.change_plan(wallet=customer.wallet, plan=bigger)
    customer.follow()
    assert 103 + 148 <= customer.balance <= 103 + 150
    assert 1340 <= customer.wallet.payments.latest("pk").amount <= 1350  # half of the prices' difference


def test_a_downgrade_makes_no_invoice_that_would_pay_back(customer: Customer, basic: Plan, bigger: Plan) -> None:
    customer.pay(bigger)
    customer.follow()
    checkout.change_plan(wallet=customer.wallet, plan=basic)
    customer.follow()
    invoices = [one for one in gateway.paid_invoices_since(0) if one["customer"] == customer.id]
    assert [one["amount_paid"] for one in invoices] == [bigger.price]


def test_a_subscriber_keeps_the_price_they_came_in_at(customer: Customer, basic: Plan, desk: Desk) -> None:
    customer.pay(basic)
    customer.follow()
    Plan.objects.filter(slug="basic").update(price=1900)
    new = products.current_price(Plan.objects.get(slug="basic"))
    assert new.amount == 1900
    desk(f"subscriptions/{customer.subscription.stripe_id}/renew")
    customer.follow()
    assert [payment.amount for payment in customer.wallet.payments.all()] == [900, 900]
    assert customer.plan == basic


def test_a_second_subscription_is_not_sold(customer: Customer, basic: Plan, bigger: Plan) -> None:
    first = checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    assert checkout.start(wallet=customer.wallet, product=basic, site=SITE) == first
    other = checkout.start(wallet=customer.wallet, product=bigger, site=SITE)
    assert other != first
    assert Order.objects.filter(status=Order.Status.OPEN).count() == 1
    session = Order.objects.get(status=Order.Status.OPEN).stripe_session_id
    customer.desk(f"checkout/{session}/pay")
    with pytest.raises(AlreadySubscribed):  # paid, and its event not here yet
        checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    customer.follow()
    with pytest.raises(AlreadySubscribed):
        checkout.start(wallet=customer.wallet, product=basic, site=SITE)


@pytest.mark.services
def test_of_two_subscriptions_that_were_paid_all_the_same_one_is_paid_back(customer: Customer, basic: Plan) -> None:
    urls = [checkout.start(wallet=customer.wallet, product=basic, site=SITE)]
    Order.objects.update(status=Order.Status.EXPIRED)  # as if the first tab's order had been forgotten
    urls.append(checkout.start(wallet=customer.wallet, product=basic, site=SITE))
    for order in Order.objects.all():
        customer.desk(f"checkout/{order.stripe_session_id}/pay")
    customer.follow()
    customer.follow()  # what undoing it brought about
    assert Row.objects.filter(wallet=customer.wallet, status="active").count() == 1
    assert sum(payment.amount - payment.refunded for payment in Payment.objects.all()) <= 900
    assert customer.balance == 103


def test_what_is_not_for_sale_is_not_sold(customer: Customer, basic: Plan) -> None:
    Plan.objects.update(active=False)
    with pytest.raises(NotForSale):
        checkout.start(wallet=customer.wallet, product=Plan.objects.get(slug="basic"), site=SITE)


def test_a_bank_debit_grants_when_the_money_is_there(customer: Customer, pack: Pack, desk: Desk) -> None:
    customer.pay(pack, "bank_debit_succeeds")
    news = customer.follow()
    if not any(event["type"].endswith("async_payment_succeeded") for event in news):
        assert customer.balance == 3
        assert Order.objects.get().status == Order.Status.PENDING
        desk("clock/advance", days=10)
        customer.follow()
    assert customer.balance == 53


def test_a_refund_takes_back_its_share_of_what_is_left(customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    customer.follow()
    spend(customer, 13)  # 3 are the welcome credits' or the pack's: what expires never goes in order of age
    left = CreditGrant.objects.get(source="pack").remaining
    charge = customer.charge(f"checkout:{session}")
    desk(f"charges/{charge}/refund", amount=250)
    customer.follow()
    assert CreditGrant.objects.get(source="pack").remaining == left - (left + 1) // 2
    desk(f"charges/{charge}/refund")
    customer.follow()
    assert CreditGrant.objects.get(source="pack").remaining == 0
    assert customer.balance >= 0


def test_the_history_tells_a_part_that_was_refunded_from_the_whole(customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    customer.follow()
    charge = customer.charge(f"checkout:{session}")
    for amount in (250, pack.price - 250):
        desk(f"charges/{charge}/refund", amount=amount)
        customer.follow()
    whole, part = customer.wallet.entries.filter(kind="claw_back").values_list("cause", flat=True)
    assert part == "Part of the payment for 50 credits was refunded"
    assert whole == "The payment for 50 credits was refunded"


def test_a_refund_that_fails_gives_the_credits_back(customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    customer.follow()
    refund = desk(f"charges/{customer.charge(f'checkout:{session}')}/refund")
    customer.follow()
    assert customer.balance == 3
    desk(f"refunds/{refund['id']}/fail")
    customer.follow()
    assert customer.balance == 53


@pytest.mark.services
def test_a_dispute_freezes_what_is_left_and_a_won_one_gives_it_back(customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    customer.follow()
    books.hold(wallet=customer.wallet, credits=13, reference="generation:late", cause="an image")
    dispute = desk(f"charges/{customer.charge(f'checkout:{session}')}/dispute")
    customer.follow()
    assert customer.balance == 0
    books.release(reference="generation:late", cause="it failed")
    frozen = CreditGrant.objects.get(source="pack")
    assert (frozen.remaining, customer.balance) == (0, 3)  # what comes back to a frozen grant stays there
    desk(f"disputes/{dispute['id']}/close", won=True)
    customer.follow()
    assert customer.balance == 53
    assert Dispute.objects.get().status == "won"


def test_a_lost_dispute_keeps_the_credits(customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    customer.follow()
    dispute = desk(f"charges/{customer.charge(f'checkout:{session}')}/dispute")
    desk(f"disputes/{dispute['id']}/close", won=False)
    customer.follow()
    assert (customer.balance, Dispute.objects.get().status) == (3, "lost")


def test_an_inquiry_freezes_nothing(customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    customer.follow()
    desk(f"charges/{customer.charge(f'checkout:{session}')}/dispute", inquiry=True)
    customer.follow()
    assert customer.balance == 53


@pytest.mark.services
def test_an_event_whose_handler_fails_is_kept_and_tried_again(
    customer: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.pay(pack)
    monkeypatch.setattr("billing.ledger.books", _fails)
    with pytest.raises(AssertionError):
        deliver(customer.news(), tries=1)
    stuck = StripeEvent.objects.get(handled_at=None)
    assert (stuck.attempts, "the disk is full" in stuck.last_error) == (1, True)
    assert stuck.due_at > timezone.now() - timedelta(minutes=1)
    assert customer.balance == 3
    monkeypatch.undo()
    deliver([])
    assert customer.balance == 53


@pytest.mark.services
def test_a_refund_that_is_heard_of_before_its_payment_waits_for_it(customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    intent = gateway.retrieve_checkout(session)["payment_intent"]
    charge = next(charge for charge in gateway.charges_since(0) if charge["payment_intent"] == intent)
    desk(f"charges/{charge['id']}/refund")
    early = [event for event in customer.news() if event["type"] == "charge.refunded"]
    with pytest.raises(AssertionError, match=NotYet.__name__):
        deliver(early, tries=1)
    customer.taken.clear()
    customer.follow()
    assert customer.balance == 3


def _fails(*_: object) -> None:
    raise OSError("the disk is full")
