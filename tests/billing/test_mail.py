"""Mails about money: each goes out once, in text and HTML, with its amount in full and the way to Billing."""

import re
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import tasks
from billing.models import CreditGrant, OutgoingMail, Payment, Wallet
from billing.outbox import mail, notices, rendering
from kit import accent
from tests.billing import books

PAID = {"product": "Basic", "credits": 100, "amount": 900, "currency": "usd", "until": "5 March 2030"}
BILLING = "https://shop.example/dashboard/billing/"


@dataclass
class Server:
    """What a mail server answers."""

    error: BaseException | None = None
    asked: int = 0


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.PUBLIC_URL = "https://shop.example"
    settings.SITE_NAME = "Lighthouse"


@pytest.fixture
def buyer(wallet: Wallet) -> Wallet:
    """Alice, who bought something once."""
    Payment.objects.create(wallet=wallet, reference="checkout:cs_1", amount=500, currency="usd", description="Pack")
    return wallet


def sent(template: str, wallet: Wallet, mailoutbox: list[Any], **context: Any) -> tuple[str, str, str]:
    """Queue and send a mail, and return its subject, its text and its HTML's words."""
    mail.queue(wallet, template, reference=f"{template}:1", **context)
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


def test_a_receipt_names_what_was_paid_and_what_came(wallet: Wallet, mailoutbox: list[Any]) -> None:
    subject, text, html = sent("receipt", wallet, mailoutbox, **PAID)
    assert subject == "Your receipt from Lighthouse"
    for words in (text, html):
        assert "$9.00 USD" in words
        assert "5 March 2030" in words
        assert re.search(r"Credits added:? 100", words)


def test_a_change_that_cost_nothing_claims_no_payment(wallet: Wallet, mailoutbox: list[Any]) -> None:
    free = {"product": "Pro to Basic", "credits": 0, "amount": 0, "currency": "usd"}
    for words in sent("receipt", wallet, mailoutbox, **free)[1:]:
        assert "Nothing was charged" in words
        assert "Paid" not in words
        assert "USD" not in words


def test_a_renewal_says_so(wallet: Wallet, mailoutbox: list[Any]) -> None:
    subject, text, html = sent("renewal", wallet, mailoutbox, **PAID)
    assert subject == "Your Lighthouse plan was renewed"
    assert "$9.00 USD" in text
    assert "Basic was renewed" in html
    assert "$9.00 USD" in html


def test_a_failed_renewal_and_a_failed_order_tell_different_things(wallet: Wallet, mailoutbox: list[Any]) -> None:
    _, text, html = sent("payment_failed", wallet, mailoutbox, amount=900, currency="usd", renewal=True)
    assert "Your plan goes on for now" in text
    assert "$9.00 USD" in html
    OutgoingMail.objects.all().delete()
    _, text, html = sent("payment_failed", wallet, mailoutbox, amount=1800, currency="eur")
    assert "No credits were added." in text
    assert "€18.00 EUR" in html
    assert "Your plan goes on" not in html


def test_the_end_of_a_plan_says_what_is_left(wallet: Wallet, mailoutbox: list[Any]) -> None:
    for words in sent("plan_ended", wallet, mailoutbox, product="Basic")[1:]:
        assert "You still have 3 credits" in words


def test_low_credits_are_counted(wallet: Wallet, mailoutbox: list[Any]) -> None:
    subject, text, html = sent("low_balance", wallet, mailoutbox, balance=1)
    assert subject == "You are running low on credits"
    assert "you have 1 credit left, enough for 1 image." in text
    assert "Get more credits" in html


def test_a_name_cannot_smuggle_markup_into_a_mail(alice: User, wallet: Wallet, mailoutbox: list[Any]) -> None:
    sent("receipt", wallet, mailoutbox, **{**PAID, "product": "<script>x</script> & co"})
    assert "<script>" not in mailoutbox[-1].alternatives[0][0]
    assert "<script>x</script> & co" in mailoutbox[-1].body


def test_a_sandbox_says_in_its_mails_that_no_money_moves(wallet: Wallet, mailoutbox: list[Any], settings: Any) -> None:
    for words in sent("receipt", wallet, mailoutbox, **PAID)[1:]:
        assert "no money moves" in words
    settings.EMBEDDED_STRIPE = False
    OutgoingMail.objects.all().delete()
    for words in sent("receipt", wallet, mailoutbox, **PAID)[1:]:
        assert "no money moves" not in words


