"""The admin's first page: what an operator wants to see every morning. Every number comes from an index."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import redis
from django.db.models import Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.models import CreditEntry, Dispute, StaffRefund, StripeEvent
from billing.outbox import mail
from generator.files import images, leftovers, shared_mark
from generator.models import CANCELLED, Generation
from generator.upstreams import trouble
from kit import pulse
from reveweb import health

Kind = CreditEntry.Kind


@dataclass(frozen=True)
class Number:
    """A number with the list behind it. `alarming` asks for somebody to look."""

    label: str
    value: int
    url: str
    alarming: bool = False


@dataclass(frozen=True)
class Process:
    """A kind of process, and the words that say how it is."""

    label: str
    words: str
    alarming: bool


# The names of their pulses, and for how many seconds each may be silent.
PROCESSES = {
    "scheduler": ("Scheduler", health.SCHEDULER_SECONDS),
    "worker": ("Drawing", health.WORKER_SECONDS),
    "money": ("Payments", health.WORKER_SECONDS),
    "rest": ("Mails and the rest", health.WORKER_SECONDS),
}


# What has no line of its own, by its name in `health.CHECKS`.
OTHERS = {"broker": "Broker", "upstream": "Upstream", "mail": "Mails"}


def add_numbers(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give the first page its numbers, those that the viewer may follow, and tell how the processes are."""
    context["numbers"] = [number for permission, number in _numbers() if request.user.has_perm(permission)]
    context["processes"] = _processes()
    return context


def _processes() -> list[Process]:
    try:
        heard = pulse.heard()
    except redis.RedisError:
        return [Process("Redis", "cannot be reached, so no process was heard", True)]
    due = health.due(heard)
    words = f"oldest due for {_span(due.late)}" if due.late >= 1 else "none is late"
    is_away = images.storage_trouble()
    stored = Process("Storage", is_away or "takes images", bool(is_away))
    alive = [Process(label, *_state(heard.get(name), limit)) for name, (label, limit) in PROCESSES.items()]
    drawn = Process("Images", f"{words}, and nothing gets done" if due.is_stalled else words, due.is_stalled)
    unshared = [Process("Storage", f"{words}. {shared_mark.CURE}", True) for words in shared_mark.complaints(heard)]
    return [*alive, stored, drawn, *unshared, *_others()]


def _others() -> list[Process]:
    """What `/readyz` knows of besides, while anything is wrong with it."""
    found = health.found()
    return [
        Process(label, f"{found[name].words} ({_aged(found[name].age)})", True)
        for name, label in OTHERS.items()
        if found[name].words is not None
    ]


def _aged(age: float | None) -> str:
    return "never looked at" if age is None else "as of now" if age < 3 else f"as of {_span(age)} ago"


def _state(ago: float | None, limit: float) -> tuple[str, bool]:
    if ago is None:
        return "never heard", True
    if ago > limit:
        return f"not heard for {_span(ago)}", True
    return "heard just now" if ago < 3 else f"heard {_span(ago)} ago", False


def _span(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= 2 * size or size == 1:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    raise AssertionError("a second is the last size")


def _numbers() -> list[tuple[str, Number]]:
    now = timezone.now()
    day, today = now - timedelta(days=1), now.replace(hour=0, minute=0, second=0, microsecond=0)
    events = StripeEvent.objects.filter(handled_at=None, received_at__lt=now - timedelta(minutes=1)).count()
    disputes = Dispute.objects.filter(closed_at=None).count()
    unsent = mail.failed().count()
    ended = Generation.objects.filter(status=Generation.Status.FAILED, created_at__gte=day)
    failed = ended.exclude(error_code=CANCELLED).count()
    moved = dict(
        CreditEntry.objects.filter(created_at__gte=today, kind__in=[Kind.GRANT, Kind.HOLD, Kind.RELEASE])
        .order_by()
        .values_list("kind")
        .annotate(Sum("amount"))
    )
    spent = -(moved.get(Kind.HOLD, 0) + moved.get(Kind.RELEASE, 0))
    since = urlencode({"created_at__gte": today.isoformat()})
    entries = f"{reverse('admin:billing_creditentry_changelist')}?{since}"
    failures = f"{reverse('admin:generator_generation_changelist')}?status__exact=failed"
    return [
        *_troubles(),
        (
            "billing.view_stripeevent",
            Number(
                "Stripe events not handled",
                events,
                f"{reverse('admin:billing_stripeevent_changelist')}?handled=no",
                events > 0,
            ),
        ),
        (
            "billing.view_dispute",
            Number(
                "Open disputes",
                disputes,
                f"{reverse('admin:billing_dispute_changelist')}?closed_at__isempty=1",
                disputes > 0,
            ),
        ),
        (
            "billing.view_outgoingmail",
            Number(
                "Mails that failed",
                unsent,
                f"{reverse('admin:billing_outgoingmail_changelist')}?state=failed",
                unsent > 0,
            ),
        ),
        ("generator.view_generation", Number("Images failed in 24 hours", failed, failures, failed > 0)),
        (
            "billing.view_creditentry",
            Number("Credits granted today", moved.get(Kind.GRANT, 0), f"{entries}&kind__exact=grant"),
        ),
        ("billing.view_creditentry", Number("Credits spent today", spent, f"{entries}&kind__exact=hold")),
    ]


def _troubles() -> list[tuple[str, Number]]:
    """What is worth a place only while there is any."""
    all_images = reverse("admin:generator_generation_changelist")
    found = []
    if waiting := StaffRefund.objects.filter(status=StaffRefund.Status.ASKED).count():
        url = f"{reverse('admin:billing_staffrefund_changelist')}?state=asked"
        found.append(("billing.view_staffrefund", Number("Refunds that wait for Stripe", waiting, url, True)))
    if images.storage_trouble():
        waiting = Generation.objects.filter(status=Generation.Status.DRAWING).exclude(unstored_since=None).count()
        url = f"{all_images}?status__exact=drawing"
        found.append(("generator.view_generation", Number("Images that storage does not take", waiting, url, True)))
    if troubles := trouble.all_current():
        url = reverse("admin:generator_upstreamtrouble_changelist")
        number = Number("Upstreams that draw nothing", len(troubles), url, alarming=True)
        found.append(("generator.view_upstreamtrouble", number))
    if (report := leftovers.last_report()) and report.missing:
        url = f"{all_images}?id__in={','.join(map(str, report.missing_ids))}"
        found.append(("generator.view_generation", Number("Images without their file", report.missing, url, True)))
    return found
