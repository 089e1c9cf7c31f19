"""Mails: queued once under their reference, sent by a worker, retried for a day.

The rows are the queue. A worker claims a mail for a few minutes before it sends it, so that one that dies between two
lines leaves it to the next: a mail may then come twice, under one Message-ID, and is never lost.
"""

import contextlib
import logging
import smtplib
import time
from datetime import timedelta
from socket import gaierror
from typing import Any
from uuid import uuid4

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from billing.models import OutgoingMail, Wallet
from billing.outbox import rendering
from kit import due
from kit.broker import tell_on_commit
from kit.metrics import Counter
from kit.pages import delete_by_pages
from kit.threads import let_go

log = logging.getLogger(__name__)

SENT = Counter("reveweb_mails_total", "Mails that were tried.", "outcome")

LEASE = timedelta(minutes=5)  # longer than EMAIL_TIMEOUT lets any attempt take
# After each failed attempt; after the last one the mail is given up, about a day after it was queued.
PAUSES = [timedelta(minutes=minutes) for minutes in (1, 5, 20, 60, 180, 360, 720)]
MOST_ATTEMPTS = len(PAUSES) + 1
AWAY_SECONDS = 30  # how long a mail server that did not answer is left alone
LATELY = timedelta(days=7)  # for which a mail that was given up asks for somebody
KEPT = timedelta(days=30)  # how long a mail without a business reference is on record
ONCE = "once:"
UNSENT = Q(sent_at=None, failed_at=None)
# Given up before its last attempt, for nobody has the address: nothing that is mended here would bring it there.
REFUSED = Q(attempts__lt=MOST_ATTEMPTS, last_error__startswith=smtplib.SMTPRecipientsRefused.__name__)
FORGOTTEN: dict[str, Any] = {"to": "", "context": {}, "last_error": ""}

# The process's hint that the mail server does not answer; else every sign-up would hold one of the worker's threads.
_away = {"until": 0.0}


def queue(wallet: Wallet, template: str, *, reference: str, **context: Any) -> None:
    """Queue a mail to a wallet's owner, once for each `reference`; it goes out after the transaction.

    Nothing is queued for somebody who does not want this kind of mail, or has deleted the account.
    """
    if wallet.user.deleted_at is None and rendering.wants(wallet.user, template):
        _put_down(reference, wallet=wallet, template=template, context=context)


def queue_to(email: str, template: str, /, *, user: User | None = None, reference: str = "", **context: Any) -> None:
    """Queue any other mail, to an address that stays as it is whatever happens to the account.

    `template` is a name in templates/email, or the prefix of one of allauth's. Values of `context` are JSON. Without
    a `reference` each call is a mail of its own.
    """
    wallet = Wallet.objects.filter(user=user).first() if user else None
    reference = reference or f"{ONCE}{uuid4()}"
    _put_down(reference, wallet=wallet, template=template, context=context, to=email)


def send(pk: int) -> bool:
    """Send one mail if it is due, and tell whether it went out."""
    if time.monotonic() < _away["until"]:
        return False  # it stays due
    mail = _claim(pk)
    if mail is None:
        return False
    try:
        message = rendering.compose(mail)
        let_go()
        message.send()
    except Exception as error:
        _put_off(mail, error)
        SENT.add(outcome="failed")
        return False
    SENT.add(outcome="sent")
    content: dict[str, Any] = {"last_error": "", **({"context": {}} if rendering.is_secret(mail.template) else {})}
    if mail.wallet and mail.wallet.user.deleted_at:  # the last one, which says so, or one that was still on its way
        content = FORGOTTEN
    # A fact, whoever has the claim by now: it must not go out once more.
    OutgoingMail.objects.filter(pk=pk).update(sent_at=timezone.now(), claim="", **content)
    return True


def send_due(limit: int = 50) -> None:
    """Send the mails that are due, as long as the mail server answers."""
    waiting = _unsent().filter(due_at__lte=timezone.now()).order_by("due_at").values_list("pk", flat=True)
    for pk in list(waiting[:limit]):
        if time.monotonic() < _away["until"]:
            return
        send(pk)