def test_each_mail_goes_out_once(wallet: Wallet, mailoutbox: list[Any]) -> None:
    for _ in range(3):
        mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
        mail.send_due()
        mail.send(OutgoingMail.objects.get().pk)
        OutgoingMail.objects.update(due_at=timezone.now())  # the lease of whoever sent it has ended
    assert len(mailoutbox) == 1


# --- What does not go out at once


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A mail server that refuses as long as `server.error` is set."""
    server = Server()
    really = EmailMultiAlternatives.send

    def send(self: EmailMultiAlternatives, fail_silently: bool = False) -> int:
        server.asked += 1
        if server.error:
            raise server.error
        return really(self, fail_silently)

    monkeypatch.setattr(EmailMultiAlternatives, "send", send)
    return server


def pass_time() -> None:
    """Let the pause before the next attempt pass."""
    OutgoingMail.objects.update(due_at=timezone.now())
    mail._away["until"] = 0.0


def test_a_mail_that_could_not_go_out_is_tried_again_after_a_pause(
    wallet: Wallet, mailoutbox: list[Any], server: Server
) -> None:
    server.error = ConnectionRefusedError("Connection refused")
    mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    row = OutgoingMail.objects.get()
    assert (row.sent_at, row.attempts) == (None, 1)
    assert row.last_error == "ConnectionRefusedError: Connection refused"
    assert timedelta(seconds=50) < row.due_at - timezone.now() < timedelta(seconds=61)
    server.error = None
    mail.send_due()
    assert mailoutbox == []
    pass_time()
    mail.send_due()
    assert len(mailoutbox) == 1
    assert OutgoingMail.objects.get().last_error == ""


def test_a_mail_is_given_up_after_about_a_day_and_sent_when_staff_say_so(
    wallet: Wallet, mailoutbox: list[Any], server: Server
) -> None:
    server.error = smtplib.SMTPDataError(451, b"Try again later")
    mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    for _ in range(20):
        pass_time()
        mail.send_due()
    row = OutgoingMail.objects.get()
    assert server.asked == row.attempts == 8
    assert timedelta(hours=18) < sum(mail.PAUSES, timedelta()) < timedelta(hours=30)
    assert row.failed_at is not None
    assert list(mail.failed()) == [row]
    server.error = None
    assert mail.resend(row)
    assert len(mailoutbox) == 1
    assert not mail.resend(row)
    assert len(mailoutbox) == 1
    assert not mail.failed().exists()


@pytest.mark.parametrize(("code", "given_up"), [(550, True), (450, False)])
def test_an_address_that_nobody_has_is_given_up_at_once(
    wallet: Wallet, server: Server, code: int, given_up: bool
) -> None:
    server.error = smtplib.SMTPRecipientsRefused({"alice@example.com": (code, b"No such user")})
    mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    assert mail.failed().exists() == given_up


def test_what_was_given_up_asks_for_somebody_for_some_days_and_a_refused_address_never(
    wallet: Wallet, server: Server
) -> None:
    server.error = smtplib.SMTPRecipientsRefused({"alice@example.com": (550, b"No such user")})
    mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    assert (mail.failed().count(), mail.failed_lately().count()) == (1, 0)
    server.error = smtplib.SMTPRecipientsRefused({"alice@example.com": (450, b"Try again later")})
    mail.queue(wallet, "receipt", reference="receipt:2", **PAID)
    for _ in range(mail.MOST_ATTEMPTS):
        pass_time()
        mail.send_due()
    assert [one.reference for one in mail.failed_lately()] == ["receipt:2"]
    OutgoingMail.objects.filter(reference="receipt:2").update(failed_at=timezone.now() - mail.LATELY)
    assert (mail.failed().count(), mail.failed_lately().count()) == (2, 0)


def test_a_mail_server_that_is_away_is_asked_once_and_then_left_alone(wallet: Wallet, server: Server) -> None:
    server.error = TimeoutError()
    for number in range(5):
        mail.queue(wallet, "receipt", reference=f"receipt:{number}", **PAID)
    mail.send_due()
    assert server.asked == 1
    assert OutgoingMail.objects.filter(attempts=0).count() == 4


def test_a_worker_that_dies_while_it_sends_leaves_the_mail_to_the_next(
    wallet: Wallet, mailoutbox: list[Any], server: Server
) -> None:
    server.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    server.error = None
    mail.send_due()
    assert mailoutbox == []  # it may still be sending
    OutgoingMail.objects.update(due_at=timezone.now())  # its lease has ended
    mail.send_due()
    assert len(mailoutbox) == 1


def test_a_mail_whose_every_worker_dies_is_given_up_too(wallet: Wallet, server: Server) -> None:
    server.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    for _ in range(20):
        OutgoingMail.objects.filter(failed_at=None).update(due_at=timezone.now())
        try:
            mail.send_due()
        except KeyboardInterrupt:
            continue
    assert server.asked == 8
    assert mail.failed().exists()


@pytest.mark.usefixtures("unlogged")
def test_an_error_that_no_database_could_keep_holds_up_no_other_mail(wallet: Wallet, server: Server) -> None:
    server.error = ValueError("\x00 \ud800")
    mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    assert OutgoingMail.objects.get().last_error == "ValueError:  ?"


def test_each_attempt_bears_the_same_message_id(wallet: Wallet, mailoutbox: list[Any]) -> None:
    mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    OutgoingMail.objects.update(sent_at=None, due_at=timezone.now())
    mail.send_due()
    first, second = (message.message()["Message-ID"] for message in mailoutbox)
    assert first == second
    mail.queue(wallet, "receipt", reference="receipt:2", **PAID)
    assert mailoutbox[-1].message()["Message-ID"] != first


def test_a_mail_that_could_not_be_written_is_not_lost(wallet: Wallet, mailoutbox: list[Any]) -> None:
    mail.queue(wallet, "no_such_mail", reference="broken:1")
    mail.queue(wallet, "receipt", reference="receipt:1", **PAID)
    assert len(mailoutbox) == 1
    row = OutgoingMail.objects.get(reference="broken:1")
    assert row.sent_at is None
    assert "TemplateDoesNotExist" in row.last_error


# --- Who wants which mails


@pytest.mark.parametrize("template", ["receipt", "renewal"])
def test_who_wants_no_receipts_gets_none(alice: User, wallet: Wallet, mailoutbox: list[Any], template: str) -> None:
    User.objects.update(mail_receipts=False)
    wallet.refresh_from_db()
    mail.queue(wallet, template, reference="x:1", **PAID)
    assert mailoutbox == []


def test_a_failed_payment_is_always_told(wallet: Wallet, mailoutbox: list[Any]) -> None:
    User.objects.update(mail_receipts=False, mail_low_balance=False)
    wallet.refresh_from_db()
    mail.queue(wallet, "payment_failed", reference="x:1", amount=900, currency="usd", renewal=True)
    assert "List-Unsubscribe" not in mailoutbox[0].extra_headers
    assert "https://shop.example/account/" in mailoutbox[0].body


def test_a_mail_program_can_stop_a_kind_of_mail_by_its_header(
    alice: User, wallet: Wallet, mailoutbox: list[Any]
) -> None:
    mail.queue(wallet, "receipt", reference="x:1", **PAID)
    headers = mailoutbox[0].extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = headers["List-Unsubscribe"].strip("<>").removeprefix("https://shop.example")
    stranger = Client(enforce_csrf_checks=True)
    assert "Stop these emails?" in stranger.get(path).content.decode()
    alice.refresh_from_db()
    assert alice.mail_receipts
    assert stranger.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    alice.refresh_from_db()
    assert not alice.mail_receipts
    assert alice.mail_low_balance


@pytest.mark.parametrize("token", ["x", "WzEsIm5hbWUiXQ:1tmQxx:abc", "%00", "a" * 3000])
def test_a_made_up_link_stops_nothing(alice: User, client: Client, token: str) -> None:
    response = client.post(f"/mail/stop/{token}/")
    assert response.status_code == 404
    alice.refresh_from_db()
    assert alice.mail_receipts


def test_somebody_who_deleted_their_account_is_not_written_to(
    alice: User, wallet: Wallet, mailoutbox: list[Any], server: Server
) -> None:
    server.error = ConnectionRefusedError()
    mail.queue(wallet, "receipt", reference="x:1", **PAID)
    User.objects.update(deleted_at=timezone.now(), email="deleted-1@closed.invalid")
    wallet = Wallet.objects.get()
    mail.queue(wallet, "plan_ended", reference="x:2")
    server.error = None
    pass_time()
    mail.send_due()
    assert mailoutbox == []
    mail.queue_to("alice@example.com", "account_deleted")
    assert [message.to for message in mailoutbox] == [["alice@example.com"]]


def test_forgetting_somebody_keeps_only_what_stops_a_mail_from_coming_twice(
    alice: User, wallet: Wallet, mailoutbox: list[Any], server: Server
) -> None:
    mail.queue(wallet, "receipt", reference="x:1", **PAID)
    mail.queue_to("alice@example.com", "export_ready", user=alice)
    server.error = ConnectionRefusedError()
    mail.queue(wallet, "receipt", reference="x:2", **PAID)
    mail.forget(wallet, "alice@example.com")
    rows = OutgoingMail.objects.values_list("reference", "to", "context")
    assert [(reference[:4], to, context) for reference, to, context in rows] == [("x:1", "", {}), ("once", "", {})]


def test_old_records_go_but_those_that_stop_a_mail_from_coming_twice(alice: User, wallet: Wallet) -> None:
    mail.queue(wallet, "receipt", reference="x:1", **PAID)
    mail.queue_to("alice@example.com", "export_ready", user=alice)
    tasks.tidy()
    assert OutgoingMail.objects.count() == 2
    OutgoingMail.objects.update(sent_at=timezone.now() - timedelta(days=31))
    tasks.tidy()
    assert [row.reference for row in OutgoingMail.objects.all()] == ["x:1"]


# --- How they look


@pytest.mark.parametrize("hue", range(0, 361, 30))
def test_every_accent_can_be_read(settings: Any, hue: int) -> None:
    settings.ACCENT_HUE = hue
    colour = rendering._colours()
    assert contrast(colour["accent"], "#fffefd") >= 4.5
    assert contrast(colour["accent"], colour["on_accent"]) >= 4.5
    assert contrast(colour["dark_accent"], "#1b1814") >= 4.5
    assert contrast(colour["dark_accent"], colour["on_dark_accent"]) >= 4.5


def test_the_brand_is_in_every_mail(wallet: Wallet, mailoutbox: list[Any], settings: Any) -> None:
    settings.ACCENT_HUE, settings.LOGO_TEXT, settings.SUPPORT_EMAIL = 150, "LIGHT", "help@shop.example"
    sent("receipt", wallet, mailoutbox, **PAID)
    [(html, _)] = mailoutbox[0].alternatives
    assert accent.to_hex(0.47, 0.22, 150) in html
    assert "LIGHT" in html
    assert 'href="mailto:help@shop.example"' in html
    assert "help@shop.example" in mailoutbox[0].body
    assert mailoutbox[0].reply_to == ["help@shop.example"]


def test_what_can_be_answered_says_so_and_offers_nothing_that_needs_a_log_in(
    wallet: Wallet, mailoutbox: list[Any], settings: Any
) -> None:
    for settings.SUPPORT_EMAIL, way in (("", "tell us."), ("help@shop.example", "answer this email.")):
        mail.queue(wallet, "account_suspended", reference=f"account_suspended:{way}")
        mail.send_due()
        [(html, _)] = mailoutbox[-1].alternatives
        for words in (html, mailoutbox[-1].body):
            assert f"If you think that this is wrong, {way}" in words
            assert "Choose your emails" not in words
    assert mailoutbox[0].reply_to == []


def test_terms_and_privacy_are_in_every_mail(wallet: Wallet, mailoutbox: list[Any], settings: Any) -> None:
    settings.TERMS_URL, settings.PRIVACY_URL = "https://acme.example/terms", "https://acme.example/privacy"
    sent("receipt", wallet, mailoutbox, **PAID)
    [(html, _)] = mailoutbox[0].alternatives
    for address in (settings.TERMS_URL, settings.PRIVACY_URL):
        assert f'href="{address}"' in html
        assert address in mailoutbox[0].body


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dim = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


# --- Running low


def have(wallet: Wallet, credits: int) -> None:
    wallet.refresh_from_db()
    reference = f"test:{CreditGrant.objects.count()}:{wallet.entries.count()}"
    if credits > wallet.balance:
        source = CreditGrant.Source.STAFF
        more = credits - wallet.balance
        books.grant(wallet=wallet, credits=more, source=source, reference=reference, cause="x")
    elif credits < wallet.balance:
        books.take(wallet=wallet, credits=wallet.balance - credits, reference=reference, cause="x")


def told() -> int:
    return OutgoingMail.objects.filter(template="low_balance").count()


@pytest.mark.parametrize(("credits", "mails"), [(0, 1), (4, 1), (5, 1), (6, 0)])
def test_a_buyer_who_runs_low_is_told(buyer: Wallet, credits: int, mails: int) -> None:
    have(buyer, credits)
    notices.send_low_balance()
    assert told() == mails


def test_who_never_bought_anything_is_left_alone(wallet: Wallet) -> None:
    notices.send_low_balance()
    Payment.objects.create(wallet=wallet, reference="invoice:in_1", amount=0, currency="usd", description="Free")
    notices.send_low_balance()
    assert told() == 0


def test_it_is_said_once_until_there_were_more_again(buyer: Wallet) -> None:
    for credits in (3, 2, 0):
        have(buyer, credits)
        notices.send_low_balance()
    assert told() == 1
    have(buyer, 50)
    notices.send_low_balance()
    OutgoingMail.objects.update(reference="low_balance:earlier")
    have(buyer, 5)
    notices.send_low_balance()
    assert told() == 2


def test_it_is_said_once_however_many_days_it_stays_so(buyer: Wallet) -> None:
    have(buyer, 3)
    notices.send_low_balance()
    OutgoingMail.objects.update(reference="low_balance:yesterday")
    have(buyer, 2)
    notices.send_low_balance()
    notices.send_missed_low_balance()
    assert told() == 1


def test_it_is_said_once_a_day_at_most(buyer: Wallet) -> None:
    for credits in (3, 50, 3, 50, 3):
        have(buyer, credits)
        notices.send_low_balance()
    assert told() == 1
    assert OutgoingMail.objects.get().reference == f"low_balance:{buyer.pk}:{timezone.now():%Y-%m-%d}"


def test_who_was_suspended_is_not_written_to(buyer: Wallet) -> None:
    User.objects.update(is_active=False)
    notices.send_low_balance()
    assert told() == 0


def test_who_does_not_want_to_hear_of_it_is_not_written_to(buyer: Wallet) -> None:
    User.objects.update(mail_low_balance=False)
    notices.send_low_balance()
    assert told() == 0
    User.objects.update(mail_low_balance=True)
    notices.send_missed_low_balance()
    assert told() == 1


def test_only_accounts_that_crossed_the_threshold_are_looked_at_until_the_night(buyer: Wallet) -> None:
    Wallet.objects.update(crossed_at=None)
    notices.send_low_balance()
    assert told() == 0
    tasks.tidy()
    assert told() == 1


def test_the_ledger_marks_who_crosses_the_threshold_and_nobody_else(buyer: Wallet) -> None:
    def is_marked() -> bool:
        return Wallet.objects.filter(crossed_at__isnull=False).exists()

    have(buyer, 50)
    for credits, marked in [(49, False), (6, False), (5, True), (4, False), (0, False), (6, True), (5, True)]:
        notices.send_low_balance()
        have(buyer, credits)
        assert is_marked() == marked
    notices.send_low_balance()
    assert not is_marked()


def test_a_crossing_while_an_earlier_one_is_seen_to_is_not_lost(buyer: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    see_to = notices._see_to

    def slowly(accounts: Any) -> int:
        told = see_to(accounts)
        have(buyer, 50)
        return told

    monkeypatch.setattr(notices, "_see_to", slowly)
    notices.send_low_balance()
    monkeypatch.undo()
    notices.send_low_balance()
    assert Wallet.objects.get().low_balance_at is None


def test_no_account_is_looked_at_while_nobody_crosses(
    buyer: Wallet, django_assert_num_queries: Callable[[int], Any]
) -> None:
    notices.send_low_balance()
    with django_assert_num_queries(1) as queries:
        notices.send_low_balance()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
            assert "account_crossed" in str(cursor.fetchall())


def test_an_operator_can_turn_it_off(buyer: Wallet, settings: Any) -> None:
    settings.LOW_BALANCE_CREDITS = 0
    notices.send_low_balance()
    assert told() == 0


def test_the_sweep_sees_to_it_also_when_credits_expired(buyer: Wallet, mailoutbox: list[Any]) -> None:
    books.take(wallet=buyer, credits=3, reference="x", cause="x")
    soon = timezone.now() + timedelta(milliseconds=1)
    source = CreditGrant.Source.PLAN
    books.grant(wallet=buyer, credits=50, source=source, reference="y", cause="y", expires_at=soon)
    for _ in range(2):
        tasks.sweep_money()
        tasks.sweep_mails()
    assert len(mailoutbox) == 1
    assert "your credits are used up" in mailoutbox[0].body
