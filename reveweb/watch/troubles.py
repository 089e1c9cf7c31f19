"""Everything that asks for somebody, worst first: what it is, what to do about it, and where.

A table of sources, each a few queries by an index or none. The first page of the admin shows what they find, and
`alerts` tells of what is alarming. To add one, write a function that yields `Trouble`s and put it into `SOURCES`.
"""

import logging
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from billing.bulk import working
from billing.models import Dispute, StaffRefund, StripeEvent
from billing.outbox import mail
from billing.staff import comparing
from generator.ask import pausing
from generator.files import leftovers
from generator.library import reports
from generator.models import Generation, Upstream
from generator.upstreams import health as upstreams
from generator.upstreams import trouble as upstream_trouble
from kit.text import counted
from reveweb import health
from reveweb.backup import standing
from reveweb.watch import figures

log = logging.getLogger(__name__)

EVENT_LATE = timedelta(minutes=5)  # since when an event of Stripe's that nobody handled is no delay
REFUND_LATE = timedelta(minutes=15)
BACKUPS_SECONDS = 60.0  # looking whether a restore ended takes a connection of its own
DISK_BYTES, DISK_SHARE = 1024**3, 0.03  # what has to be free: the larger of the two


class Severity(IntEnum):
    """How much it asks for somebody."""

    NOTE = 1  # it is meant, and should not be forgotten
    WARNING = 2  # somebody has to see to it some day soon
    ALARM = 3  # people get no images or lose money by it: somebody is told


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong. `name` is the same as long as it is the same trouble.

    `words` say what is, `cure` what to do; `url` is the page about it, which needs `permission` and which `button`
    leads to. `act` names what the first page itself offers to do about it (`reveweb.admin.mending`).
    """

    name: str
    severity: Severity
    words: str
    cure: str
    permission: str
    url: str = ""
    button: str = "Look"
    act: str = ""


def current() -> list[Trouble]:
    """Return all that is wrong now, worst first. What cannot be found out is a trouble, too."""
    found: list[Trouble] = []
    for source in SOURCES:
        try:
            found += source()
        except Exception as error:
            log.warning("%s could not be looked at: %r", source.__name__, error)
            words = f"{source.__name__.strip('_').capitalize()} could not be looked at: {type(error).__name__}"
            found.append(
                Trouble(f"unknown:{source.__name__}", Severity.WARNING, words, "See the log.", "accounts.view_user")
            )
    return sorted(found, key=lambda trouble: -trouble.severity)


# --- The sources -------------------------------------------------------------------------------------------------

# What is said of a check of `health` that fails, how bad that is, and what helps. Others have sources of their own.
_CHECKS: dict[str, tuple[str, Severity, str]] = {
    "database": ("The database does not answer", Severity.ALARM, "See that it runs and DATABASE_URL leads there."),
    "broker": ("The broker does not answer", Severity.ALARM, "See that Redis, Valkey or RabbitMQ runs."),
    "redis": ("Redis does not answer", Severity.ALARM, "See that it runs and REDIS_URL leads there."),
    "worker": ("Nobody draws", Severity.ALARM, "Start `manage.py work`; its log says why it ended."),
    "scheduler": ("No scheduler", Severity.ALARM, "Start `manage.py schedule`."),
    "stalled": ("Images are due and nothing gets done", Severity.ALARM, "Restart `manage.py work`; look at its log."),
    "storage": ("Storage takes no images", Severity.ALARM, "Mend it: what is drawn waits on the worker's disk."),
    "payments": ("Nobody takes payments", Severity.ALARM, "Start `manage.py work`."),
    "rest": ("Nobody sends mails", Severity.ALARM, "Start `manage.py work --rest`."),
    "webhooks": ("Nobody sends webhooks", Severity.WARNING, "Start `manage.py work --rest`."),
    "mail": ("Mails are late", Severity.ALARM, "See that the mail server of EMAIL_URL answers."),
    "unshared": ("Processes do not share their storage", Severity.ALARM, ""),
}


def processes() -> Iterator[Trouble]:
    """What `/readyz` knows."""
    found = health.found()
    for name, (title, severity, cure) in _CHECKS.items():
        finding = found.get(name)
        if finding is None or finding.words is None:
            continue
        if name == "broker" and found["redis"].words and settings.CELERY_BROKER_URL == settings.REDIS_URL:
            continue  # one server, one trouble
        words, _, more = finding.words.partition(". ")
        yield Trouble(name, severity, f"{title}: {words}", cure or more or words, "accounts.view_user")


def queue() -> Iterator[Trouble]:
    """Images that wait longer than ALERT_QUEUE_SECONDS."""
    unfinished = Generation.objects.real().unfinished().exclude(status=Generation.Status.DRAWING)
    oldest = unfinished.order_by("deadline_at").values_list("created_at", flat=True).first()
    if oldest is None or (timezone.now() - oldest).total_seconds() <= settings.ALERT_QUEUE_SECONDS:
        return
    minutes = int((timezone.now() - oldest).total_seconds() // 60)
    yield Trouble(
        "queue",
        Severity.ALARM,
        f"The oldest image has waited to be sent for {counted(minutes, 'minute')}",
        "See whether an upstream is in trouble or full, and whether there are enough workers.",
        "generator.view_generation",
        f"{reverse('admin:generator_generation_changelist')}?status__exact=queued",
        "Look at what waits",
    )


def drawing() -> Iterator[Trouble]:
    """Upstreams that draw nothing, each by its name: one that answers is no news of another."""
    troubled = upstream_trouble.all_current()
    down = {upstream.pk for upstream in upstreams.down()}
    for upstream in Upstream.objects.filter(is_active=True):
        if known := troubled.get(upstream.slug):
            yield Trouble(
                f"upstream:{upstream.slug}",
                Severity.ALARM,
                f"{upstream} draws nothing: {known.get_kind_display()[0].lower()}{known.get_kind_display()[1:]}",
                "Mend it there, then put it back here.",
                "generator.change_upstream",
                reverse("admin:upstream_put_back", args=[upstream.pk]),
                "Put back …",
            )
        elif upstream.pk in down:
            yield Trouble(
                f"down:{upstream.slug}",
                Severity.ALARM,
                f"{upstream} is down: it failed {upstreams.FAILURES} times, and has not answered since",
                "See that it runs and this machine gets there; it is tried again by itself. Or take it out.",
                "generator.view_upstream",
                reverse("admin:generator_upstream_change", args=[upstream.pk]),
            )
        elif upstreams.state_of(upstream.pk) is upstreams.State.OPEN:
            yield Trouble(
                f"failing:{upstream.slug}",
                Severity.WARNING,
                f"{upstream} is busy, and is left alone for a moment",
                "It is tried again by itself. Should it stay so, look there.",
                "generator.view_upstream",
                reverse("admin:generator_upstream_change", args=[upstream.pk]),
            )


def money() -> Iterator[Trouble]:
    """What Stripe told and nobody could do, and what Stripe was asked and has not done."""
    now = timezone.now()
    if late := StripeEvent.objects.filter(handled_at=None, received_at__lt=now - EVENT_LATE).count():
        yield Trouble(
            "events",
            Severity.ALARM,
            f"{counted(late, 'Stripe event')} could not be handled",
            "Each says why; what was paid may not have brought its credits yet.",
            "billing.view_stripeevent",
            f"{reverse('admin:billing_stripeevent_changelist')}?handled=no",
            "Look at them",
            act="events",
        )
    asked = StaffRefund.objects.filter(status=StaffRefund.Status.ASKED, created_at__lt=now - REFUND_LATE)
    if waiting := asked.count():
        yield Trouble(
            "refunds",
            Severity.WARNING,
            f"{counted(waiting, 'refund')} {'waits' if waiting == 1 else 'wait'} for Stripe",
            "They are asked for again by themselves.",
            "billing.view_staffrefund",
            f"{reverse('admin:billing_staffrefund_changelist')}?state=asked",
        )
    if disputes := Dispute.objects.filter(closed_at=None).count():
        yield Trouble(
            "disputes",
            Severity.WARNING,
            f"{counted(disputes, 'dispute')} {'is' if disputes == 1 else 'are'} open",
            "Answer at Stripe before its deadline.",
            "billing.view_dispute",
            f"{reverse('admin:billing_dispute_changelist')}?closed_at__isempty=1",
        )


def mails() -> Iterator[Trouble]:
    """Mails that were given up lately, though somebody may have their address."""
    if failed := mail.failed_lately().count():
        yield Trouble(
            "mails",
            Severity.WARNING,
            f"{counted(failed, 'mail')} of the last {mail.LATELY.days} days could not be sent",
            "Each says what the mail server answered.",
            "billing.view_outgoingmail",
            f"{reverse('admin:billing_outgoingmail_changelist')}?state=failed",
            "Look at them",
            act="mails",
        )


def files() -> Iterator[Trouble]:
    """A disk that is nearly full, and images without their file."""
    disk, node = shutil.disk_usage(settings.VAR_DIR), platform.node()
    if disk.free < max(DISK_BYTES, disk.total * DISK_SHARE):
        yield Trouble(
            f"disk:{node}",  # each machine's own, or a second one that is full would be no news
            Severity.ALARM,
            f"The disk of VAR_DIR at {node} is nearly full: "
            f"{disk.free / 1024**3:.1f} GiB of {disk.total / 1024**3:.0f} are free",
            "Make room, or give it a larger one.",
            "generator.view_upstreamtrouble",
        )
    if (report := leftovers.last_report()) and report.missing:
        chosen = urlencode({"id__in": ",".join(map(str, report.missing_ids))})
        yield Trouble(
            "missing",
            Severity.WARNING,
            f"{counted(report.missing, 'image')} {'has' if report.missing == 1 else 'have'} no file",
            "Bring the files back from a backup: `manage.py check_storage` names them.",
            "generator.view_generation",
            f"{reverse('admin:generator_generation_changelist')}?{chosen}",
        )


def books() -> Iterator[Trouble]:
    """What the night's comparison of the books found, and that there was none."""
    if words := comparing.trouble():
        yield Trouble(
            "books",
            Severity.ALARM,
            words,
            "Each can be repaired, once it is seen what that would change.",
            "generator.view_route",
            reverse("admin:books"),
            "Open the books",
        )
    if words := comparing.silence():
        yield Trouble(
            "uncompared",
            Severity.ALARM,
            words,
            "See the log of `schedule` and `work --rest` at night, and compare now.",
            "generator.view_route",
            reverse("admin:books"),
            "Open the books",
        )


