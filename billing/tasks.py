"""Thin Celery tasks. A lost or duplicated message is harmless: rows say what is due."""

from celery import shared_task
from django.core.management import call_command

from billing import ledger
from billing.outbox import mail, notices
from billing.stripe import closing, inbox


@shared_task
def handle_event(event_id: str) -> None:
    """Handle one stored Stripe event."""
    inbox.handle(event_id)


@shared_task
def send_mail(pk: int) -> None:
    """Send one mail, unless another worker does."""
    mail.send(pk)


@shared_task
def sweep() -> None:
    """Retry what was left behind (events, mails), write off what has expired, notify people who run low."""
    inbox.handle_due()
    mail.send_due()
    ledger.expire_due()
    notices.send_low_balance()


@shared_task
def tidy() -> None:
    """Drop old records of mails; notify people who run low and were missed."""
    mail.tidy()
    notices.send_missed_low_balance()


@shared_task
def reconcile() -> None:
    """Compare the books with Stripe's, every night, and repair what is certain; leave no empty customers there."""
    closing.discard_customers()
    call_command("reconcile_stripe", since=3, repair=True)
