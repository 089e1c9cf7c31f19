"""After an account is deleted nothing in the whole database names its person: every table is read, as text."""

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import gateway, ledger
from billing.models import OutgoingMail, Pack, Plan, StripeCustomer, StripeEvent
from billing.outbox import mail
from billing.staff import acts
from billing.stripe import closing
from reveweb.personal import jobs
from tests.account.conftest import work
from tests.payments.conftest import Customer, Desk, clean_desk, deliver, seed_catalogue

NAMES = ("alice@example.com", "liddell", "alice@second.example")


@pytest.fixture
def customer(alice: User, sandbox: str, settings: Any) -> Customer:
    seed_catalogue()
    User.objects.filter(pk=alice.pk).update(name="Alice Pleasance Liddell")
    alice.refresh_from_db()
    return Customer(ledger.wallet_of(alice.pk), clean_desk(sandbox))


@pytest.fixture
def desk(customer: Customer) -> Desk:
    return customer.desk


def test_nothing_names_whoever_deleted_their_account(
    alice: User, sam: User, customer: Customer, desk: Desk, browser: Client, belongings: None, mailoutbox: list[Any]
) -> None:
    _live(customer, desk)
    _be_looked_after(alice, sam)
    assert {table for table, _ in _found()} >= {"accounts_user", "billing_stripecustomer", "account_emailaddress"}
    assert work(jobs.start_deletion(alice))
    gateway.update_customer(_stripe_id(customer), email=alice.email, name=alice.name)  # as it still is there
    deliver(_events())
    assert list(_found()) == []
    assert mailoutbox[-1].to == ["alice@example.com"]
    assert OutgoingMail.objects.get(template="account_deleted").sent_at


def test_an_event_names_nobody_from_the_start(customer: Customer, desk: Desk) -> None:
    """Also those of people whom only another site on the same Stripe account knows."""
    stranger = gateway.create_customer(email="eve@example.com", name="Eve Moneypenny", wallet_id=9, installation="x")
    gateway.update_customer(stranger, email="evelyn@example.com", name="Eve Moneypenny")
    _live(customer, desk)
    kinds = set(StripeEvent.objects.values_list("type", flat=True))
    assert kinds >= {
        "customer.created",
        "customer.updated",
        "payment_method.attached",
        "invoice.paid",
        "charge.succeeded",
    }
    assert kinds >= {
        "checkout.session.completed",
        "charge.refunded",
        "charge.dispute.created",
        "payment_intent.succeeded",
    }
    assert not [row for table, row in _found(*NAMES, "moneypenny", "eve@example.com") if table == "billing_stripeevent"]


def test_a_mail_that_nobody_takes_is_forgotten_too(
    alice: User, customer: Customer, belongings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> None:
        raise smtplib.SMTPRecipientsRefused({"alice@example.com": (550, b"no such mailbox")})

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuses)
    assert work(jobs.start_deletion(alice))
    assert OutgoingMail.objects.get(template="account_deleted").failed_at
    assert list(_found()) == []


def test_a_customer_made_in_the_instant_of_the_closing_is_named_no_longer(customer: Customer) -> None:
    customer.pay(Pack.objects.get(slug="pack-50"))
    customer.follow()
    User.objects.update(deleted_at=timezone.now() - closing.UNDER_WAY * 2)
    closing.discard_customers()
    assert StripeCustomer.objects.values_list("email", "name").get() == ("", "")


def _live(customer: Customer, desk: Desk) -> None:
    """Buy, be refunded, question a payment; every event is stored."""
    session = customer.pay(Pack.objects.get(slug="pack-50"))
    customer.pay(Plan.objects.get(slug="basic"))
    deliver(_events())
    charge = customer.charge(f"checkout:{session}")
    desk(f"charges/{charge}/refund", amount=100)
    desk(f"charges/{charge}/dispute")
    gateway.update_customer(customer.id, email="alice@example.com", name="Alice Liddell of Oxford")
    desk(f"subscriptions/{customer.subscription.stripe_id}/renew")
    deliver(_events())


def _be_looked_after(alice: User, sam: User) -> None:
    """Mails that went out, that wait and that failed; what staff did; what the admin logged."""
    EmailAddress.objects.create(user=alice, email="alice@second.example")
    mail.queue_to("alice@second.example", "account/email/email_confirmation", user=alice, activate_url="http://x/")
    mail.queue_to("alice@example.com", "account/email/unknown_account", signup_url="http://x/")
    mail.send_due()
    mail.queue_to("alice@example.com", "account/email/email_changed", user=alice, to_email="alice@second.example")
    gone = {"sent_at": None, "failed_at": timezone.now(), "last_error": "alice@example.com: 550"}
    OutgoingMail.objects.filter(template="account/email/email_changed").update(**gone)
    wallet = ledger.wallet_of(alice.pk)
    sam.groups.add(*Group.objects.all())
    User.objects.filter(pk=sam.pk).update(is_superuser=True)
    sam.refresh_from_db()
    acts.grant(actor=sam, wallet=wallet, credits=2, reason="Said sorry to Alice@example.com", reference="staff:1")
    acts.suspend(actor=sam, user=alice, reason="By mistake")
    acts.restore(actor=sam, user=alice, reason="By mistake")
    acts.resend_mail(actor=sam, mail=OutgoingMail.objects.exclude(failed_at=None).first())  # type: ignore[arg-type]
    LogEntry.objects.create(
        user=sam,
        object_id=str(alice.pk),
        object_repr=str(alice),
        action_flag=CHANGE,
        change_message='[{"changed": {}}]',
    )


def _events() -> list[Any]:
    return list(gateway.events_since(0))[::-1]


def _stripe_id(customer: Customer) -> str:
    return customer.wallet.customers.get().stripe_id or ""


def _found(*names: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield every row of any table that names Alice, or one of `names`."""
    for table in sorted(connection.introspection.table_names()):
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                text = " ".join(map(str, row)).lower()
                if any(name in text for name in names or NAMES):
                    yield table, row
