"""Mails about money: each goes out once, in text and HTML, with its amount in full and the way to Billing."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from accounts.models import User
from billing import ledger, mail, notices, tasks
from billing.models import Account, CreditGrant, Payment, SentMail

PAID = {"product": "Basic", "credits": 100, "amount": 900, "currency": "usd", "until": "5 March 2030"}
BILLING = "https://shop.example/dashboard/billing/"


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.PUBLIC_URL = "https://shop.example"
    settings.SITE_NAME = "Lighthouse"


@pytest.fixture
def buyer(account: Account) -> Account:
    """Alice, who bought something once."""
    Payment.objects.create(account=account, reference="checkout:cs_1", amount=500, currency="usd", description="Pack")
    return account


def sent(template: str, account: Account, mailoutbox: list[Any], **context: Any) -> tuple[str, str, str]:
    """Queue and send a mail, and return its subject, its text and its HTML's words."""
    mail.queue(account, template, reference=f"{template}:1", **context)
    mail.send_due()
    message = mailoutbox[-1]
    assert message.to == ["alice@example.com"]
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    assert f'href="{BILLING}"' in html
    assert "Lighthouse" in html
    assert BILLING in message.body
    for trace in ("{{", "{%", "None"):
        assert trace not in html + message.body
    return message.subject, message.body, re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html))


def test_a_receipt_names_what_was_paid_and_what_came(account: Account, mailoutbox: list[Any]) -> None:
    subject, text, html = sent("receipt", account, mailoutbox, **PAID)
    assert subject == "Your receipt from Lighthouse"
    for words in (text, html):
        assert "$9.00 USD" in words
        assert "5 March 2030" in words
        assert re.search(r"Credits added:? 100", words)


def test_a_change_that_cost_nothing_claims_no_payment(account: Account, mailoutbox: list[Any]) -> None:
    free = {"product": "Pro to Basic", "credits": 0, "amount": 0, "currency": "usd"}
    for words in sent("receipt", account, mailoutbox, **free)[1:]:
        assert "Nothing was charged" in words
        assert "Paid" not in words
        assert "USD" not in words


def test_a_renewal_says_so(account: Account, mailoutbox: list[Any]) -> None:
    subject, text, html = sent("renewal", account, mailoutbox, **PAID)
    assert subject == "Your Lighthouse plan was renewed"
    assert "$9.00 USD" in text
    assert "Basic was renewed" in html
    assert "$9.00 USD" in html


def test_a_failed_renewal_and_a_failed_order_tell_different_things(account: Account, mailoutbox: list[Any]) -> None:
    _, text, html = sent("payment_failed", account, mailoutbox, amount=900, currency="usd", renewal=True)
    assert "Your plan goes on for now" in text
    assert "$9.00 USD" in html
    SentMail.objects.all().delete()
    _, text, html = sent("payment_failed", account, mailoutbox, amount=1800, currency="eur")
    assert "No credits were added." in text
    assert "€18.00 EUR" in html
    assert "Your plan goes on" not in html


def test_the_end_of_a_plan_says_what_is_left(account: Account, mailoutbox: list[Any]) -> None:
    for words in sent("plan_ended", account, mailoutbox, product="Basic")[1:]:
        assert "You still have 3 credits" in words


def test_low_credits_are_counted(account: Account, mailoutbox: list[Any]) -> None:
    subject, text, html = sent("low_balance", account, mailoutbox, balance=1)
    assert subject == "You are running low on credits"
    assert "you have 1 credit left, enough for 1 image." in text
    assert "Get more credits" in html


def test_a_name_cannot_smuggle_markup_into_a_mail(alice: User, account: Account, mailoutbox: list[Any]) -> None:
    sent("receipt", account, mailoutbox, **{**PAID, "product": "<script>x</script> & co"})
    assert "<script>" not in mailoutbox[-1].alternatives[0][0]
    assert "<script>x</script> & co" in mailoutbox[-1].body


def test_a_sandbox_says_in_its_mails_that_no_money_moves(
    account: Account, mailoutbox: list[Any], settings: Any
) -> None:
    for words in sent("receipt", account, mailoutbox, **PAID)[1:]:
        assert "no money moves" in words
    settings.EMBEDDED_STRIPE = False
    SentMail.objects.all().delete()
    for words in sent("receipt", account, mailoutbox, **PAID)[1:]:
        assert "no money moves" not in words


