"""Our own trouble with an upstream: our key is refused there, or our funds are gone. Only the operator can mend it.

Then no image fails for it, and none is sent there: other upstreams draw, or what waits goes on waiting. An upstream
that is the only one left for what waits gets one of it as a trial every now and then, so that mended funds are noticed.
Otherwise it is out until the operator puts it back, or gives it another key or address. Operators are told once, and
told again when it draws again. One row of each says all that to every process.
"""

import hmac
import logging
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import emails
from accounts.models import User
from billing.models import OutgoingMail
from billing.outbox import mail
from generator.models import Upstream, UpstreamTrouble
from generator.upstreams import secret
from generator.upstreams.errors import OperatorTrouble
from kit import wakeups

log = logging.getLogger(__name__)

TRY_AGAIN = timedelta(seconds=15)  # after a trial that failed
NOBODY_TRIED = timedelta(seconds=4)  # a trial that is due for so long has nothing that waits to be it
TOLD_AGAIN_SECONDS = 900  # what comes and goes is told about once in so many
CACHE_SECONDS = 1.0

# What this process last saw, by slug, and when: a hint, for admission asks at each call. The row decides.
_seen: tuple[float, Mapping[str, UpstreamTrouble]] | None = None
_suspected: set[str] = set()


def note(upstream: Upstream, error: OperatorTrouble) -> None:
    """Put down that `upstream` refuses us, and tell the operator unless they know."""
    now, access = timezone.now(), access_of(upstream)
    known = current(upstream)
    if known and known.kind == error.kind and known.told_at:
        pause = known.next_try_at - now  # longer while a trial is under way
        if TRY_AGAIN / 2 < pause <= TRY_AGAIN:
            return  # all that was under way comes back at once, and says the same
    with transaction.atomic():
        trouble, is_new = UpstreamTrouble.objects.select_for_update().get_or_create(
            upstream=upstream.slug, defaults={"kind": error.kind, "since": now, "next_try_at": now + TRY_AGAIN}
        )
        is_other = trouble.kind != error.kind
        trouble.kind, trouble.next_try_at, trouble.access = error.kind, now + TRY_AGAIN, access
        if is_new or is_other:
            log.error("%s draws for nobody until it is mended: %s", upstream.slug, error)
        if (is_other or trouble.told_at is None) and _tell("upstream_trouble", trouble, round_of=now.timestamp()):
            trouble.told_at = now
        trouble.save()
    forget()


def put_back(slug: str) -> bool:
    """Have an upstream draw again: a submission was accepted, or the operator says so. Asks the database each time.

    Whether it was out.
    """
    with transaction.atomic():
        trouble = UpstreamTrouble.objects.select_for_update().filter(upstream=slug).first()
        if trouble is not None:
            trouble_pk = trouble.pk
            trouble.delete()
            log.warning("%s draws again", slug)
            if trouble.told_at:
                _tell("upstream_mended", trouble, round_of=trouble.since.timestamp(), nth=trouble_pk)
            wakeups.publish_on_commit(wakeups.WORK)
    forget()
    _suspected.discard(slug)
    return trouble is not None


def all_current() -> Mapping[str, UpstreamTrouble]:
    """Return every trouble, by the upstream's slug, as it was a second ago at most. One query a second."""
    global _seen
    if _seen is None or time.monotonic() - _seen[0] > CACHE_SECONDS:
        _seen = time.monotonic(), {trouble.upstream: trouble for trouble in UpstreamTrouble.objects.all()}
        _suspected.clear()
        _suspected.update(_seen[1])
    return _seen[1]


def is_suspected(slug: str) -> bool:
    """Whether this process knew of trouble with an upstream when it last asked; asks nobody."""
    return slug in _suspected


def current(upstream: Upstream) -> UpstreamTrouble | None:
    """Return the trouble with `upstream`, None where there is none. Costs what `all_current` does.

    What was met with another address or another key is over, and that is put down.
    """
    trouble = all_current().get(upstream.slug)
    if trouble and trouble.access and not _is_access_of(trouble.access, upstream):
        log.warning("%s has another address or key, and is tried anew", upstream.slug)
        put_back(upstream.slug)
        return None
    return trouble


def may_try(trouble: UpstreamTrouble) -> bool:
    """Take leave to send one image as a trial: given to one at a time of all processes."""
    now = timezone.now()
    if now < trouble.next_try_at:
        return False
    upstream = Upstream.objects.filter(slug=trouble.upstream).first()
    seconds = (upstream and upstream.timeout_seconds) or settings.UPSTREAM_TIMEOUT_SECONDS
    # Longer than a submission may take: should its sender die, the next one tries.
    lease = timedelta(seconds=seconds + 5)
    mine = UpstreamTrouble.objects.filter(pk=trouble.pk, next_try_at__lte=now).update(next_try_at=now + lease)
    forget()
    return bool(mine)


def is_untried(trouble: UpstreamTrouble) -> bool:
    """Whether a trial is due and nothing waits to be it: the next request may, or nobody would ever find out."""
    return timezone.now() >= trouble.next_try_at + NOBODY_TRIED


def access_of(upstream: Upstream) -> str:
    """Return a digest of an upstream's address and key, under the present SECRET_KEY."""
    return _access_under(str(settings.SECRET_KEY), upstream)


def _is_access_of(kept: str, upstream: Upstream) -> bool:
    """Tell whether a digest is of the address and key that it has now, also under a former SECRET_KEY."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(hmac.compare_digest(kept, _access_under(one, upstream)) for one in secrets)


def _access_under(secret_key: str, upstream: Upstream) -> str:
    try:
        key = secret.reveal(upstream.secret)
    except OperatorTrouble:
        key = ""
    told = "\0".join([upstream.dialect, upstream.base_url or str(settings.REVE_API_URL), key])
    return hmac.digest(secret_key.encode(), told.encode(), "sha256").hex()


def forget() -> None:
    """Have the next question ask the database."""
    global _seen
    _seen = None


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
    for number, email, user in _operators():
        own = f"{reference}:{number}"
        if not OutgoingMail.objects.filter(reference=own).exists():
            mail.queue_to(email, template, user=user, reference=own, **context)
            told = True
    return told


def _operators() -> Iterator[tuple[int, str, User | None]]:
    """Yield whom to tell, each with a number of their own: ALERT_EMAILS.

    Without any the superusers whose address is theirs for certain; without those SUPPORT_EMAIL.
    """
    if settings.ALERT_EMAILS:
        yield from ((number, address, None) for number, address in enumerate(settings.ALERT_EMAILS))
        return
    users = User.objects.filter(is_superuser=True, is_active=True, deleted_at=None).order_by("pk")
    found = [user for user in users if emails.is_confirmed(user)]
    yield from ((user.pk, user.email, user) for user in found)
    if not found and settings.SUPPORT_EMAIL:
        yield 0, settings.SUPPORT_EMAIL, None
