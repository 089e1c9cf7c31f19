"""Reports of shared images, and what staff do about them: an image is kept, or taken down for everybody."""

import hmac
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Min
from django.utils import timezone

from accounts.models import User
from billing.outbox import mail
from billing.staff import acts
from generator.library import showcase, withheld
from generator.models import Generation, Report
from kit.http.addresses import network_of
from kit.text import counted

Outcome = Report.Outcome


def reporter_of(user: User | None, ip: str) -> str:
    """Return what tells one reporter from others, and says to nobody who it is."""
    whose = f"user:{user.pk}" if user is not None else f"address:{network_of(ip) if ip else ''}"
    return hmac.digest(settings.SECRET_KEY.encode(), whose.encode(), "sha256").hex()


def report(generation: Generation, *, reason: str, words: str, email: str, reporter: str) -> bool:
    """Put a report down; False where whoever reports has one open of this image, or staff kept it after theirs.

    False, too, where the image is shared no more, for what is taken down in the same moment has no open reports.
    """
    if generation.reports.filter(reporter=reporter, outcome=Outcome.KEPT).exists():
        return False
    try:
        with transaction.atomic():
            shared = Generation.objects.select_for_update().completed().filter(share_token__isnull=False)
            if shared.filter(pk=generation.pk).first() is None:
                return False
            Report.objects.create(
                generation=generation, reason=reason, words=words.strip(), email=email, reporter=reporter
            )
    except IntegrityError:
        return False
    return True


def trouble() -> str | None:
    """Say how many reports nobody has looked at; None where there are none."""
    waiting = Report.objects.filter(closed_at=None)
    if not (count := waiting.count()):
        return None
    oldest: datetime = waiting.aggregate(at=Min("created_at"))["at"]
    days = (timezone.now() - oldest).days
    since = f", the oldest for {counted(days, 'day')}" if days else ""
    return f"{counted(count, 'report')} of shared images {'waits' if count == 1 else 'wait'}{since}"


@transaction.atomic
def keep(*, actor: User, generation: Generation, reason: str) -> int:
    """Close the open reports of an image, which stays as it is; return how many they were. Raises PermissionDenied."""
    locked = _locked(actor, generation)
    closed = _close(locked, Outcome.KEPT)
    if closed:
        _record(actor, acts.Act.KEEP_IMAGE, locked, reason, {"reports": closed}, {"reports": 0})
    return closed


@transaction.atomic
def take_down(*, actor: User, generation: Generation, reason: str, words: str) -> bool:
    """End the public link of an image, take it off Explore, and let it be shared no more until it is allowed again.

    From then on its permanent address is answered to its owner and to staff only (`library.withheld`). Its owner is
    mailed `words`. False when it was taken down already. Raises PermissionDenied.
    """
    locked = _locked(actor, generation)
    acts.require_reach(actor, locked.wallet.user)
    closed = _close(locked, Outcome.TAKEN_DOWN)
    now = timezone.now()
    down = Generation.objects.filter(pk=locked.pk, taken_down_at=None)
    if not down.update(taken_down_at=now, share_token=None, is_listed=False):
        return False
    transaction.on_commit(withheld.forget)
    before = {"shared": locked.share_token is not None, "listed": locked.is_listed, "reports": closed}
    _record(actor, acts.Act.TAKE_DOWN, locked, reason, before, {"shared": False, "listed": False, "reports": 0})
    mail.queue(
        locked.wallet,
        "image_taken_down",
        reference=f"taken_down:{locked.public_id}:{int(now.timestamp())}",
        image=locked.public_id,
        words=words,
    )
    return True


@transaction.atomic
def allow(*, actor: User, generation: Generation, reason: str) -> bool:
    """Let an image's owner share it again; False when they may. Raises PermissionDenied."""
    locked = _locked(actor, generation)
    if not Generation.objects.filter(pk=locked.pk).exclude(taken_down_at=None).update(taken_down_at=None):
        return False
    transaction.on_commit(withheld.forget)
    _record(actor, acts.Act.ALLOW_IMAGE, locked, reason, {"taken_down": True}, {"taken_down": False})
    return True


def _locked(actor: User, generation: Generation) -> Generation:
    if not showcase.may_take_off(actor):
        raise PermissionDenied
    rows = Generation.objects.select_for_update(of=("self",)).select_related("wallet__user")
    return rows.get(pk=generation.pk)


def _close(generation: Generation, outcome: Outcome) -> int:
    return generation.reports.filter(closed_at=None).update(closed_at=timezone.now(), outcome=outcome)


def _record(
    actor: User,
    act: acts.Act,
    generation: Generation,
    reason: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    about = {"image": generation.public_id}
    acts.record(actor, act, reason, wallet=generation.wallet, before={**about, **before}, after={**about, **after})
