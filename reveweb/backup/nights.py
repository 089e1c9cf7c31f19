"""The backup of each night: begun once, whoever is told to, by a process of its own; tried again when that dies.

The row says who is at it (`kit.due`). The process renews its claim while it works, so that one that was killed leaves a
claim that lapses, and the next tick begins anew; what it had written has no name yet, and is swept away.
"""

import logging
import re
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from kit import due
from kit.threads import let_go
from reveweb.backup.models import NightlyBackup

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
# After each try that failed; after the last one this night's is given up.
PAUSES = [timedelta(minutes=10), timedelta(hours=1), timedelta(hours=4)]
MOST_ATTEMPTS = len(PAUSES) + 1
KEPT = timedelta(days=400)  # how long it is on record
UNENDED = Q(done_at=None, failed_at=None)
_NAME = re.compile(r"reveweb-(.+)-\d{8}T\d{6}Z\.tar")


def tonight() -> date:
    """Return which night's backup is the last that should have begun."""
    now = timezone.now()
    today = datetime.combine(now.date(), settings.BACKUP_AT, tzinfo=now.tzinfo)
    return now.date() if today <= now else now.date() - timedelta(days=1)


def begin() -> bool:
    """Have tonight's backup made unless it was, or is being made; tell whether a process was started for it.

    One that no worker was there for in its hour is made as soon as one is.
    """
    if not settings.BACKUP_TO:
        return False
    row, _ = NightlyBackup.objects.get_or_create(night=tonight())
    claimed = due.claim(_unended(), row.pk, lease=LEASE)
    if claimed is None:
        return False
    if claimed.attempts > MOST_ATTEMPTS:  # each process that tried it died
        words = claimed.last_error or "Each process that made it was killed"
        due.give_up(claimed, words, still=UNENDED, failed_at=timezone.now())
        return False
    let_go()
    command = [sys.executable, "manage.py", "backup", "--of-night", str(claimed.pk), claimed.claim]
    process = subprocess.Popen(  # noqa: S603 (ours)
        command, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL, start_new_session=True
    )
    # Nobody waits for it here: a worker that is stopped does not stop for hours because of it.
    threading.Thread(target=process.wait, name="backup", daemon=True).start()
    return True


def claimed(pk: int, claim: str) -> NightlyBackup | None:
    """Return the night's row that this process was started for; None when another has it by now."""
    return _unended().filter(pk=pk, claim=claim).first()


def done(row: NightlyBackup, *, place: str, size: int) -> None:
    """Note that it was made."""
    with suppress(due.LostClaim):
        due.write(row, still=UNENDED, claim="", done_at=timezone.now(), last_error="", place=place, size=size)


def failed(row: NightlyBackup, error: Exception) -> None:
    """Note what went wrong; it is tried again, or given up for tonight."""
    log.error("The nightly backup failed: %s", error)
    with suppress(due.LostClaim):
        if row.attempts >= MOST_ATTEMPTS:
            due.give_up(row, str(error), still=UNENDED, failed_at=timezone.now())
        else:
            due.write(
                row,
                still=UNENDED,
                claim="",
                due_at=timezone.now() + PAUSES[row.attempts - 1],
                last_error=str(error)[: due.ERROR_MAX_LENGTH],
            )


def name_of(installation: str) -> str:
    """Return what a backup that is made now is called."""
    return f"{prefix_of(installation)}{timezone.now():%Y%m%dT%H%M%SZ}.tar"


def prefix_of(installation: str) -> str:
    """Return how the names of an installation's nightly backups begin."""
    return f"reveweb-{installation}-"


def too_many(names: list[str], installation: str) -> list[str]:
    """Return which of these names are older backups than are kept. Whatever else lies there is none of ours."""
    ours = sorted(name for name in names if (match := _NAME.fullmatch(name)) and match[1] == installation)
    return ours[: -settings.BACKUP_KEEP]


def tidy() -> None:
    """Drop the record of nights long ago."""
    NightlyBackup.objects.filter(night__lt=timezone.now().date() - KEPT).delete()


def _unended() -> QuerySet[NightlyBackup]:
    return NightlyBackup.objects.filter(UNENDED)
