"""Mails in the admin: failed ones first, sent again by who may, with no link that opens an account in sight."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from billing.models import AuditRecord, OutgoingMail, Wallet
from billing.outbox import mail
from tests.admin.conftest import Staff


@pytest.fixture
def failed(wallet: Wallet) -> OutgoingMail:
    """A mail to Alice that was given up."""
    return OutgoingMail.objects.create(
        reference="receipt:1",
        wallet=wallet,
        template="low_balance",
        context={"balance": 2},
        attempts=8,
        failed_at=timezone.now(),
        last_error="TimeoutError: timed out",
    )


def send_again(who: Staff, *mails: OutgoingMail) -> Any:
    return who.post(
        "billing_outgoingmail_changelist", action="send_again", _selected_action=[mail.pk for mail in mails]
    )


@pytest.mark.parametrize("role", ["support", "finance", "admin"])
def test_staff_see_a_failed_mail_and_send_it_again(
    request: pytest.FixtureRequest, role: str, failed: OutgoingMail, mailoutbox: list[Any]
) -> None:
    who: Staff = request.getfixturevalue(role)
    text = who.text("billing_outgoingmail_changelist", query="?state=failed")
    assert "TimeoutError: timed out" in text
    assert "alice@example.com" in text
    assert send_again(who, failed).status_code == 302
    [message] = mailoutbox
    assert message.to == ["alice@example.com"]
    record = AuditRecord.objects.get(action="Sent a mail again")
    assert (record.actor, record.wallet) == (who.user, failed.wallet)
    assert "alice@example.com" not in who.text("billing_outgoingmail_changelist", query="?state=failed")
    assert "alice@example.com" in who.text("billing_outgoingmail_changelist", query="?state=sent")


def test_a_mail_that_was_sent_is_not_sent_again(boss: Staff, failed: OutgoingMail, mailoutbox: list[Any]) -> None:
    for _ in range(3):
        send_again(boss, failed)
    assert len(mailoutbox) == 1
    assert AuditRecord.objects.filter(action="Sent a mail again").count() == 1


def test_who_may_not_is_refused(boss: Staff, failed: OutgoingMail, alice: User, mailoutbox: list[Any]) -> None:
    boss.user.is_superuser = False
    boss.user.save()
    assert send_again(boss, failed).status_code == 403
    assert mailoutbox == []


def test_a_mail_server_that_repeats_the_link_shows_it_to_nobody(
    boss: Staff, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "tell_on_commit", lambda task, pk: None)
    secret = "https://shop.example/accounts/password/reset/key/1-secret/"
    values = {"password_reset_url": secret, "code": "QX7-PLM"}
    mail.queue_to(alice.email, "account/email/password_reset_key", user=alice, **values)
    refusal = f"SMTPDataError: (554, b'5.7.1 refused for {secret[:50]} and QX7-PLM')"
    OutgoingMail.objects.update(failed_at=timezone.now(), last_error=refusal)
    for page in (
        boss.text("billing_outgoingmail_changelist"),
        boss.text("billing_outgoingmail_change", OutgoingMail.objects.get().pk),
    ):
        assert "5.7.1 refused for" in page
        assert "reset/key" not in page
        assert "QX7-PLM" not in page


def test_a_link_that_opens_an_account_is_not_shown(boss: Staff, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "tell_on_commit", lambda task, pk: None)
    secret = "https://shop.example/accounts/password/reset/key/1-secret/"
    mail.queue_to(alice.email, "account/email/password_reset_key", user=alice, password_reset_url=secret)
    text = boss.text("billing_outgoingmail_change", OutgoingMail.objects.get().pk)
    assert "1-secret" not in text
    assert "Not shown" in text
