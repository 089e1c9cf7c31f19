"""How the nightly backups stand, for whoever looks after the site."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from reveweb.backup import unfinished
from reveweb.backup.models import NightlyBackup

OLD = timedelta(days=2)


def last() -> NightlyBackup | None:
    """Return the last backup that was made well."""
    return NightlyBackup.objects.filter(done_at__isnull=False).order_by("-night").first()


def age() -> timedelta | None:
    """Return how old the last backup is that was made well; where none ever was, how long ago the first was due.

    None where no backups are asked for, or the first night is still to come.
    """
    if not settings.BACKUP_TO:
        return None
    made, now = last(), timezone.now()
    if made is not None and made.done_at is not None:
        return now - made.done_at
    first = NightlyBackup.objects.order_by("night").values_list("night", flat=True).first()
    return None if first is None else now - datetime.combine(first, settings.BACKUP_AT, tzinfo=UTC)


def trouble() -> str | None:
    """Say what is wrong with backups, in a sentence or two; None where all is well, or none are asked for."""
    if words := unfinished.trouble():
        return words
    if not settings.BACKUP_TO:
        return None
    newest, made = NightlyBackup.objects.order_by("-night").first(), last()
    if newest is None:
        return None  # the first night is still to come; that no worker runs is somebody else's to say
    if newest.failed_at:
        return f"Last night's backup failed: {newest.last_error.rstrip('.')}. {_of(made)}"
    first = NightlyBackup.objects.order_by("night").values_list("night", flat=True).first()
    since = made.done_at if made else None
    if since is None and first and first < (timezone.now() - OLD).date():
        return f"No nightly backup was ever made. {_why(newest)}"
    if since is not None and since < timezone.now() - OLD:
        return f"The last backup is {_days(since)} old. {_why(newest)}"
    return None


def _of(made: NightlyBackup | None) -> str:
    return f"The last good one is of {made.night:%d %B %Y}." if made else "There is no good one."


def _why(newest: NightlyBackup) -> str:
    return f"It was tried, and failed: {newest.last_error}" if newest.last_error else "Does a worker run with --rest?"


def _days(since: datetime) -> str:
    return f"{(timezone.now() - since).days} days"
