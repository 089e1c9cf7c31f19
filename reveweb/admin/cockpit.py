"""The admin's first page: what asks for somebody, and how everything is.

Every number comes from an index, or from what was counted a moment ago (`reveweb.watch.figures`): the page is looked at
every few seconds, and the script of an open one fetches it anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import redis
from django.conf import settings
from django.db.models import Count, QuerySet
from django.db.models import Sum as SumOf
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.catalogue import money
from billing.models import CreditEntry, Dispute, StaffRefund, StripeEvent
from billing.outbox import mail
from generator.files import images, leftovers, shared_mark
from generator.models import CANCELLED, Generation, WebhookDelivery
from generator.upstreams import table, trouble
from kit import pulse
from kit.broker import Line
from reveweb import health
from reveweb.admin import ends_chart
from reveweb.celery import app
from reveweb.watch import figures, troubles
from reveweb.watch.troubles import Trouble

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


@dataclass(frozen=True)
class Waiting:
    """Images in one state: how many, and since when the oldest of them is there."""

    label: str
    count: int
    oldest: datetime | None
    url: str


@dataclass(frozen=True)
class Span:
    """How images ended in some time, in words."""

    label: str
    count: int
    rate: str
    is_low: bool
    p50: str
    p95: str


@dataclass(frozen=True)
class Sum:
    """A figure of today and of the last thirty days."""

    label: str
    today: str
    month: str


@dataclass(frozen=True)
class Shown:
    """A trouble as this viewer sees it: `rows` are what the button tries again, by the list's own act."""

    trouble: Trouble
    rows: list[Any]
    act: str
    where: str
    button: str


LOW_RATE = 0.95  # below it more fails than an operator should leave alone
# What the first page offers to do about a trouble: the list's act, and the permission that takes.
MENDS: dict[str, tuple[str, str, str, Callable[[], QuerySet[Any]], str]] = {
    "events": (
        "billing_stripeevent",
        "try_again",
        "billing.retry_event",
        lambda: StripeEvent.objects.filter(handled_at=None).order_by("received_at"),
        "Try again",
    ),
    "mails": ("billing_outgoingmail", "send_again", "billing.resend_mail", mail.failed_lately, "Send again"),
}
MENDED_AT_ONCE = 20


