"""The processes that do the work: who was heard, and whether anything gets done."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from billing.models import StripeEvent
from billing.outbox import mail
from generator.ask import pausing
from generator.files import shared_mark
from generator.webhooks import courier
from kit import pulse
from reveweb import health
from reveweb.backup import standing
from reveweb.doctor.findings import Finding, fault, note, ok, warning
from reveweb.run.pulse import VERSION_OF
from reveweb.version import VERSION

FAILING = timedelta(minutes=10)
# The names of their pulses: what stands still without it, for how long it may be silent, and what starts it.
PULSES = {
    "scheduler": (
        "Nothing looks after what was missed, and no night's work is done",
        health.SCHEDULER_SECONDS,
        "schedule",
    ),
    "worker": ("No image is drawn", health.WORKER_SECONDS, "work"),
    "money": ("Payments are not booked", health.WORKER_SECONDS, "work"),
    "rest": ("No mail goes out, no thumbnail is made", health.WORKER_SECONDS, "work --rest"),
    courier.PULSE: ("No webhook is sent to customers", health.WORKER_SECONDS, "work --rest"),
}


def silent(name: str) -> Iterator[Finding]:
    """Tell whether the process of this pulse was heard lately."""
    without, limit, command = PULSES[name]
    ago = pulse.heard().get(name)
    cure = f"Start it, or look why it hangs: manage.py {command}."
    if ago is None:
        yield fault(f"{name}-silent", f"It was never heard. {without}.", cure)
    elif ago > limit:
        yield fault(f"{name}-silent", f"It was last heard {ago:.0f} seconds ago. {without}.", cure)
    else:
        yield ok(name, f"heard {ago:.0f} seconds ago")


def versions() -> Iterator[Finding]:
    """Compare the release of each worker that was heard with this one."""
    for name, ago in pulse.heard().items():
        kind, who, version = (*name.split(":", 2), "", "")[:3]
        if kind == VERSION_OF and ago < health.WORKER_SECONDS and version != VERSION:
            words = f"A worker ({who}) is of version {version}, and this is {VERSION}."
            yield warning("versions-differ", words, "Finish the upgrade: restart every process with the newer version.")
    yield ok("versions", VERSION)


def queue() -> Iterator[Finding]:
    """Look whether images wait while nothing gets done."""
    due = health.due(pulse.heard())
    if due.is_stalled:
        words = f"An image has been due for {due.late:.0f} seconds, and nothing got done meanwhile."
        yield fault("queue-stalled", words, "Restart the workers (manage.py work), and look into their logs for why.")


def storage_shared() -> Iterator[Finding]:
    """Look whether several machines see each other's files."""
    for words in shared_mark.complaints(pulse.heard()):
        yield fault("storage-apart", f"{words}.", shared_mark.CURE)


def backups() -> Iterator[Finding]:
    """Tell what is wrong with backups, and when the last one was made."""
    if words := standing.trouble():
        cure = "Mend what it says; manage.py backup makes one now. docs/operating.md has more on backups and restores."
        yield fault("backups-failing", words, cure)
    if not settings.BACKUP_TO and settings.PRODUCTION:
        words = "This site makes no backup by itself: BACKUP_TO is not set."
        yield note(
            "backups-none", words, "Set BACKUP_TO to a folder elsewhere or s3://…, unless something else makes them."
        )
    elif made := standing.last():
        yield ok("backups", f"the last one is of {made.night:%d %B %Y}")


def intake() -> Iterator[Finding]:
    """Remind of a pause that somebody began."""
    if words := pausing.trouble():
        yield note("intake-paused", f"{words}.", "End it at Admin → Intake once that is over.")


def mails() -> Iterator[Finding]:
    """Look for mails that wait, or were given up lately."""
    if late := mail.late(health.MAIL_LATE):
        words = f"{late} mail{' waits' if late == 1 else 's wait'} for longer than they should."
        yield fault("mails-late", words, "Look at what `mail` finds here, and at Admin → Mails for their last errors.")
    failed = mail.failed_lately().count()
    if failed:
        words = f"{failed} mail{' was' if failed == 1 else 's were'} given up in the last {mail.LATELY.days} days."
        yield warning("mails-given-up", words, "Look at Admin → Mails why, mend it, and send them again there.")


def stripe_events() -> Iterator[Finding]:
    """Look for events of Stripe's that cannot be handled."""
    since = timezone.now() - FAILING
    failing = StripeEvent.objects.filter(handled_at=None, received_at__lt=since)
    count = failing.count()
    if count:
        first = failing.order_by("received_at").values_list("type", "last_error").first() or ("", "")
        words = (
            f"{count} events of Stripe's are not in the books yet; the oldest is {first[0]}: {first[1] or 'not tried'}"
        )
        yield fault("stripe-events-waiting", words, "Look at Admin → Stripe events, and try them again there.")