def test_each_mail_goes_out_once(account: Account, mailoutbox: list[Any]) -> None:
    for _ in range(3):
        mail.queue(account, "receipt", reference="receipt:1", **PAID)
        mail.send_due()
        mail.send(SentMail.objects.get().pk)
    assert len(mailoutbox) == 1


def test_a_mail_that_could_not_go_out_is_tried_again(
    account: Account, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: EmailMultiAlternatives) -> int:
        raise ConnectionRefusedError

    mail.queue(account, "receipt", reference="receipt:1", **PAID)
    with monkeypatch.context() as patch:
        patch.setattr(EmailMultiAlternatives, "send", refuse)
        mail.send_due()
    assert SentMail.objects.get().sent_at is None
    mail.send_due()
    assert len(mailoutbox) == 1


def test_a_mail_that_could_not_be_written_is_not_lost(account: Account, mailoutbox: list[Any]) -> None:
    mail.queue(account, "no_such_mail", reference="broken:1")
    mail.queue(account, "receipt", reference="receipt:1", **PAID)
    mail.send_due()
    assert len(mailoutbox) == 1
    assert SentMail.objects.get(reference="broken:1").sent_at is None


# --- Running low


def have(account: Account, credits: int) -> None:
    account.refresh_from_db()
    reference = f"test:{CreditGrant.objects.count()}:{account.entries.count()}"
    if credits > account.balance:
        source = CreditGrant.Source.STAFF
        more = credits - account.balance
        ledger.grant(account=account, credits=more, source=source, reference=reference, cause="x")
    elif credits < account.balance:
        ledger.take(account=account, credits=account.balance - credits, reference=reference, cause="x")


def told() -> int:
    return SentMail.objects.filter(template="low_balance").count()


@pytest.mark.parametrize(("credits", "mails"), [(0, 1), (4, 1), (5, 1), (6, 0)])
def test_a_buyer_who_runs_low_is_told(buyer: Account, credits: int, mails: int) -> None:
    have(buyer, credits)
    notices.send_low_balance()
    assert told() == mails


def test_who_never_bought_anything_is_left_alone(account: Account) -> None:
    notices.send_low_balance()
    Payment.objects.create(account=account, reference="invoice:in_1", amount=0, currency="usd", description="Free")
    notices.send_low_balance()
    assert told() == 0


def test_it_is_said_once_until_there_were_more_again(buyer: Account) -> None:
    for credits in (3, 2, 0):
        have(buyer, credits)
        notices.send_low_balance()
    assert told() == 1
    have(buyer, 50)
    notices.send_low_balance()
    SentMail.objects.update(reference="low_balance:earlier")
    have(buyer, 5)
    notices.send_low_balance()
    assert told() == 2


def test_it_is_said_once_a_day_at_most(buyer: Account) -> None:
    for credits in (3, 50, 3, 50, 3):
        have(buyer, credits)
        notices.send_low_balance()
    assert told() == 1
    assert SentMail.objects.get().reference == f"low_balance:{buyer.pk}:{timezone.now():%Y-%m-%d}"


def test_who_was_suspended_is_not_written_to(buyer: Account) -> None:
    User.objects.update(is_active=False)
    notices.send_low_balance()
    assert told() == 0


def test_an_operator_can_turn_it_off(buyer: Account, settings: Any) -> None:
    settings.LOW_BALANCE_CREDITS = 0
    notices.send_low_balance()
    assert told() == 0


def test_the_sweep_sees_to_it_also_when_credits_expired(buyer: Account, mailoutbox: list[Any]) -> None:
    ledger.take(account=buyer, credits=3, reference="x", cause="x")
    soon = timezone.now() + timedelta(milliseconds=1)
    source = CreditGrant.Source.PLAN
    ledger.grant(account=buyer, credits=50, source=source, reference="y", cause="y", expires_at=soon)
    tasks.sweep()
    tasks.sweep()
    assert len(mailoutbox) == 1
    assert "your credits are used up" in mailoutbox[0].body