def resend(mail: OutgoingMail) -> bool:
    """Queue a mail again that was given up; False when there was none."""
    begun = failed().filter(pk=mail.pk).update(failed_at=None, attempts=0, due_at=timezone.now())
    if begun:
        tell_on_commit("billing.tasks.send_mail", mail.pk)
    return bool(begun)


def give_up_all(words: str) -> int:
    """Give up every mail that was still to go out, for the reason in `words`; return how many there were."""
    return _unsent().update(failed_at=timezone.now(), claim="", last_error=words)


def failed() -> QuerySet[OutgoingMail]:
    """The mails that were given up."""
    return OutgoingMail.objects.filter(failed_at__isnull=False)


def failed_lately() -> QuerySet[OutgoingMail]:
    """Those of them that somebody can do something about: of the last days, but for addresses that nobody has."""
    return failed().filter(failed_at__gte=timezone.now() - LATELY).exclude(REFUSED)


def forget(wallet: Wallet, email: str) -> None:
    """Take the person out of the record of an account's mails, and drop what was still to go to the account.

    A mail that waits to go to an address of its own, such as one that a stranger is to be told of, is forgotten once it
    went out.
    """
    wallet.mails.filter(sent_at=None, to="").delete()
    theirs = OutgoingMail.objects.filter(Q(wallet=wallet) | Q(wallet=None, to__iexact=email))
    theirs.exclude(UNSENT).update(**FORGOTTEN)


def late(by: timedelta) -> int:
    """Return how many mails have been due for longer than that, and nobody sent them."""
    return _unsent().filter(due_at__lt=timezone.now() - by).count()


def tidy() -> None:
    """Drop records of mails that need no reference to keep them from being sent twice."""
    old = timezone.now() - KEPT
    over = Q(sent_at__lt=old) | Q(failed_at__lt=old)
    delete_by_pages(OutgoingMail.objects.filter(over, reference__startswith=ONCE))


def _put_down(reference: str, **fields: Any) -> None:
    mail, is_new = OutgoingMail.objects.get_or_create(reference=reference, defaults=fields)
    if is_new:
        tell_on_commit("billing.tasks.send_mail", mail.pk)


def _unsent() -> QuerySet[OutgoingMail]:
    return OutgoingMail.objects.filter(UNSENT)


def _claim(pk: int) -> OutgoingMail | None:
    mail = due.claim(_unsent().select_related("wallet__user"), pk, lease=LEASE)
    if mail is None:
        return None
    if not mail.to and (mail.wallet is None or mail.wallet.user.deleted_at):
        due.held(mail).delete()  # there is nobody to write to any more
        return None
    if mail.attempts > MOST_ATTEMPTS:  # each worker that tried it died, and so would the next
        due.give_up(mail, mail.last_error, still=UNSENT, failed_at=timezone.now())
        return None
    return mail


def _put_off(mail: OutgoingMail, error: Exception) -> None:
    log.warning("Mail %s did not go out: %s", mail.pk, error, exc_info=not isinstance(error, OSError))
    if _is_away(error):
        _away["until"] = time.monotonic() + AWAY_SECONDS
    with contextlib.suppress(due.LostClaim):
        if mail.attempts >= MOST_ATTEMPTS or _is_final(error):
            due.give_up(mail, error, still=UNSENT, failed_at=timezone.now())
            if mail.wallet and mail.wallet.user.deleted_at:
                OutgoingMail.objects.filter(pk=mail.pk).update(**FORGOTTEN)
        else:
            due.put_off(mail, error, still=UNSENT, pause=PAUSES[mail.attempts - 1])


def _is_away(error: Exception) -> bool:
    kinds = (ConnectionError, TimeoutError, gaierror, smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError)
    return isinstance(error, kinds)


def _is_final(error: Exception) -> bool:
    """Tell whether the mail server knows for certain that nobody has this address."""
    return isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values()
    )
