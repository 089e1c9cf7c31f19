"""No thread holds a connection to the database while it waits for Stripe or for a mail server."""

from typing import Any

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction

from billing import gateway
from billing.models import Pack, StripeEvent, Wallet
from billing.outbox import mail
from billing.stripe import inbox
from kit.threads import let_go
from tests.payments.conftest import Customer
from tests.waiting import Waits


@pytest.mark.services
def test_no_connection_is_held_while_stripe_is_asked(
    customer: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.pay(pack)
    news = customer.news()
    waits, client = Waits(), gateway._client()._requestor._get_http_client()
    monkeypatch.setattr(client, "request", waits(client.request))
    for event in news:
        inbox.store(event)
    inbox.handle_due()
    assert not StripeEvent.objects.filter(handled_at=None).exists()
    assert customer.balance == 53
    assert (waits.calls > 0, waits.with_connection) == (True, [])


@pytest.mark.services
def test_no_connection_is_held_while_a_mail_is_sent(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:
    waits = Waits()
    monkeypatch.setattr(EmailBackend, "send_messages", waits(EmailBackend.send_messages))
    mail.queue(wallet, "welcome", reference="x")
    assert len(mailoutbox) == 1
    assert (waits.calls, waits.with_connection) == (1, [])


def test_nothing_is_waited_for_inside_a_transaction(customer: Customer) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction is open"):
        gateway.subscriptions_of("cus_1")
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction is open"):
        let_go()
