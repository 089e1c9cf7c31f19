"""Whoever runs this site is told of what alarms, once when it begins and once when it is over: by mail, by webhook.

Every worker looks every few seconds (`watchman`), so that it needs no scheduler to hear that the scheduler is silent.
What one machine alone sees, as its disk, is there for as long as some worker sees it.
The row of a trouble decides who tells: each step is an UPDATE whose row count is one for one worker alone, and what is
to be sent is written down in that transaction, a mail in the outbox and a call in `AlertCall`.

    (seen) ──begin──▶ row ──LASTS──▶ told ──(seen by nobody for QUIET)──▶ over, told
                       └──(seen by nobody for UNSEEN before it was told)──▶ no row
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import httpx
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from generator.upstreams import trouble as operators
from kit import due
from kit.threads import let_go
from reveweb.watch import troubles
from reveweb.watch.models import Alert, AlertCall
from reveweb.watch.troubles import Severity, Trouble

log = logging.getLogger(__name__)

LASTS = timedelta(seconds=60)  # a process that is restarted, or a mail server that hiccups, is nobody's alarm
UNSEEN = timedelta(seconds=40)  # more than two looks of a worker
QUIET = timedelta(seconds=60)
KEPT = timedelta(days=90)
CALL_SECONDS = 5.0
LEASE = timedelta(seconds=30)
PATIENCE = timedelta(hours=24)
LONGEST_PAUSE = timedelta(minutes=10)
# What operators are mailed of already, by whoever finds it: the webhook alone is left to be told.
MAILED = ("upstream:",)
UNSENT: dict[str, Any] = {"sent_at": None, "failed_at": None}


def look(found: Iterable[Trouble] | None = None) -> None:
    """See what alarms, and write down what is to be told. Safe beside any other worker."""
    alarming = {
        one.name: one for one in (troubles.current() if found is None else found) if one.severity is Severity.ALARM
    }
    known = {alert.name: alert for alert in Alert.objects.filter(ended_at=None)}
    for name, trouble in alarming.items():
        if name in known:
            _goes_on(known[name], trouble)
        else:
            _begin(trouble)
    for name in known.keys() - alarming.keys():
        _is_gone(known[name])


def send_due(limit: int = 20) -> int:
    """Make the calls that are due, and return how many were taken. Holds no connection meanwhile."""
    waiting = AlertCall.objects.filter(**UNSENT)
    keys = list(waiting.filter(due_at__lte=timezone.now()).order_by("due_at").values_list("pk", flat=True)[:limit])
    sent = 0
    for key in keys:
        call = due.claim(waiting, key, lease=LEASE)
        if call is None:
            continue
        body = body_of(call)
        let_go()
        try:
            with httpx.Client(timeout=CALL_SECONDS, follow_redirects=False) as client:
                client.post(settings.ALERT_WEBHOOK_URL, json=body).raise_for_status()
        except httpx.HTTPError as error:
            _put_off(call, error)
        else:
            AlertCall.objects.filter(pk=call.pk).update(sent_at=timezone.now(), claim="", last_error="")
            sent += 1
    return sent


def body_of(call: AlertCall) -> dict[str, Any]:
    """Return what a webhook is sent: Slack and Mattermost read `text`, Discord `content`, programs the rest."""
    alert = call.alert
    is_over = call.kind == AlertCall.Kind.ENDED
    words = f"{settings.SITE_NAME}: {'over: ' if is_over else ''}{alert.words}"
    if alert.cure and not is_over:
        words += f". {alert.cure}"
    return {
        "text": words,
        "content": words,
        "alert": alert.name,
        "status": "resolved" if is_over else "firing",
        "summary": alert.words,
        "cure": alert.cure,
        "site": settings.PUBLIC_URL,
        "began_at": alert.began_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
    }


def tidy() -> None:
    """Drop what ended long ago."""
    Alert.objects.filter(ended_at__lt=timezone.now() - KEPT).delete()


def _begin(trouble: Trouble) -> None:
    try:
        with transaction.atomic():
            Alert.objects.create(name=trouble.name[:120], words=trouble.words[:500], cure=trouble.cure[:500])
    except IntegrityError:
        pass  # another worker saw it in the same moment


def _goes_on(alert: Alert, trouble: Trouble) -> None:
    now = timezone.now()
    Alert.objects.filter(pk=alert.pk, ended_at=None).update(seen_at=now)
    if alert.told_at is not None or now - alert.began_at < LASTS:
        return
    with transaction.atomic():
        told = {"told_at": now, "words": trouble.words[:500], "cure": trouble.cure[:500]}
        if Alert.objects.filter(pk=alert.pk, told_at=None, ended_at=None).update(**told):
            alert.refresh_from_db()
            log.error("Alert: %s", alert.words)
            _tell(alert, AlertCall.Kind.BEGAN)


def _is_gone(alert: Alert) -> None:
    now = timezone.now()
    if alert.told_at is None:
        Alert.objects.filter(pk=alert.pk, told_at=None, seen_at__lte=now - UNSEEN).delete()
    elif now - alert.seen_at >= QUIET:
        with transaction.atomic():
            if Alert.objects.filter(pk=alert.pk, ended_at=None, seen_at=alert.seen_at).update(ended_at=now):
                alert.refresh_from_db()
                log.warning("Alert is over: %s", alert.words)
                _tell(alert, AlertCall.Kind.ENDED)
        tidy()


def _tell(alert: Alert, kind: str) -> None:
    """Write down whom to tell, in the transaction that says that they are told."""
    if settings.ALERT_WEBHOOK_URL:
        AlertCall.objects.create(alert=alert, kind=kind)
    if alert.name.startswith(MAILED):
        return
    template, reference = f"alert_{kind}", f"alert:{alert.pk}:{kind}"
    context: dict[str, Any] = {
        "words": alert.words,
        "cure": alert.cure,
        "since": f"{alert.began_at:%d %B %Y, %H:%M} UTC",
        "until": f"{alert.ended_at:%d %B %Y, %H:%M} UTC" if alert.ended_at else "",
    }
    operators.tell_operators(template, reference, **context)


def _put_off(call: AlertCall, error: Exception) -> None:
    if isinstance(error, httpx.HTTPStatusError):  # whose words have the address, which is all that a chat's secret is
        error = httpx.HTTPError(f"answered {error.response.status_code}")
    log.warning("ALERT_WEBHOOK_URL was not reached: %s", type(error).__name__)
    since = call.alert.ended_at if call.kind == AlertCall.Kind.ENDED else call.alert.told_at
    try:
        if since and timezone.now() - since > PATIENCE:
            due.give_up(call, error, failed_at=timezone.now())
        else:
            due.put_off(call, error, pause=due.growing_pause(call.attempts - 1, most=LONGEST_PAUSE))
    except due.LostClaim:
        log.warning("Another worker has the call of %s", call)
