"""Stripe in trouble: errors that it keeps, answers that are lost, and no answer at all."""

import contextlib
import json
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe
from django.db import close_old_connections
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import gateway, patience
from billing.catalogue import products
from billing.models import Order, Pack, Plan, StripeEvent, Wallet
from billing.stripe import checkout, customers, inbox
from billing.stripe.events import shared
from tests.conftest import PASSWORD
from tests.payments.conftest import SITE, Customer, Desk

PAGE = "/dashboard/billing/"
CHECKOUT = f"{PAGE}checkout/"
OTHER_SITE = "https://moved.example"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)


@pytest.fixture
def known(customer: Customer, basic: Plan, pack: Pack) -> Customer:
    """A customer for whom everything is at Stripe that comes before the checkout's own call."""
    customers.customer_of(customer.wallet)
    products.current_price(basic)
    products.current_price(pack)
    return customer


@pytest.fixture
def silent(settings: Any, known: Customer, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A Stripe that takes connections and never answers, and tries that are short."""
    monkeypatch.setattr(patience, "CLICK_TRY_SECONDS", 0.2)
    monkeypatch.setattr(patience, "TRY_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as mute:
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{mute.getsockname()[1]}"
        gateway._client.cache_clear()
        yield mute
    gateway._client.cache_clear()


def sessions() -> list[dict[str, Any]]:
    """Return every checkout session there is at Stripe."""
    return gateway._call(gateway._client().v1.checkout.sessions.list, {"limit": 100})["data"]  # type: ignore[no-any-return]


def customers_there() -> list[dict[str, Any]]:
    return gateway._call(gateway._client().v1.customers.list, {"limit": 100})["data"]  # type: ignore[no-any-return]


def start(customer: Customer, product: Plan | Pack, site: str = SITE) -> str:
    return checkout.start(wallet=customer.wallet, product=product, site=site)


# --- Errors that are kept, and answers that are lost ---------------------------------------------------------------


@pytest.mark.parametrize("performed", [False, True])
def test_an_error_that_stripe_kept_does_not_block_the_next_click(
    known: Customer, basic: Plan, desk: Desk, performed: bool
) -> None:
    desk("api/fail", status=500, kept=True, performed=performed)
    with pytest.raises(gateway.PaymentUnavailable):
        start(known, basic)
    url = start(known, basic)
    order = known.wallet.orders.get()
    assert (order.status, order.url) == ("open", url)


def test_a_refusal_does_not_block_the_next_click(known: Customer, basic: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        wrong = {"mode": "subscription"}
        patch.setattr(checkout, "_session", lambda *_: wrong)
        with pytest.raises(gateway.PaymentRefused):
            start(known, basic)
    assert start(known, basic)


@pytest.mark.services
def test_a_lost_answer_is_found_though_the_host_has_another_name_by_now(
    known: Customer, basic: Plan, desk: Desk
) -> None:
    desk("api/fail", times=3, status=503, performed=True)
    with pytest.raises(gateway.PaymentUnavailable):
        start(known, basic)
    url = start(known, basic, OTHER_SITE)
    assert [session["url"] for session in sessions()] == [url]
    assert known.wallet.orders.get().stripe_session_id == sessions()[0]["id"]


def test_a_lost_answer_and_another_price_make_another_order(known: Customer, basic: Plan, desk: Desk) -> None:
    desk("api/fail", times=3, status=503, performed=True)
    with pytest.raises(gateway.PaymentUnavailable):
        start(known, basic)
    Plan.objects.filter(pk=basic.pk).update(price=1100)
    start(known, Plan.objects.get(pk=basic.pk))
    assert list(known.wallet.orders.values_list("status", flat=True)) == ["open", "expired"]
    assert sessions()[0]["amount_total"] == 1100


@pytest.mark.services
def test_a_key_that_was_used_for_something_else_is_changed(known: Customer, basic: Plan) -> None:
    start(known, basic)
    order = known.wallet.orders.get()
    Order.objects.filter(pk=order.pk).update(params={**order.params, "cancel_url": OTHER_SITE}, url="")
    with pytest.raises(gateway.PaymentRefused) as refusal:
        start(known, basic)
    assert order.idempotency_key not in str(refusal.value)
    assert start(known, basic)


@pytest.mark.parametrize("trouble", [{"kept": True}, {"kept": True, "performed": True}])
def test_a_customer_whose_making_failed_for_good_is_looked_for_and_else_made(
    customer: Customer, pack: Pack, desk: Desk, trouble: dict[str, bool]
) -> None:
    products.current_price(pack)
    desk("api/fail", status=500, **trouble)
    assert start(customer, pack)
    assert [one["id"] for one in customers_there()] == [customer.id]


def test_a_customer_whose_answer_was_lost_is_found_under_another_name_and_address(
    customer: Customer, pack: Pack, desk: Desk
) -> None:
    products.current_price(pack)
    desk("api/fail", times=3, status=503, performed=True)
    with pytest.raises(gateway.PaymentUnavailable):
        start(customer, pack)
    User.objects.filter(pk=customer.wallet.user_id).update(name="Alice Married", email="married@example.com")
    assert start(Customer(Wallet.objects.get(pk=customer.wallet.pk), desk), pack)
    assert [one["id"] for one in customers_there()] == [customer.id]


def test_a_customer_of_another_installation_is_not_taken(customer: Customer, pack: Pack, desk: Desk) -> None:
    products.current_price(pack)
    other = gateway.create_customer(
        email="alice@example.com", name="Alice", wallet_id=customer.wallet.pk, installation="another"
    )
    desk("api/fail", status=500, kept=True)
    start(customer, pack)
    assert customer.id != other


@pytest.mark.parametrize("performed", [False, True])
def test_a_payment_is_paid_back_once_though_stripe_kept_an_error(
    customer: Customer, pack: Pack, desk: Desk, performed: bool
) -> None:
    customer.pay(pack)
    customer.follow()
    intent = str(customer.wallet.payments.get().payment_intent)
    desk("api/fail", status=500, kept=True, performed=performed)
    with pytest.raises(gateway.PaymentUnavailable):
        shared.pay_back(intent)
    for _ in range(2):
        shared.pay_back(intent)
    assert [charge["amount_refunded"] for charge in gateway.charges_since(0)] == [500]


# --- A process that dies ---------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What ends a process, in place of SIGKILL."""


def killed_at(line: int, work: Callable[[], Any]) -> bool:
    """Do `work` up to the `line`-th line that runs in the checkout's module and die there; False if it ends before."""
    seen = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename != checkout.__file__:
            return None
        if event == "line":
            seen += 1
            if seen == line:
                raise Killed
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Killed:
        return True
    finally:
        sys.settrace(before)
    return False


def test_a_process_that_dies_between_any_two_lines_leaves_one_order_and_one_session(
    known: Customer, basic: Plan, desk: Desk
) -> None:
    line, earlier = 0, 0
    alive = False
    while not alive:
        line += 1
        alive = not killed_at(line, lambda: start(known, basic))
        url = start(known, basic, OTHER_SITE)
        assert known.wallet.orders.filter(status="open").count() == 1
        there = sessions()
        assert [session["url"] for session in there[: len(there) - earlier]] == [url]
        earlier = len(there)
        Order.objects.update(status="expired")  # and the next begins afresh
    assert line > 20


# --- No answer at all ------------------------------------------------------------------------------------------------


def calls_at(mute: socket.socket) -> int:
    """Return how many connections came since this was asked last, and end them."""
    mute.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            mute.accept()[0].close()
            count += 1
    return count


def test_a_click_ends_though_stripe_never_answers_and_the_next_ones_at_once(
    silent: socket.socket, customer: Customer
) -> None:
    basic, calls = Plan.objects.get(slug="basic"), []
    for _ in range(3):
        with pytest.raises(gateway.PaymentUnavailable):
            start(customer, basic)
        calls.append(calls_at(silent))
    assert calls == [patience.STRIPE.failures, 0, 0]


def test_one_trial_finds_that_stripe_is_back(
    silent: socket.socket, customer: Customer, desk: Desk, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    basic = Plan.objects.get(slug="basic")
    for _ in range(2):
        with pytest.raises(gateway.PaymentUnavailable):
            start(customer, basic)
    settings.STRIPE_API_BASE = desk.url
    gateway._client.cache_clear()
    with pytest.raises(gateway.PaymentUnavailable, match="not answered lately"):
        start(customer, basic)
    monkeypatch.setattr(patience, "CLICK_TRY_SECONDS", 60.0)
    monkeypatch.setattr(patience.STRIPE, "_trial_at", 0.0)
    assert start(customer, basic)


def test_what_no_one_waits_for_is_patient(known: Customer, desk: Desk) -> None:
    desk("api/fail", times=1, status=503, seconds=1)
    assert gateway.subscriptions_of(known.id) == []


def test_a_click_is_one_deadline_for_all_its_calls(
    known: Customer, basic: Plan, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk("api/fail", times=100, status=503, seconds=1)
    real, ends = patience._try_seconds, []

    def watched() -> float:
        now = time.monotonic()
        ends.append(now + (seconds := real()))
        return seconds

    monkeypatch.setattr(patience, "_try_seconds", watched)
    with patience.within(2.5):
        until = time.monotonic() + 2.5
        with pytest.raises(gateway.PaymentUnavailable):
            start(known, basic)
    assert all(end <= until for end in ends)  # each try is given what the ones before it have left
    assert time.monotonic() < until + 60


@pytest.mark.services
def test_twenty_who_press_buy_at_once_are_all_answered(silent: socket.socket, customer: Customer) -> None:
    pack = Pack.objects.get(slug="pack-50")

    def press(_: int) -> float:
        began = time.monotonic()
        try:
            with pytest.raises(gateway.PaymentUnavailable):
                start(customer, pack)
        finally:
            close_old_connections()
        return time.monotonic() - began

    with ThreadPoolExecutor(20) as pool:
        assert max(pool.map(press, range(20))) < 60


# --- What is said ----------------------------------------------------------------------------------------------------


class Answers:
    """A Stripe that says one thing to everybody."""

    def __init__(self, status: int, **error: str) -> None:
        self.status, self.error = status, error

    def request(self, *_: Any, **__: Any) -> tuple[str, int, dict[str, str]]:
        return json.dumps({"error": self.error}), self.status, {"request-id": "req_7"}


RAW = [
    (
        401,
        {"message": "Invalid API Key provided: sk_test_*****************Zq9x", "type": "invalid_request_error"},
        "Zq9x",
    ),
    (403, {"message": "The provided key 'rk_live_51Ab***********wxYZ' does not have access", "type": "x"}, "wxYZ"),
    (
        400,
        {"message": "Try using a key other than 'order:9f:12' if you meant to", "type": "idempotency_error"},
        "order:9f:12",
    ),
    (400, {"message": "No such customer: 'cus_Secret'", "type": "invalid_request_error"}, ""),
    (402, {"message": "Your card has insufficient funds.", "type": "card_error", "code": "card_declined"}, ""),
]


@pytest.mark.parametrize(("status", "error", "secret"), RAW)
def test_neither_pages_nor_logs_nor_commands_show_a_key_and_pages_nothing_of_stripes(
    known: Customer,
    pack: Pack,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    error: dict[str, str],
    secret: str,
) -> None:
    client.login(username="alice@example.com", password=PASSWORD)
    monkeypatch.setattr(gateway._client()._requestor._get_http_client(), "request", Answers(status, **error).request)
    for path in (CHECKOUT, f"{PAGE}portal/"):
        page = client.post(path, {"kind": "pack", "slug": pack.slug}, follow=True).content.decode()
        assert "Nothing was charged" in page
        for word in (error["message"], "req_7", secret or error["message"]):
            assert word not in page
    assert "req_7" in caplog.text
    with pytest.raises(gateway.PaymentError, match="req_7") as failure:
        gateway.subscriptions_of("cus_1")
    shown = "".join(traceback.format_exception(failure.value)) + caplog.text
    assert not secret or secret not in shown


def test_an_event_waits_for_minutes_while_stripe_is_away_and_not_for_an_hour(
    known: Customer, pack: Pack, desk: Desk
) -> None:
    known.pay(pack)
    paid = next(event for event in known.news() if event["type"] == "checkout.session.completed")
    inbox.store(paid)
    StripeEvent.objects.filter(pk=paid["id"]).update(attempts=15)
    desk("api/fail", times=3, status=503)
    assert not inbox.handle(paid["id"])
    waits = StripeEvent.objects.get(pk=paid["id"]).due_at - timezone.now()
    assert waits.total_seconds() < 130
    StripeEvent.objects.update(due_at=timezone.now())
    assert inbox.handle_due() == 1
    assert known.balance == 53
