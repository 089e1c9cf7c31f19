"""Our own trouble with an upstream: our key is refused there, or our funds are gone. Only the operator can mend it.

Then no image fails for it: what waits goes on waiting, one at a time is sent as a trial, and nothing new is taken on.
The operator is told once, and told again when it draws again. One row says all that to every process; it is deleted
when a submission is accepted.
"""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import emails
from accounts.models import User
from billing.models import OutgoingMail
from billing.outbox import mail
from generator.models import UpstreamTrouble
from kit import wakeups

if TYPE_CHECKING:
    from generator.upstreams.errors import OperatorTrouble

log = logging.getLogger(__name__)

TRY_AGAIN = timedelta(seconds=15)  # after a trial that failed
NOBODY_TRIED = timedelta(seconds=4)  # a trial that is due for so long has nothing that waits to be it
TOLD_AGAIN_SECONDS = 900  # what comes and goes is told about once in so many
CACHE_SECONDS = 1.0

# What this process last saw, and when: a hint, for admission asks at each call. The row decides.
_seen: tuple[float, UpstreamTrouble | None] | None = None


def note(error: "OperatorTrouble") -> None:
    """Put down that the upstream refuses us, and tell the operator unless they know."""
    now = timezone.now()
    known = current()
    if known and known.kind == error.kind and known.told_at:
        pause = known.next_try_at - now  # longer while a trial is under way
        if TRY_AGAIN / 2 < pause <= TRY_AGAIN:
            return  # all that was under way comes back at once, and says the same
    with transaction.atomic():
        trouble, is_new = UpstreamTrouble.objects.select_for_update().get_or_create(
            upstream=upstream_name(), defaults={"kind": error.kind, "since": now, "next_try_at": now + TRY_AGAIN}
        )
        is_other = trouble.kind != error.kind
        trouble.kind, trouble.next_try_at = error.kind, now + TRY_AGAIN
        if is_new or is_other:
            log.error("%s draws for nobody until it is mended: %s", trouble.upstream, error)
        if (is_other or trouble.told_at is None) and _tell("upstream_trouble", trouble, round_of=now.timestamp()):
            trouble.told_at = now
        trouble.save()
    forget()


def clear() -> None:
    """Put down that it draws again, because a submission was accepted. Asks the database each time."""
    with transaction.atomic():
        trouble = UpstreamTrouble.objects.select_for_update().filter(upstream=upstream_name()).first()
        if trouble is not None:
            trouble_pk = trouble.pk
            trouble.delete()
            log.warning("%s draws again", trouble.upstream)
            if trouble.told_at:
                _tell("upstream_mended", trouble, round_of=trouble.since.timestamp(), nth=trouble_pk)
            wakeups.publish_on_commit(wakeups.WORK)
    forget()


def current() -> UpstreamTrouble | None:
    """Return the trouble that there is, as it was a second ago at most. One query a second."""
    global _seen
    if _seen is None or time.monotonic() - _seen[0] > CACHE_SECONDS:
        _seen = time.monotonic(), UpstreamTrouble.objects.filter(upstream=upstream_name()).first()
    return _seen[1]


def closes_intake() -> bool:
    """Whether nothing new may be taken on. Costs what `current` does.

    Where a trial is due and nothing waits to be it, the next request is taken on: else nobody would ever find out that
    the trouble is over.
    """
    trouble = current()
    return trouble is not None and timezone.now() < trouble.next_try_at + NOBODY_TRIED


def may_try() -> bool:
    """Take leave to send one generation: always given without trouble, to one at a time of all processes with it."""
    trouble = current()
    if trouble is None:
        return True
    now = timezone.now()
    if now < trouble.next_try_at:
        return False
    # Longer than a submission may take: should its sender die, the next one tries.
    lease = timedelta(seconds=settings.UPSTREAM_TIMEOUT_SECONDS + 5)
    mine = UpstreamTrouble.objects.filter(pk=trouble.pk, next_try_at__lte=now).update(next_try_at=now + lease)
    forget()
    return bool(mine)


def forget() -> None:
    """Have the next question ask the database."""
    global _seen
    _seen = None


def upstream_name() -> str:
    """Return what trouble with the upstream is kept under: its host."""
    return (urlsplit(settings.REVE_API_URL).netloc.rpartition("@")[2] or settings.REVE_API_URL)[:255]


def _tell(template: str, trouble: UpstreamTrouble, *, round_of: float, nth: int = 0) -> bool:
    """Queue a mail to each operator; False when they had one like it a while ago."""
    round_number = int(round_of) // TOLD_AGAIN_SECONDS
    reference = ":".join(
        [template, trouble.upstream[:150], trouble.kind, str(round_number), *([str(nth)] if nth else [])]
    )
    return tell_operators(
        template,
        reference,
        kind=trouble.kind,
        upstream=trouble.upstream,
        since=f"{trouble.since:%d %B %Y, %H:%M} UTC",
        seconds=int(TRY_AGAIN.total_seconds()),
    )


def tell_operators(template: str, reference: str, **context: str | int) -> bool:
    """Queue a mail to each operator, once for each `reference`; False when all of them had it."""
    told = False
    for email, user in _operators():
        own = f"{reference}:{user.pk if user else 0}"
        if not OutgoingMail.objects.filter(reference=own).exists():
            mail.queue_to(email, template, user=user, reference=own, **context)
            told = True
    return told


def _operators() -> Iterator[tuple[str, User | None]]:
    """Yield whom to tell: the superusers whose address is theirs for certain; without any, SUPPORT_EMAIL."""
    users = User.objects.filter(is_superuser=True, is_active=True, deleted_at=None).order_by("pk")
    found = [user for user in users if emails.is_confirmed(user)]
    yield from ((user.email, user) for user in found)
    if not found and settings.SUPPORT_EMAIL:
        yield settings.SUPPORT_EMAIL, None