def backups() -> Iterator[Trouble]:
    """A backup that failed or is too old, and a restore that was not finished."""
    if words := figures.shared("backups", BACKUPS_SECONDS, standing.trouble):
        cure = "See the log of `work --rest`."
        yield Trouble("backup", Severity.ALARM, words, cure, "generator.view_upstreamtrouble")


def many() -> Iterator[Trouble]:
    """Acts on many that cannot go on."""
    if words := working.trouble():
        yield Trouble(
            "bulk",
            Severity.WARNING,
            words.rstrip("."),
            "Each says why, and goes on by itself when that is mended.",
            "billing.view_bulk",
            reverse("admin:billing_bulk_changelist"),
        )


def moderation() -> Iterator[Trouble]:
    """Reports that nobody has looked at."""
    if words := reports.trouble():
        yield Trouble(
            "reports",
            Severity.WARNING,
            words,
            "Keep the image, take it down, or suspend its owner.",
            "generator.view_report",
            f"{reverse('admin:generator_report_changelist')}?state=open",
            "Look at them",
        )


def intake() -> Iterator[Trouble]:
    """Pauses, which are meant."""
    if words := pausing.trouble():
        yield Trouble(
            "intake",
            Severity.NOTE,
            words,
            "New images are refused until it ends.",
            "generator.view_pause",
            reverse("admin:generator_pause_changelist"),
            "Resume …",
        )


SOURCES: tuple[Callable[[], Iterator[Trouble]], ...] = (
    processes,
    queue,
    drawing,
    money,
    books,
    mails,
    files,
    backups,
    many,
    moderation,
    intake,
)
