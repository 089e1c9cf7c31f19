"""Events, pages and closings that overtake each other: whoever comes last, the books end as Stripe says."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import close_old_connections
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import gateway, tasks
from billing.catalogue import products
from billing.errors import AccountClosed, AlreadySubscribed, NotSubscribed
from billing.models import CreditGrant, Dispute, Order, Pack, Payment, Plan, StripeEvent, Wallet
from billing.shapes import EventData
from billing.staff import audit
from billing.stripe import checkout, closing, customers, inbox
from tests.billing import books
from tests.conftest import PASSWORD
from tests.payments.conftest import SITE, Customer, Desk, deliver

SUCCESS = "/dashboard/billing/success/"
CHANGE = "/dashboard/billing/change-plan/"


@pytest.fixture(autouse=True)
def _books_balance(customer: Customer) -> Iterator[None]:
    yield
    assert list(audit.drifts()) == []


@pytest.fixture
def browser(client: Client, customer: Customer) -> Client:
    client.login(username="alice@example.com", password=PASSWORD)
    return client


@pytest.fixture
def overtaken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let something happen, once, between Stripe's answer to a call and what is made of it."""

    def overtaken(call: str, by: Callable[[], Any]) -> None:
        real = getattr(gateway, call)
        calls: list[str] = []

        def slow(*arguments: Any, **named: Any) -> Any:
            answer = real(*arguments, **named)
            calls.append(call)
            if len(calls) == 1:
                by()
            return answer

        monkeypatch.setattr(gateway, call, slow)

    return overtaken


def left() -> int:
    return CreditGrant.objects.get(source="pack").remaining


def bought(customer: Customer, pack: Pack) -> str:
    """Buy a pack and return its charge. The welcome credits are out of the way."""
    books.take(wallet=customer.wallet, credits=3, reference="staff:welcome", cause="out of the way")
    session = customer.pay(pack)
    customer.follow()
    return customer.charge(f"checkout:{session}")


def draw(customer: Customer, count: int) -> list[str]:
    references = [f"generation:{number}" for number in range(count)]
    for reference in references:
        books.hold(wallet=customer.wallet, credits=1, reference=reference, cause="an image")
    return references


def fail(references: list[str]) -> None:
    for reference in references:
        books.release(reference=reference, cause="it failed")


def by_another_worker(customer: Customer) -> None:
    """Let the books hear of what is new, and of nothing that is under way."""
    for event in customer.news():
        inbox.store(event)
        assert inbox.handle(event["id"])


# --- Refunds


def test_images_that_fail_after_a_partial_refund_bring_back_only_what_was_paid(
    customer: Customer, pack: Pack, desk: Desk
) -> None:
    charge = bought(customer, pack)
    images = draw(customer, 40)
    desk(f"charges/{charge}/refund", amount=200)
    customer.follow()
    fail(images[:10])
    desk(f"charges/{charge}/refund", amount=100)
    customer.follow()
    fail(images[10:])
    assert left() == customer.balance == 20


def test_of_two_refunds_the_first_fails_and_the_second_stands(customer: Customer, pack: Pack, desk: Desk) -> None:
    charge = bought(customer, pack)
    first = desk(f"charges/{charge}/refund", amount=200)
    customer.follow()
    desk(f"charges/{charge}/refund", amount=100)
    customer.follow()
    assert left() == 20
    desk(f"refunds/{first['id']}/fail")
    customer.follow()
    assert left() == 40
    assert Payment.objects.get().refunded == 100


@pytest.mark.parametrize("refunded", [250, 500])
def test_a_dispute_won_after_a_refund_brings_back_no_refunded_credit(
    customer: Customer, pack: Pack, desk: Desk, refunded: int
) -> None:
    """Stripe tells of the refund only while the dispute is open, or after it, however they came about."""
    charge = bought(customer, pack)
    images = draw(customer, 10)
    desk(f"charges/{charge}/refund", amount=refunded)
    late = [event for event in customer.news() if event["type"] == "charge.refunded"]
    dispute = desk(f"charges/{charge}/dispute")
    customer.follow()
    fail(images[:5])
    deliver(late)
    desk(f"disputes/{dispute['id']}/close", won=True)
    customer.follow()
    fail(images[5:])
    assert left() == customer.balance == (500 - refunded) // 10


