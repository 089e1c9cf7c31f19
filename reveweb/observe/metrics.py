"""What `/metrics` answers, in Prometheus' words: what all processes counted, and how things are at this moment.

How things are is read from the database and Redis on a thread of its own, once in a few seconds however many ask, and
nobody waits longer for it than Prometheus would: what is not read by then, or cannot be, is missing, and
`reveweb_scrape_errors` says how many parts are.
"""

import contextlib
import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import Count, Min
from django.utils import timezone

from accounts.models import User
from billing.models import Dispute, HeldWelcome, OutgoingMail, StaffRefund, StripeEvent, Wallet
from billing.outbox import mail
from billing.staff import comparing
from billing.welcome import figures as welcomes
from generator.files import images
from generator.models import Generation, UpstreamTrouble, WebhookDelivery
from generator.upstreams import health as upstreams
from kit import metrics as counted
from kit import pulse
from kit.broker import Line
from kit.threads import let_go
from reveweb import health
from reveweb.backup import standing
from reveweb.celery import app
from reveweb.doctor import kept
from reveweb.doctor.findings import Level
from reveweb.observe import gauges
from reveweb.version import VERSION
from reveweb.watch import figures
from reveweb.watch.models import Alert

log = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
READ_SECONDS = 4.0  # for which whoever asks waits: Prometheus does for ten, and wants what was counted in any case
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, Iterable[tuple[tuple[str, ...], float]]]  # its name, and values by their labels
Part = Callable[[], Iterator[Sample]]


def text() -> bytes:
    """Return it all."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Counted())
    registry.register(_Now())
    return bytes(generate_latest(registry))


class _Counted:
    """What all processes counted."""

    def collect(self) -> list[Any]:
        return counted.counted()


class _Now:
    """How things are, as gauges."""

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        for name, values in _samples():
            series = gauges.of(name)
            family = GaugeMetricFamily(name, series.words, labels=series.labels)
            for told, value in values:
                family.add_metric(told, value)
            yield family


class _Reading:
    """All parts, read one after the other from when it is made; `samples` are of those that were read by now."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.samples: list[Sample] = []
        self.missing = len(PARTS)
        self.done = threading.Event()
        threading.Thread(target=self._read, args=(tuple(PARTS),), name="metrics-reading", daemon=True).start()

    @property
    def age(self) -> float:
        """For how many seconds it has been there."""
        return time.monotonic() - self.began

    def _read(self, parts: Iterable[Part]) -> None:
        for part in parts:
            try:
                if self.age > READ_SECONDS:
                    raise TimeoutError("others took too long")
                self.samples += list(part())
                self.missing -= 1
            except Exception as error:
                log.warning("%s could not be read for /metrics: %r", part.__name__, error)
            with contextlib.suppress(Exception):
                let_go()
        with contextlib.suppress(Exception):
            connections.close_all()  # this thread ends
        self.done.set()


_kept: list[_Reading] = []
_lock = threading.Lock()


def forget() -> None:
    """Have the next one who asks read everything anew."""
    with _lock:
        _kept.clear()


def _samples() -> Iterator[Sample]:
    with _lock:
        if not _kept or (_kept[0].done.is_set() and _kept[0].age > FRESH_SECONDS):
            _kept[:] = [_Reading()]
        reading = _kept[0]
    yield from _build()
    yield from _checks()
    reading.done.wait(max(0.0, READ_SECONDS - reading.age))
    yield from list(reading.samples)
    yield _one("reveweb_scrape_errors", reading.missing)


def _one(name: str, value: float) -> Sample:
    return name, [((), float(value))]


def _each(name: str, values: Iterable[tuple[str, float]]) -> Sample:
    return name, [((told,), float(value)) for told, value in values]


# --- The parts ---------------------------------------------------------------------------------------------------


def _build() -> Iterator[Sample]:
    yield _each("reveweb_build_info", [(VERSION, 1)])


def _checks() -> Iterator[Sample]:
    """What is away: known without waiting for it, so that it is said whatever hangs."""
    found = health.found()
    yield _each(
        "reveweb_check_up",
        [(name, finding.words is None) for name, finding in found.items()],
    )


def _heard() -> Iterator[Sample]:
    yield _each(
        "reveweb_heard_seconds",
        [(name, ago) for name, ago in pulse.heard().items() if ":" not in name],  # others name single processes
    )


def _alerts() -> Iterator[Sample]:
    firing = Alert.objects.filter(ended_at=None).exclude(told_at=None).count()
    yield _one("reveweb_alerts_firing", firing)


def _images() -> Iterator[Sample]:
    now = timezone.now()
    unfinished = Generation.objects.real().unfinished().order_by()
    queued = dict(_waiting_in_line(unfinished.filter(status=Generation.Status.QUEUED), now))
    yield _each("reveweb_images_queued", [(awaited, count) for awaited, (count, _) in queued.items()])
    yield _each("reveweb_images_queued_oldest_seconds", [(awaited, age) for awaited, (_, age) in queued.items()])
    rows = list(unfinished.values_list("status").annotate(Count("pk"), Min("created_at")))
    counts = dict.fromkeys(map(str, Generation.UNFINISHED), 0) | {status: count for status, count, _ in rows}
    yield _each("reveweb_images_unfinished", counts.items())
    ages = dict.fromkeys(map(str, Generation.UNFINISHED), 0.0)
    ages |= {status: (now - oldest).total_seconds() for status, _, oldest in rows}
    yield _each("reveweb_images_oldest_seconds", ages.items())
    unstored = unfinished.filter(status=Generation.Status.DRAWING).exclude(unstored_since=None).count()
    yield _one("reveweb_images_unstored", unstored)
    late = health.due({}).late  # whoever was heard: Redis may be away
    yield _one("reveweb_images_late_seconds", late)


