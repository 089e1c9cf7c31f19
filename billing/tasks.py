"""Thin Celery tasks. A lost or duplicated message is harmless: rows say what is due.

What money waits for is in a queue of its own; a mail server or a nightly comparison that takes its time is in another.
"""

import logging
from collections.abc import Callable
from datetime import time, timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from accounts import sessions, tokens
from billing import gateway, ledger
from billing.bulk import drafts, working
from billing.outbox import mail, notices
from billing.staff import comparing, refunds
from billing.stripe import closing, customers, earlier, inbox
from billing.stripe import reconcile as comparison
from billing.welcome import networks
from kit import nights
from kit.broker import tell
from kit.threads import one_at_a_time

log = logging.getLogger(__name__)

RECONCILED = timedelta(days=3)


@shared_task
def handle_event(event_id: str) -> None:
    """Handle one stored Stripe event."""
    inbox.handle(event_id)


@shared_task
@one_at_a_time
def sweep_money() -> None:
    """Write off what has expired, retry the events and refunds that were left behind: Stripe may keep those waiting."""
    ledger.expire_due()
    inbox.handle_due()
    refunds.ask_due()


@shared_task
def tell_stripe(wallet_id: int) -> None:
    """Tell Stripe who a wallet's person is now; while it is away, the next sweep does."""
    try:
        customers.tell(wallet_id)
    except gateway.PaymentUnavailable as error:
        log.warning("Stripe was not told of a change: %s", error)


@shared_task
@one_at_a_time
def sweep_customers() -> None:
    """Tell Stripe what it does not know of people; end what belongs to an account that is not in use any more."""
    if not settings.PAYMENTS:
        return
    try:
        earlier.end_left_behind()
        customers.tell()
    except gateway.PaymentUnavailable as error:
        log.warning("Stripe was not told of changes: %s", error)


@shared_task
def send_mail(pk: int) -> None:
    """Send one mail, unless another worker does."""
    mail.send(pk)


@shared_task
@one_at_a_time
def sweep_mails() -> None:
    """Retry the mails that were left behind, notify people who run low."""
    mail.send_due()
    notices.send_low_balance()


@shared_task
def run_bulk(pk: int) -> None:
    """Go on with an act on many rows, unless another worker does."""
    working.run(pk)


@shared_task
@one_at_a_time
def sweep_bulk() -> None:
    """Resume the acts on many that were left behind."""
    for pk in working.waiting():
        tell("billing.tasks.run_bulk", pk)


@shared_task
@one_at_a_time
def nightly() -> None:
    """Do what is to be done tonight, unless another worker has."""
    for work, at in NIGHTLY.items():
        name = work.__name__
        if nights.claim(name, at=at):
            try:
                work()
            except Exception:
                nights.give_back(name, at=at)
                log.exception("%s failed tonight, it is tried again", name)


def reconcile() -> None:
    """Compare the books with Stripe's, and repair what is certain; leave no empty customers there.

    A difference that is left is for people, and the next night's again: only without Stripe it is tried again tonight.
    """
    if not settings.PAYMENTS:
        return
    closing.discard_customers()
    since = int((timezone.now() - RECONCILED).timestamp())
    for drift in comparison.compare(since=since, repair=True):
        log.log(logging.WARNING if drift.mended else logging.ERROR, "%s%s", drift.words, ": mended" * drift.mended)


def compare_books() -> None:
    """Look through the whole ledger for what does not add up; what is found is for people."""
    if (begun := comparing.begin()) and (found := comparing.run(begun).found):
        log.error("The ledger does not add up: %s drifts, see the books in the admin", found)


@shared_task
def compare_books_now(pk: int) -> None:
    """Make the comparison that somebody asked for."""
    comparing.run(pk)


def tidy() -> None:
    """Drop old records of mails, events, sessions, tokens and networks; notify those who run low and were missed."""
    mail.tidy()
    inbox.tidy()
    sessions.clear_expired()
    tokens.purge()
    networks.tidy()
    drafts.tidy()
    notices.send_missed_low_balance()
    comparing.tidy()


NIGHTLY: dict[Callable[[], None], time] = {  # UTC
    reconcile: time(3, 17),
    tidy: time(3, 41),
    compare_books: time(3, 53),
}