def test_one_of_two_disputes_won_keeps_the_credits_back(customer: Customer, pack: Pack, desk: Desk) -> None:
    charge = bought(customer, pack)
    first = desk(f"charges/{charge}/dispute")
    opened = customer.news()
    deliver(opened)
    created = next(event for event in opened if event["type"] == "charge.dispute.created")
    second = {**created["data"]["object"], "id": "du_second"}

    def tell(status: str) -> None:
        data: EventData = {"object": {**second, "status": status}}
        deliver([{**created, "id": f"evt_{status}", "type": "charge.dispute.updated", "data": data}])

    tell("needs_response")
    desk(f"disputes/{first['id']}/close", won=True)
    customer.follow()
    assert left() == 0
    tell("won")
    assert left() == 50


def test_an_older_event_about_a_dispute_that_was_won_keeps_nothing_back(
    customer: Customer, pack: Pack, desk: Desk
) -> None:
    charge = bought(customer, pack)
    images = draw(customer, 10)
    dispute = desk(f"charges/{charge}/dispute")
    late = customer.news()
    desk(f"disputes/{dispute['id']}/close", won=True)
    customer.follow()
    deliver(late)
    fail(images)
    assert (left(), Dispute.objects.get().status) == (50, "won")


@pytest.mark.services
def test_what_stripe_said_earlier_never_undoes_what_it_says_now(
    customer: Customer, pack: Pack, desk: Desk, overtaken: Any
) -> None:
    charge = bought(customer, pack)
    desk(f"charges/{charge}/refund", amount=100)
    slow = [event for event in customer.news() if event["type"] == "charge.refunded"]

    def more() -> None:
        desk(f"charges/{charge}/refund", amount=400)
        by_another_worker(customer)

    overtaken("retrieve_charge", more)
    deliver(slow)
    assert (Payment.objects.get().refunded, left()) == (500, 0)


# --- Subscriptions


@pytest.mark.services
def test_a_plan_that_ended_meanwhile_is_not_brought_back_by_an_older_answer(
    customer: Customer, basic: Plan, overtaken: Any
) -> None:
    customer.pay(basic)
    customer.follow()
    name = customer.subscription.stripe_id
    gateway.update_subscription(name, {"cancel_at_period_end": True})
    slow = customer.news()

    def end() -> None:
        gateway.cancel_subscription(name)
        by_another_worker(customer)

    overtaken("retrieve_subscription", end)
    deliver(slow)
    assert customer.subscription.status == "canceled"
    assert customer.plan == Plan.objects.get(slug="free")


@pytest.mark.services
def test_two_tabs_that_subscribe_at_once_share_one_checkout(customer: Customer, basic: Plan, bigger: Plan) -> None:
    products.current_price(basic)
    products.current_price(bigger)

    def start(number: int) -> str:
        try:
            wallet = Wallet.objects.get(pk=customer.wallet.pk)
            return checkout.start(wallet=wallet, product=(basic, bigger)[number % 2], site=SITE)
        except (AlreadySubscribed, gateway.PaymentError) as error:
            return repr(error)
        finally:
            close_old_connections()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert Order.objects.filter(status=Order.Status.OPEN).count() <= 1
    open_ones = [
        order.stripe_session_id
        for order in Order.objects.exclude(stripe_session_id=None)
        if gateway.retrieve_checkout(str(order.stripe_session_id))["status"] == "open"
    ]
    assert len(open_ones) == 1


