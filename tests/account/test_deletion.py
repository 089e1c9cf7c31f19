"""Closing an account: nothing of the person stays, nothing is charged again, and the books still add up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.files.storage import storages
from django.test import Client

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, User
from billing import gateway, identity, ledger
from billing.errors import AccountClosed
from billing.models import CreditEntry, Order, OutgoingMail, Pack, Payment, Plan, Subscription, Wallet
from billing.staff import acts
from billing.staff.audit import drifts
from billing.stripe import checkout
from billing.stripe import closing as payments
from generator.files import images, uploads
from generator.jobs import engine
from generator.models import ApiCall, Generation
from kit.threads import in_loop
from reveweb.personal import deletion, jobs
from reveweb.personal.models import PersonalTask
from tests.account.conftest import png, stored_files, work
from tests.conftest import PASSWORD
from tests.payments.conftest import SITE, Customer, clean_desk, deliver, seed_catalogue

State = PersonalTask.State


def test_nothing_of_the_person_stays(alice: User, wallet: Wallet, browser: Client, belongings: None) -> None:
    assert stored_files() != []
    task = jobs.start_deletion(alice)
    assert work(task), task.last_error
    assert stored_files() == []
    alice.refresh_from_db()
    assert alice.email == f"deleted-{alice.pk}@deleted.invalid"
    assert (alice.name, alice.is_active, alice.has_usable_password()) == ("", False, False)
    assert alice.deleted_at is not None
    for records in (Authenticator, SocialAccount, EmailAddress, ApiKey, UserSession, Session):
        assert not records.objects.exists(), records
    generations = Generation.objects.filter(wallet=wallet)
    assert {one.prompt for one in generations} == {""}
    assert {one.status for one in generations} == {"completed", "failed"}
    assert list(drifts()) == []


def test_their_request_log_goes_too(alice: User, belongings: None) -> None:
    assert ApiCall.objects.count() == 1
    assert work(jobs.start_deletion(alice))
    assert not ApiCall.objects.exists()


def test_what_they_brought_goes_too(alice: User, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = uploads.take(wallet, png())
    stored = Path(storages["private"].path(uploads.path_of(brought.file_name)))
    task = jobs.start_deletion(alice)

    def away(*_: Any) -> None:
        raise PermissionError(13, "no")

    with monkeypatch.context() as patch:
        patch.setattr(storages["private"], "delete", away)
        assert not work(task)
    assert stored.exists()
    assert work(task), task.last_error
    assert not stored.exists()
    assert not wallet.uploads.filter(purged_at=None).exists()


def test_it_begins_at_once(alice: User, browser: Client, belongings: None) -> None:
    secret = keys.mint(user=alice, name="another")[1]
    jobs.start_deletion(alice)
    with pytest.raises(InvalidApiKey):
        keys.verify(secret)
    assert browser.get("/account/").status_code == 302
    assert not Client().login(email=alice.email, password=PASSWORD)


@pytest.mark.parametrize("step", ["stop_charges", "_stop_drawing", "_delete_images", "_delete_log_ins", "_forget"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_at_any_step_leaves_it_to_the_next(
    alice: User, wallet: Wallet, belongings: None, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    task = jobs.start_deletion(alice)
    module = payments if step == "stop_charges" else deletion
    real = getattr(module, step)

    def killed(*arguments: Any) -> Any:
        if when == "after":
            real(*arguments)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(module, step, killed)
        with pytest.raises(SystemExit):
            work(task)
    task.refresh_from_db()
    assert task.is_open
    assert work(task), task.last_error
    assert task.state == State.DONE
    assert stored_files() == []
    assert User.objects.get(pk=alice.pk).email.endswith("@deleted.invalid")
    assert OutgoingMail.objects.filter(template="account_deleted").count() == 1
    assert list(drifts()) == []


def test_a_storage_that_is_away_is_waited_for(alice: User, belongings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    task = jobs.start_deletion(alice)

    def away(token: str) -> None:
        raise OSError("no route to storage")

    with monkeypatch.context() as patch:
        patch.setattr("generator.files.images.delete", away)
        assert not work(task)
    assert (task.state, "images" in task.last_error) == (State.WAITING, True)
    assert User.objects.get(pk=alice.pk).email == "alice@example.com"
    assert work(task), task.last_error


def test_the_same_address_signs_up_again_without_a_second_welcome(alice: User, wallet: Wallet) -> None:
    assert wallet.balance == 3
    assert work(jobs.start_deletion(alice))
    client = Client()
    client.post("/accounts/signup/", {"email": "alice@example.com", "password1": PASSWORD})
    again = User.objects.get(email="alice@example.com")
    assert again.pk != alice.pk
    assert ledger.wallet_of(again.pk).balance == 0


def test_nobody_signs_up_where_deleted_accounts_go(client: Client, db: None) -> None:
    answer = client.post("/accounts/signup/", {"email": "deleted-1@deleted.invalid", "password1": PASSWORD})
    assert "can receive email" in answer.content.decode()


def test_an_export_under_way_gives_way(alice: User, belongings: None) -> None:
    export = jobs.start_export(alice)
    task = jobs.start_deletion(alice)
    assert not work(export)
    assert work(task), task.last_error
    assert not PersonalTask.objects.filter(kind=PersonalTask.Kind.EXPORT).exists()


def test_a_packed_export_goes_too(alice: User) -> None:
    export = jobs.start_export(alice)
    assert work(export)
    path = export.file_path
    assert jobs.private().exists(path)
    assert work(jobs.start_deletion(alice))
    assert not jobs.private().exists(path)


def test_two_clicks_are_one_deletion(alice: User) -> None:
    assert jobs.start_deletion(alice).pk == jobs.start_deletion(alice).pk


def test_staff_cannot_bring_it_back(alice: User, wallet: Wallet) -> None:
    jobs.start_deletion(alice)
    acts.restore(actor=None, user=alice, reason="please")
    alice.refresh_from_db()
    assert not alice.is_active


def test_a_suspension_ends_the_sessions_for_good(alice: User, browser: Client) -> None:
    acts.suspend(actor=None, user=alice, reason="test")
    acts.restore(actor=None, user=alice, reason="test")
    assert browser.get("/account/").status_code == 302


class TestThePage:
    def test_it_wants_the_password_first(self, browser: Client, alice: User) -> None:
        answer = browser.get("/account/delete/")
        assert answer["Location"] == "/accounts/reauthenticate/?next=%2Faccount%2Fdelete%2F"
        assert browser.post("/account/delete/", {"email": alice.email}).status_code == 302
        alice.refresh_from_db()
        assert alice.deleted_at is None

    def test_it_wants_the_address_of_the_account(self, browser: Client, alice: User) -> None:
        confirm(browser)
        answer = browser.post("/account/delete/", {"email": "bob@example.com"})
        assert answer.status_code == 422
        assert "not the address of this account" in answer.content.decode()
        assert browser.post("/account/delete/", {"email": "a\x00"}).status_code == 422
        alice.refresh_from_db()
        assert alice.deleted_at is None

    def test_it_deletes_and_shows_how_far_it_is(self, browser: Client, alice: User) -> None:
        confirm(browser)
        answer = browser.post("/account/delete/", {"email": " Alice@Example.com "})
        task = PersonalTask.objects.get()
        assert answer["Location"] == f"/account/deleted/{task.token}/"
        page = browser.get(answer["Location"]).content.decode()
        assert "Deleting your account" in page
        assert "Log in" in page
        assert browser.get(f"{answer['Location']}state/").status_code == 200
        assert work(task)
        state = browser.get(f"{answer['Location']}state/")
        assert state.status_code == 286
        assert "Your account is deleted" in state.content.decode()

    def test_staff_are_told_to_step_down_first(self, sam: User) -> None:
        client = Client()
        client.post("/accounts/login/", {"login": sam.email, "password": PASSWORD})
        confirm(client)
        assert "belongs to staff" in client.post("/account/delete/", {"email": sam.email}).content.decode()
        sam.refresh_from_db()
        assert sam.deleted_at is None

    def test_a_made_up_address_is_not_found(self, client: Client, db: None) -> None:
        assert client.get("/account/deleted/x/").status_code == 404
        assert client.get("/account/deleted/x/state/").status_code == 404


class TestMoney:
    @pytest.fixture
    def customer(self, alice: User, sandbox: str, settings: Any) -> Customer:
        seed_catalogue()
        return Customer(ledger.wallet_of(alice.pk), clean_desk(sandbox))

    def test_a_plan_ends_at_stripe_at_once(self, alice: User, customer: Customer) -> None:
        customer.pay(Plan.objects.get(slug="basic"))
        customer.follow()
        assert work(jobs.start_deletion(alice))
        assert gateway.subscriptions_of(customer.id) == []
        customer.follow()
        assert customer.subscription.status == "canceled"
        assert not OutgoingMail.objects.filter(template="plan_ended").exists()
        assert list(drifts()) == []

    def test_a_plan_that_we_have_not_heard_of_ends_too(self, alice: User, customer: Customer) -> None:
        customer.pay(Plan.objects.get(slug="basic"))
        assert not Subscription.objects.exists()
        assert work(jobs.start_deletion(alice))
        assert gateway.subscriptions_of(customer.id) == []
        customer.follow()  # what was paid is booked to the account that nobody is behind any more
        customer.follow()  # and paid back
        assert list(drifts()) == []

    def test_an_open_checkout_cannot_be_paid_any_more(self, alice: User, customer: Customer) -> None:
        checkout.start(wallet=customer.wallet, product=Plan.objects.get(slug="basic"), site="http://shop.example")
        order = Order.objects.get()
        assert work(jobs.start_deletion(alice))
        order.refresh_from_db()
        assert order.status == Order.Status.EXPIRED
        assert gateway.retrieve_checkout(order.stripe_session_id or "")["status"] == "expired"

    def test_stripe_being_away_holds_it_up_and_loses_nothing(
        self, alice: User, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        customer.pay(Plan.objects.get(slug="basic"))
        task = jobs.start_deletion(alice)

        def away(customer_id: str) -> Any:
            raise gateway.PaymentUnavailable("no answer")

        with monkeypatch.context() as patch:
            patch.setattr(gateway, "subscriptions_of", away)
            assert not work(task)
        assert (task.state, alice.email) == (State.WAITING, "alice@example.com")
        assert work(task), task.last_error

    def test_a_later_refund_and_dispute_find_the_books(self, alice: User, customer: Customer) -> None:
        session = customer.pay(Pack.objects.get(slug="pack-50"))
        customer.follow()
        charge = customer.charge(f"checkout:{session}")
        assert work(jobs.start_deletion(alice))
        customer.desk(f"charges/{charge}/dispute")
        customer.follow()
        assert Wallet.objects.get(pk=customer.wallet.pk).balance == 3
        assert list(drifts()) == []


class TestACheckoutThatIsStarting:
    """Closing the account in the middle of a checkout's start leaves nothing that could be paid."""

    @pytest.fixture
    def customer(self, alice: User, sandbox: str, settings: Any) -> Customer:
        seed_catalogue()
        return Customer(ledger.wallet_of(alice.pk), clean_desk(sandbox))

    @pytest.fixture
    def during(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
        """Let something happen, once, while a call to Stripe is on its way; return what such calls answered."""

        def during(call: str, happens: Callable[[], Any], *, when: str) -> list[Any]:
            real = getattr(gateway, call)
            answers: list[Any] = []

            def slow(*arguments: Any, **named: Any) -> Any:
                first = not answers
                answers.append(None)
                if first and when == "before":
                    happens()
                answers[-1] = real(*arguments, **named)
                if first and when == "after":
                    happens()
                return answers[-1]

            monkeypatch.setattr(gateway, call, slow)
            return answers

        return during

    @pytest.mark.parametrize("product", [Plan, Pack])
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("call", ["create_customer", "create_checkout"])
    @pytest.mark.parametrize("whole", [True, False], ids=["deleted", "only closed"])
    def test_it_is_refused(
        self, alice: User, customer: Customer, during: Any, product: Any, when: str, call: str, whole: bool
    ) -> None:
        def close() -> None:
            task = jobs.start_deletion(alice)
            assert not whole or work(task), task.last_error

        sessions = during("create_checkout", lambda: None, when="after")
        during(call, close, when=when)
        with pytest.raises(AccountClosed):
            checkout.start(wallet=customer.wallet, product=product.objects.filter(price__gt=0)[0], site=SITE)
        assert {order.status for order in Order.objects.all()} == {Order.Status.EXPIRED}
        assert [gateway.retrieve_checkout(one["id"])["status"] for one in sessions] == ["expired"]

    def test_a_closed_account_starts_none(self, alice: User, customer: Customer, during: Any) -> None:
        calls = during("create_checkout", lambda: None, when="after")
        earlier = checkout.start(wallet=customer.wallet, product=Plan.objects.get(slug="basic"), site=SITE)
        assert earlier
        jobs.start_deletion(alice)
        for product in (Plan.objects.get(slug="basic"), Pack.objects.get(slug="pack-50")):
            with pytest.raises(AccountClosed):
                checkout.start(wallet=customer.wallet, product=product, site=SITE)
        assert (len(calls), Order.objects.count()) == (1, 1)

    def test_an_order_without_a_customer_is_closed(self, alice: User, customer: Customer) -> None:
        Order.objects.create(wallet=customer.wallet, account=identity.account(), plan=Plan.objects.get(slug="basic"))
        assert work(jobs.start_deletion(alice))
        assert Order.objects.get().status == Order.Status.EXPIRED

    def test_the_page_says_so(self, alice: User, customer: Customer, browser: Client, during: Any) -> None:
        during("create_checkout", lambda: work(jobs.start_deletion(alice)), when="before")
        answer = browser.post("/dashboard/billing/checkout/", {"kind": "plan", "slug": "basic"}, follow=True)
        assert answer.status_code == 200
        assert "This account is being deleted" in answer.content.decode()

    def test_a_plan_that_is_paid_all_the_same_is_ended_and_paid_back(self, alice: User, customer: Customer) -> None:
        checkout.start(wallet=customer.wallet, product=Plan.objects.get(slug="basic"), site=SITE)
        pay_after_closing(alice, customer)
        assert gateway.subscriptions_of(customer.id) == []
        assert customer.subscription.status == "canceled"
        assert_paid_back(customer)

    def test_so_it_is_whichever_event_comes_first(self, alice: User, customer: Customer) -> None:
        checkout.start(wallet=customer.wallet, product=Plan.objects.get(slug="basic"), site=SITE)
        jobs.start_deletion(alice)
        customer.desk(f"checkout/{Order.objects.get().stripe_session_id}/pay")
        deliver(customer.news()[::-1])
        customer.follow()
        assert gateway.subscriptions_of(customer.id) == []
        assert_paid_back(customer)

    def test_a_pack_that_is_paid_all_the_same_is_paid_back(self, alice: User, customer: Customer) -> None:
        checkout.start(wallet=customer.wallet, product=Pack.objects.get(slug="pack-50"), site=SITE)
        pay_after_closing(alice, customer)
        assert_paid_back(customer)

    def test_a_refund_that_fails_midway_is_made_later(
        self, alice: User, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*arguments: Any, **named: Any) -> Any:
            raise gateway.PaymentUnavailable("no answer")

        checkout.start(wallet=customer.wallet, product=Plan.objects.get(slug="basic"), site=SITE)
        with monkeypatch.context() as patch:
            patch.setattr(gateway, "refund_payment", away)
            with pytest.raises(AssertionError, match="no answer"):
                pay_after_closing(alice, customer)
        deliver([])
        customer.follow()
        assert gateway.subscriptions_of(customer.id) == []
        assert_paid_back(customer)

    def test_what_was_bought_before_is_not_paid_back(self, alice: User, customer: Customer) -> None:
        customer.pay(Pack.objects.get(slug="pack-50"))
        news = customer.follow()
        jobs.start_deletion(alice)
        deliver([{**event, "id": f"{event['id']}_again"} for event in news])
        customer.follow()
        assert Payment.objects.get().refunded == 0
        assert list(drifts()) == []


def pay_after_closing(alice: User, customer: Customer) -> None:
    """Pay an open checkout that its account's closing could not stop, and let the books hear of it twice."""
    jobs.start_deletion(alice)
    customer.desk(f"checkout/{Order.objects.get().stripe_session_id}/pay")
    news = customer.news()
    deliver(news)
    deliver([{**event, "id": f"{event['id']}_again"} for event in news])
    customer.follow()  # what undoing it brought about


def assert_paid_back(customer: Customer) -> None:
    payment = Payment.objects.get()
    assert payment.amount > 0
    assert (payment.refunded, payment.grant) == (payment.amount, None)
    assert not CreditEntry.objects.exclude(reference__startswith="welcome:").exists()
    assert list(drifts()) == []


def confirm(client: Client) -> None:
    client.post("/accounts/reauthenticate/?next=/account/delete/", {"password": PASSWORD})


def test_an_image_that_arrives_after_the_account_closed_leaves_no_files(alice: User, draw: Any) -> None:
    late = draw("late", until="drawing")
    assert work(jobs.start_deletion(alice))
    images.store(png(), late.file_token)  # a worker was fetching it meanwhile
    late.refresh_from_db()
    in_loop(engine._in_passing().worker._drop_unwanted(late))
    assert stored_files() == []
