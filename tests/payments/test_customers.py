"""Who somebody is at Stripe: made once, made anew when it is gone there, and told who they are now."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import gateway, ledger, tasks
from billing.models import Pack, Plan, StripeCustomer, StripeEvent
from billing.stripe import checkout, closing, customers
from kit import broker
from tests.billing.test_ledger import at_once
from tests.payments.conftest import SITE, Customer, Desk, deliver


@pytest.mark.parametrize("heard", [True, False])
def test_a_customer_deleted_at_stripe_buys_again_with_one_click(customer: Customer, pack: Pack, heard: bool) -> None:
    customer.pay(pack)
    customer.follow()
    first = customer.id
    gateway.delete_customer(first)
    if heard:
        deliver([event for event in gateway.events_since(0) if event["type"] == "customer.deleted"])
        assert customer.id == ""
    customer.pay(pack)
    customer.follow()
    assert (customer.balance, customer.id != first) == (103, True)
    assert list(customer.wallet.customers.values_list("stripe_id", flat=True)) == [customer.id, first]


def test_a_customer_deleted_at_stripe_buys_a_plan_again(customer: Customer, basic: Plan) -> None:
    customer.pay(basic)
    customer.follow()
    gateway.delete_customer(customer.id)
    deliver(list(gateway.events_since(0))[::-1])
    assert customer.subscription.status == "canceled"
    customer.pay(basic)
    customer.follow()
    assert (customer.balance, customer.plan) == (103, basic)


def test_the_portal_opens_for_whom_stripe_forgot(customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    gateway.delete_customer(customer.id)
    assert "/stripe/portal/" in checkout.portal(wallet=customer.wallet, site=SITE)


def test_an_account_whose_customer_is_gone_can_be_closed(
    customer: Customer, basic: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.pay(basic)
    customer.follow()

    def missing(customer_id: str) -> Any:
        raise gateway.Missing(f"No such customer: '{customer_id}'", param="customer")

    monkeypatch.setattr(gateway, "subscriptions_of", missing)
    User.objects.update(deleted_at=timezone.now())
    assert closing.stop_charges(customer.wallet) == 0
    assert customer.id == ""


def test_a_strangers_customer_that_is_deleted_is_nobodys(customer: Customer) -> None:
    gateway.delete_customer(
        gateway.create_customer(email="eve@example.com", name="Eve", wallet_id=1, installation="elsewhere")
    )
    deliver([event for event in gateway.events_since(0) if event["type"] == "customer.deleted"])
    assert StripeEvent.objects.get().ignored == "Not a customer that this installation made"


# --- Made once


@pytest.mark.services
def test_two_that_ask_at_once_get_the_same_customer(customer: Customer) -> None:
    made = at_once(4, lambda _: customers.customer_of(customer.wallet))
    assert len(set(made)) == 1
    assert _customers_there() == 1


@pytest.mark.parametrize("performed", [True, False])
def test_an_error_that_stripe_keeps_blocks_nobody(customer: Customer, desk: Desk, performed: bool) -> None:
    """The first customer may have been made, and the person has another address and name by now."""
    desk("api/fail", status=500, performed=performed, times=3)
    with pytest.raises(gateway.PaymentUnavailable):
        customers.customer_of(customer.wallet)
    desk("api/fail", status=500, times=0)
    User.objects.update(email="new@example.com", name="Newly Named")
    customer.wallet.user.refresh_from_db()
    assert customers.customer_of(customer.wallet) == customer.id
    assert _customers_there() == 1
    customers.tell()
    assert _told(customer) == ("new@example.com", "Newly Named")


def test_an_address_that_stripe_did_not_take_is_not_asked_for_again(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**asked: Any) -> str:
        raise gateway.PaymentRefused("Invalid email address")

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "create_customer", refuses)
        with pytest.raises(gateway.PaymentRefused):
            customers.customer_of(customer.wallet)
    User.objects.update(email="new@example.com")
    customer.wallet.user.refresh_from_db()
    with monkeypatch.context() as patch:
        patch.setattr(gateway, "create_customer", refuses)
        with pytest.raises(gateway.PaymentRefused):
            customers.customer_of(customer.wallet)
    customers.customer_of(customer.wallet)
    assert _told(customer)[0] == "new@example.com"


# --- Told who they are


def test_stripe_is_told_of_a_new_address_and_name(customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    customer.follow()
    User.objects.update(email="new@example.com", name="Newly Named")
    assert _told(customer) == ("alice@example.com", "alice@example.com")
    tasks.tell_stripe(customer.wallet.pk)
    assert _told(customer) == ("new@example.com", "Newly Named")
    row = StripeCustomer.objects.get()
    assert (row.email, row.name) == ("new@example.com", "Newly Named")
    assert customers.tell() == 0


def test_a_name_saved_on_the_profile_reaches_stripe(
    customer: Customer, pack: Pack, client: Client, django_capture_on_commit_callbacks: Any, told: list[int]
) -> None:
    customer.pay(pack)
    client.force_login(customer.wallet.user, backend="reveweb.login.backends.AuthenticationBackend")
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/account/", {"name": "Newly Named"})
    assert told == [customer.wallet.pk]


def test_an_address_that_was_confirmed_reaches_stripe(
    customer: Customer, pack: Pack, client: Client, django_capture_on_commit_callbacks: Any, told: list[int]
) -> None:
    customer.pay(pack)
    alice = customer.wallet.user
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    new = EmailAddress.objects.create(user=alice, email="new@example.com")
    client.force_login(alice, backend="reveweb.login.backends.AuthenticationBackend")
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/accounts/confirm-email/{EmailConfirmationHMAC(new).key}/")
    assert told == [customer.wallet.pk]


def test_what_stripe_was_not_told_it_is_told_with_the_next_sweep(
    customer: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.pay(pack)
    User.objects.update(email="new@example.com")

    def away(*_: Any, **__: Any) -> None:
        raise gateway.PaymentUnavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "update_customer", away)
        tasks.tell_stripe(customer.wallet.pk)
    assert _told(customer)[0] == "alice@example.com"
    assert customers.tell() == 1
    assert _told(customer)[0] == "new@example.com"


def test_whom_stripe_does_not_take_keeps_nobody_waiting(
    customer: Customer, bob: User, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gateway.update_customer

    def refuses(stripe_id: str, *, email: str, name: str) -> None:
        if email.startswith("odd"):
            raise gateway.PaymentRefused("Invalid email address")
        real(stripe_id, email=email, name=name)

    other = Customer(ledger.wallet_of(bob.pk), customer.desk)
    for each in (customer, other):
        customers.customer_of(each.wallet)
    User.objects.filter(pk=customer.wallet.user_id).update(email="odd@example.com")
    User.objects.filter(pk=bob.pk).update(email="bobby@example.com")
    monkeypatch.setattr(gateway, "update_customer", refuses)
    assert customers.tell() == 1
    assert _told(other)[0] == "bobby@example.com"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Whom workers were asked to tell Stripe of."""
    asked: list[int] = []

    def tell(task: str, argument: int) -> None:
        if task == "billing.tasks.tell_stripe":
            asked.append(argument)

    monkeypatch.setattr(broker, "tell", tell)
    return asked


def _told(customer: Customer) -> tuple[str, str]:
    there = gateway._client().v1.customers.retrieve(customer.id)
    return there.email or "", there.name or ""


def _customers_there() -> int:
    return len(gateway._client().v1.customers.list().data)