def test_a_session_that_another_tab_is_just_given_is_closed_with_its_order(
    customer: Customer, basic: Plan, bigger: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    order = Order.objects.get()
    Order.objects.update(stripe_session_id=None, url="")  # as long as Stripe makes it
    close = checkout._close

    def a_moment_later(earlier: Order) -> None:
        Order.objects.filter(pk=order.pk).update(stripe_session_id=order.stripe_session_id, url=order.url)
        close(earlier)

    monkeypatch.setattr(checkout, "_close", a_moment_later)
    checkout.start(wallet=customer.wallet, product=bigger, site=SITE)
    assert gateway.retrieve_checkout(str(order.stripe_session_id))["status"] == "expired"
    assert Order.objects.get(status=Order.Status.OPEN).plan == bigger


def test_an_upgrade_that_is_heard_of_after_the_renewal_has_ended_with_its_period(
    customer: Customer, basic: Plan, bigger: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    checkout.change_plan(wallet=customer.wallet, plan=bigger)
    late = customer.news()
    desk(f"subscriptions/{customer.subscription.stripe_id}/renew")
    customer.follow()
    assert customer.balance == 403
    deliver(late)
    assert customer.balance == 403
    assert all(payment.grant for payment in customer.wallet.payments.all())


def test_an_upgrade_that_is_heard_of_before_the_first_invoice_stays_beside_it(
    customer: Customer, basic: Plan, bigger: Plan
) -> None:
    customer.pay(basic)
    first = customer.news()
    deliver([event for event in first if event["type"] in ("customer.subscription.created",)])
    checkout.change_plan(wallet=customer.wallet, plan=bigger)
    customer.follow()
    deliver(first)
    assert 3 + 100 + 295 <= customer.balance <= 3 + 100 + 300


def test_a_change_in_a_periods_last_seconds_brings_no_credits_of_the_next(
    customer: Customer, basic: Plan, bigger: Plan, desk: Desk
) -> None:
    customer.pay(basic)
    customer.follow()
    end = customer.subscription.period_end
    assert end
    now = gateway.retrieve_subscription(customer.subscription.stripe_id)
    start = now["items"]["data"][0]["current_period_start"]
    desk("clock/advance", seconds=int(end.timestamp()) - start - 20)
    checkout.change_plan(wallet=customer.wallet, plan=bigger)
    customer.follow()
    assert customer.balance <= 104
    desk("clock/advance", seconds=60)
    customer.follow()
    assert (customer.balance, customer.plan) == (403, bigger)


# --- Pages


def test_the_success_page_shows_the_invoice_of_its_own_checkout(
    browser: Client, customer: Customer, basic: Plan
) -> None:
    session = customer.pay(basic)
    Payment.objects.create(
        wallet=customer.wallet, reference="invoice:in_other", amount=1, currency="usd", description="An older plan"
    )
    news = customer.news()
    deliver([event for event in news if event["type"] == "checkout.session.completed"])
    assert browser.get(SUCCESS, {"session": session}).context["progress"].state == "waiting"
    deliver(news)
    progress = browser.get(SUCCESS, {"session": session}).context["progress"]
    assert (progress.state, progress.payment.description, progress.credits) == ("paid", "Basic", 100)


def test_the_success_page_of_a_second_subscription_says_that_it_is_paid_back(
    browser: Client, customer: Customer, basic: Plan
) -> None:
    checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    Order.objects.update(status=Order.Status.EXPIRED)  # as if the first tab's order had been forgotten
    checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    sessions = [str(order.stripe_session_id) for order in Order.objects.order_by("pk")]
    for session in sessions:
        customer.desk(f"checkout/{session}/pay")
    customer.follow()
    customer.follow()
    texts = [browser.get(SUCCESS, {"session": session}).content.decode() for session in sessions]
    assert sum("100 credits added" in text for text in texts) == 1
    assert sum("This payment is paid back" in text for text in texts) == 1


def test_a_change_of_plan_is_told_from_our_copy_with_a_note_when_stripe_is_slow(
    browser: Client, customer: Customer, basic: Plan, bigger: Plan, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.pay(basic)
    customer.follow()
    note = "Stripe does not answer at the moment"
    assert note not in browser.get(CHANGE, {"slug": "pro"}).content.decode()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{mute.getsockname()[1]}"
        monkeypatch.setattr(gateway, "GLANCE_SECONDS", 0.3)
        gateway._client.cache_clear()
        before = timezone.now()
        page = browser.get(CHANGE, {"slug": "pro"}).content.decode()
        assert (timezone.now() - before).total_seconds() < 5
    gateway._client.cache_clear()
    assert note in page
    assert "Change to Pro?" in page


def test_a_plan_that_ended_at_stripe_a_moment_ago_is_not_changed(customer: Customer, basic: Plan, bigger: Plan) -> None:
    customer.pay(basic)
    customer.follow()
    gateway.cancel_subscription(customer.subscription.stripe_id)
    with pytest.raises(NotSubscribed):
        checkout.change_plan(wallet=customer.wallet, plan=bigger)


def test_a_plan_that_ended_at_stripe_is_not_offered_a_change(
    browser: Client, customer: Customer, basic: Plan, bigger: Plan
) -> None:
    customer.pay(basic)
    customer.follow()
    gateway.cancel_subscription(customer.subscription.stripe_id)
    answer = browser.get(CHANGE, {"slug": "pro"})
    assert answer["Location"] == "/dashboard/billing/"


# --- Closing


@pytest.mark.services
@pytest.mark.parametrize(
    ("door", "call"), [("portal", "create_customer"), ("checkout", "create_customer"), ("checkout", "create_checkout")]
)
def test_an_account_that_closes_during_its_first_checkout_leaves_no_customer(
    customer: Customer, pack: Pack, overtaken: Any, monkeypatch: pytest.MonkeyPatch, door: str, call: str
) -> None:
    doors = {
        "portal": partial(checkout.portal, wallet=customer.wallet, site=SITE),
        "checkout": partial(checkout.start, wallet=customer.wallet, product=pack, site=SITE),
    }
    made: list[str] = []
    real = gateway.create_customer

    def noted(**asked: Any) -> str:
        made.append(real(**asked))
        return made[-1]

    monkeypatch.setattr(gateway, "create_customer", noted)
    overtaken(call, lambda: close(customer))
    with pytest.raises(AccountClosed):
        doors[door]()
    assert len(made) == 1
    assert customer.id == ""
    with pytest.raises(gateway.PaymentRefused, match="No such customer"):
        gateway.delete_customer(made[0])
    assert not closing.discard_customer(customer.wallet)


def test_a_customer_that_paid_is_kept_for_the_books(customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    close(customer)
    assert not closing.discard_customer(customer.wallet)  # before any event of the payment
    customer.follow()
    assert not closing.discard_customer(customer.wallet)
    assert customer.wallet.payments.get().refunded == 0
    customer.follow()
    assert customer.wallet.payments.get().refunded == 500


def test_a_customer_that_stayed_while_stripe_was_away_goes_at_night(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = customers.customer_of(customer.wallet)

    def away(_: str) -> Any:
        raise gateway.PaymentUnavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "delete_customer", away)
        close(customer)
        assert not closing.discard_customer(customer.wallet)
    assert closing.discard_customers() == 0  # a checkout may still be under way
    User.objects.update(deleted_at=timezone.now() - closing.UNDER_WAY * 2)
    tasks.reconcile()
    assert customer.id == ""
    with pytest.raises(gateway.PaymentRefused, match="No such customer"):
        gateway.delete_customer(name)


def test_a_customer_that_is_gone_already_is_forgotten(customer: Customer) -> None:
    gateway.delete_customer(customers.customer_of(customer.wallet))
    close(customer)
    assert closing.discard_customer(customer.wallet)
    assert customer.id == ""


def test_an_open_account_keeps_its_customer(customer: Customer, pack: Pack) -> None:
    checkout.start(wallet=customer.wallet, product=pack, site=SITE)
    assert closing.discard_customers() == 0
    assert customer.id.startswith("cus_")


@pytest.mark.services
@pytest.mark.usefixtures("unlogged")
def test_an_error_that_no_database_could_keep_holds_up_no_event(
    customer: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("\x00 \ud800")

    customer.pay(pack)
    with monkeypatch.context() as patch:
        patch.setattr("billing.ledger.books", fails)
        for event in customer.news():
            inbox.store(event)
        inbox.handle_due()
    assert StripeEvent.objects.get(handled_at=None).last_error == "OSError:  ?"
    deliver([])
    assert customer.balance == 53


def close(customer: Customer) -> None:
    User.objects.filter(pk=customer.wallet.user_id).update(deleted_at=timezone.now())
    customer.wallet.user.refresh_from_db()
