"""Mails about money: put down once under their reference, sent by a worker, in HTML and text."""

import logging
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from billing.models import Account, SentMail
from billing.queue import tell_on_commit

log = logging.getLogger(__name__)

SUBJECTS = {
    "receipt": "Your receipt from {site}",
    "renewal": "Your {site} plan was renewed",
    "payment_failed": "Your payment did not go through",
    "low_balance": "You are running low on credits",
    "plan_ended": "Your {site} plan has ended",
}


def queue(account: Account, template: str, *, reference: str, **context: Any) -> None:
    """Put a mail down, once for each `reference`; it goes out after the transaction."""
    mail, is_new = SentMail.objects.get_or_create(
        reference=reference, defaults={"account": account, "template": template, "context": context}
    )
    if is_new:
        tell_on_commit("billing.tasks.send_mail", mail.pk)


def send(pk: int) -> None:
    """Send one mail that was put down, if nobody has."""
    with transaction.atomic():
        # Claimed before it is sent: a mail that is lost in a crash beats one that comes twice.
        mail = SentMail.objects.select_for_update(of=("self",)).select_related("account__user").get(pk=pk)
        if mail.sent_at is not None:
            return
        SentMail.objects.filter(pk=pk).update(sent_at=timezone.now())
    try:
        _message(mail).send()
    except Exception:
        SentMail.objects.filter(pk=pk).update(sent_at=None)  # it did not go out: the beat tries again
        raise


def send_due(limit: int = 50) -> None:
    """Send the mails that were put down and not sent."""
    for pk in list(SentMail.objects.filter(sent_at=None).order_by("pk").values_list("pk", flat=True)[:limit]):
        try:
            send(pk)
        except Exception:
            log.exception("Mail %s did not go out", pk)


def _message(mail: SentMail) -> EmailMultiAlternatives:
    site = settings.PUBLIC_URL or f"http://localhost:{settings.PORT}"
    subject = SUBJECTS[mail.template].format(site=settings.SITE_NAME)
    context = {
        **mail.context,
        "account": mail.account,
        "user": mail.account.user,
        "date": mail.created_at,
        "subject": subject,
        "site": site,
        "billing_url": f"{site}{reverse('billing')}",
        "SITE_NAME": settings.SITE_NAME,
        "simulated": settings.EMBEDDED_STRIPE,
    }
    text, html = (render_to_string(f"email/{mail.template}.{kind}", context) for kind in ("txt", "html"))
    message = EmailMultiAlternatives(subject, text, to=[mail.account.user.email])
    message.attach_alternative(html, "text/html")
    return message