def _waiting_in_line(queued: Any, now: datetime) -> Iterator[tuple[str, tuple[int, float]]]:
    """Yield how many wait, and since when the oldest does: of those that somebody waits for, and of the others."""
    found = {row[0]: row[1:] for row in queued.values_list("is_awaited").annotate(Count("pk"), Min("created_at"))}
    for awaited, is_awaited in (("yes", True), ("no", False)):
        count, oldest = found.get(is_awaited, (0, now))
        yield awaited, (count, (now - oldest).total_seconds())


def _upstreams() -> Iterator[Sample]:
    standing = upstreams.standing()
    troubled = set(UpstreamTrouble.objects.values_list("upstream", flat=True))
    draws = [
        (
            one.upstream.slug,
            one.upstream.is_active and one.upstream.slug not in troubled and not one.is_down,
        )
        for one in standing
    ]
    yield _each("reveweb_upstream_up", draws)
    yield _each(
        "reveweb_upstream_in_flight",
        [(one.upstream.slug, one.in_flight) for one in standing],
    )
    rates = [(one.upstream.slug, one.success_rate) for one in standing if one.success_rate is not None]
    yield _each("reveweb_upstream_success_ratio", rates)
    balances = [(one.upstream.slug, float(one.balance.amount)) for one in standing if one.balance is not None]
    yield _each("reveweb_upstream_balance", balances)


def _money() -> Iterator[Sample]:
    waiting = StripeEvent.objects.filter(handled_at=None)
    oldest = waiting.aggregate(at=Min("received_at"))["at"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    yield _one("reveweb_stripe_events_unhandled", waiting.count())
    yield _one("reveweb_stripe_events_oldest_seconds", age)
    month = figures.month()
    for name in ("sold", "granted", "spent", "expired"):
        yield _one(f"reveweb_credits_{name}_today", getattr(month.today, name))
    yield _each(
        "reveweb_taken_today_minor_units",
        month.taken_today.items(),
    )


def _given_back() -> Iterator[Sample]:
    yield _one("reveweb_refunds_waiting", StaffRefund.objects.filter(status=StaffRefund.Status.ASKED).count())
    yield _one("reveweb_disputes_open", figures.shared("disputes", 60, _disputes))


def _disputes() -> int:
    return Dispute.objects.filter(closed_at=None).exclude(status__startswith="warning_").count()


def _ledger() -> Iterator[Sample]:
    """What the last comparison found: nothing is compared for it."""
    last = comparing.last()
    if last is not None and last.ended_at is not None:
        yield _one("reveweb_ledger_drifts", last.found)
        yield _one("reveweb_ledger_compared_age_seconds", (timezone.now() - last.ended_at).total_seconds())


def _backups() -> Iterator[Sample]:
    age = standing.age()
    if age is not None:
        yield _one("reveweb_backup_age_seconds", age.total_seconds())


def _doctor() -> Iterator[Sample]:
    """What its last examination found: nothing is examined for it."""
    last = kept.latest()
    if last is None or last.is_running:
        return
    levels = Counter(finding.level for each in last.examined for finding in each.findings)
    yield _each(
        "reveweb_doctor_findings", [(level.name.lower(), levels[level]) for level in Level if level >= Level.WARNING]
    )
    yield _one("reveweb_doctor_age_seconds", (timezone.now() - last.at).total_seconds())


def _welcomes() -> Iterator[Sample]:
    found = figures.shared("held-back", 60, _held_back)
    yield _each("reveweb_welcomes_held_today", [(reason, people) for reason, (people, _) in found.items()])
    yield _each("reveweb_welcome_credits_held_today", [(reason, credits) for reason, (_, credits) in found.items()])


def _held_back() -> dict[str, tuple[int, int]]:
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    told = zip(HeldWelcome.Reason, welcomes.held_back(today), strict=True)
    return {reason.value: (one.people, one.credits) for reason, one in told}


def _people() -> Iterator[Sample]:
    yield _one("reveweb_accounts", figures.shared("accounts", 60, _accounts))
    yield _one("reveweb_wallets_without_credits", figures.shared("poor", 60, _poor))
    yield _one("reveweb_signups_today", figures.month().came_today)


def _accounts() -> int:
    return User.objects.filter(is_active=True, deleted_at=None).count()


def _poor() -> int:
    return Wallet.objects.filter(balance=0).count()


def _outbox() -> Iterator[Sample]:
    unsent = OutgoingMail.objects.filter(sent_at=None, failed_at=None).count()
    yield _one("reveweb_mails_waiting", unsent)
    yield _one("reveweb_mails_failed", mail.failed().count())
    pending = WebhookDelivery.objects.filter(state=WebhookDelivery.State.PENDING).count()
    yield _one("reveweb_webhooks_waiting", pending)


_line = Line(app)


def _queues() -> Iterator[Sample]:
    waiting = [(name, float(_line.waiting(app.amqp.queues[name]))) for name in settings.QUEUES]
    yield _each("reveweb_queue_messages", waiting)


def _disk() -> Iterator[Sample]:
    disk = shutil.disk_usage(settings.VAR_DIR)
    yield _one("reveweb_disk_free_bytes", disk.free)
    yield _one("reveweb_disk_bytes", disk.total)
    yield _one("reveweb_storage_up", images.storage_trouble() is None)


PARTS: tuple[Part, ...] = (
    _images,
    _heard,
    _alerts,
    _upstreams,
    _money,
    _given_back,
    _ledger,
    _people,
    _welcomes,
    _outbox,
    _queues,
    _backups,
    _doctor,
    _disk,
)