def add_numbers(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give the first page what the viewer may see of it."""
    sees = request.user.has_perm
    context["alerts_url"] = reverse("admin:reveweb_alert_changelist") if sees("reveweb.view_alert") else ""
    context["troubles"] = [_shown(one, sees) for one in troubles.current() if sees(one.permission)]
    context["numbers"] = [number for permission, number in _numbers() if sees(permission)]
    context["processes"] = _processes()
    if sees("generator.view_generation"):
        week = figures.week()
        context["waiting"] = _waiting()
        context["spans"] = _spans(week)
        charts = (
            ends_chart.of("The last 24 hours", week.hours[-24:], each=1),
            ends_chart.of("The last 7 days", week.hours, each=6),
        )
        context["charts"] = [chart for chart in charts if chart]
        context["is_week_whole"] = week.is_whole
    if sees("generator.view_upstream"):
        context["upstreams"] = table.lines()
    if sees("generator.view_upstreamtrouble"):
        context["queues"] = _queues()
    if sees("billing.view_payment"):
        month = figures.month()
        context["sums"] = _sums(month)
        context["is_month_whole"] = month.is_whole
    return context


def _shown(trouble: Trouble, sees: Callable[[str], bool]) -> Shown:
    name, act, permission, rows, button = MENDS.get(trouble.act, ("", "", "", None, ""))
    if rows is None or not sees(permission):
        return Shown(trouble, [], "", "", "")
    keys = list(rows().values_list("pk", flat=True)[:MENDED_AT_ONCE])
    return Shown(trouble, keys, act, reverse(f"admin:{name}_changelist"), button)


def _waiting() -> list[Waiting]:
    """Return what is on its way, by state. Of few rows: those of an index of what is unfinished."""
    unfinished = Generation.objects.real().unfinished()
    counts = dict(unfinished.order_by().values_list("status").annotate(Count("pk")))
    where = reverse("admin:generator_generation_changelist")
    found = []
    for status in Generation.UNFINISHED:
        oldest = None
        if counts.get(status):
            of_it = unfinished.filter(status=status).order_by("deadline_at")
            oldest = of_it.values_list("created_at", flat=True).first()
        found.append(Waiting(str(status.label), counts.get(status, 0), oldest, f"{where}?status__exact={status.value}"))
    return found


def _spans(week: figures.Week) -> list[Span]:
    parts = (("The last hour", figures.last_hour()), ("24 hours", week.last(24)), ("7 days", week.last(figures.HOURS)))
    return [_span_of(label, ends) for label, ends in parts]


def _span_of(label: str, ends: figures.Ends) -> Span:
    rate, p50, p95 = ends.rate, ends.within(0.5), ends.within(0.95)
    return Span(
        label,
        ends.count,
        "–" if rate is None else "100%" if rate == 1 else f"{min(rate, 0.999):.1%}",
        rate is not None and rate < LOW_RATE,
        "–" if p50 is None else f"{p50:,.1f} s",
        "–" if p95 is None else f"{p95:,.1f} s",
    )


_line = Line(app)


def _queues() -> list[tuple[str, str]]:
    """Return how many messages wait at the broker, which are no more than hints to look."""
    try:
        return [(name, f"{_line.waiting(app.amqp.queues[name]):,}") for name in settings.QUEUES]
    except Exception:  # each broker has its own errors; that it is away is a trouble of its own
        return []


def _sums(month: figures.Month) -> list[Sum]:
    today, whole = month.today, month.month
    pairs = (
        ("Credits sold", today.sold, whole.sold),
        ("Credits granted", today.granted, whole.granted),
        ("Credits spent", today.spent, whole.spent),
        ("Credits expired", today.expired, whole.expired),
        ("People who signed up", month.came_today, month.came),
    )
    paid = [
        Sum("Taken", money.full(month.taken_today.get(code, 0), code), money.full(sum_, code))
        for code, sum_ in sorted(month.taken.items())
    ]
    return [*paid, *(Sum(label, f"{now:,}", f"{then:,}") for label, now, then in pairs)]


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
    ended = Generation.objects.real().filter(status=Generation.Status.FAILED, created_at__gte=day)
    failed = ended.exclude(error_code=CANCELLED).count()
    moved = dict(
        CreditEntry.objects.filter(created_at__gte=today, kind__in=[Kind.GRANT, Kind.HOLD, Kind.RELEASE])
        .order_by()
        .values_list("kind")
        .annotate(SumOf("amount"))
    )
    spent = -(moved.get(Kind.HOLD, 0) + moved.get(Kind.RELEASE, 0))
    since = urlencode({"created_at__gte": today.isoformat()})
    entries = f"{reverse('admin:billing_creditentry_changelist')}?{since}"
    failures = f"{reverse('admin:generator_generation_changelist')}?status__exact=failed&is_test__exact=0"
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
                mail.failed_lately().exists(),
            ),
        ),
        (
            "generator.view_webhookdelivery",
            Number(
                "Webhook messages given up in 24 hours",
                figures.shared("webhooks", figures.FRESH_SECONDS, _given_up),
                f"{reverse('admin:generator_webhookdelivery_changelist')}?state__exact=failed",
            ),
        ),
        ("generator.view_generation", Number("Images failed in 24 hours", failed, failures, failed > 0)),
        (
            "billing.view_creditentry",
            Number("Credits granted today", moved.get(Kind.GRANT, 0), f"{entries}&kind__exact=grant"),
        ),
        ("billing.view_creditentry", Number("Credits spent today", spent, f"{entries}&kind__exact=hold")),
    ]


def _given_up() -> int:
    lately = WebhookDelivery.objects.filter(created_at__gte=timezone.now() - timedelta(days=1))
    return lately.filter(state=WebhookDelivery.State.FAILED).count()


def _troubles() -> list[tuple[str, Number]]:
    """What is worth a place only while there is any."""
    all_images = reverse("admin:generator_generation_changelist")
    found = []
    if waiting := StaffRefund.objects.filter(status=StaffRefund.Status.ASKED).count():
        url = f"{reverse('admin:billing_staffrefund_changelist')}?state=asked"
        found.append(("billing.view_staffrefund", Number("Refunds that wait for Stripe", waiting, url, True)))
    if images.storage_trouble():
        drawing = Generation.objects.unfinished().filter(status=Generation.Status.DRAWING)
        waiting = drawing.exclude(unstored_since=None).count()
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
