"""Images that their owner moved to the trash: hidden at once, brought back for a while, then removed for good.

    kept ──discard──▶ trashed ──purge──▶ purged: no files, no words; the row stays for the books
      ▲                  │
      └──restore─────────┘  for GRACE

Only a final generation can be trashed. Purging begins some minutes after the last moment at which a restore is
taken, so that clocks which differ a little cannot let both happen.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Left
from django.utils import timezone

from billing.models import Wallet
from generator import live
from generator.calls import purge as calls
from generator.files import images
from generator.library.selection import Selection
from generator.models import Generation
from kit import storage, wakeups
from kit.threads import let_go

log = logging.getLogger(__name__)

GRACE = timedelta(minutes=30)
PURGE_AFTER = GRACE + timedelta(minutes=5)
MOST_AT_ONCE = 1000  # ids in one request
PURGE_BATCH = 100
SAMPLES_KEPT = timedelta(days=7)
NAME_LENGTH = 120  # characters
FINAL = (Generation.Status.COMPLETED, Generation.Status.FAILED)
_IDS_IN_A_QUERY = 500


@dataclass(frozen=True)
class Trashed:
    """How many were trashed last, in one go, when that was, and until when they can be restored."""

    count: int
    at: datetime

    @property
    def until(self) -> datetime:
        """The last moment at which they can be restored."""
        return self.at + GRACE

    @property
    def together(self) -> str:
        """What names them all in a form: no others were trashed at this moment."""
        return self.at.isoformat()


@transaction.atomic
def discard(wallet: Wallet, public_ids: Iterable[str]) -> int:
    """Move generations of `wallet` to the trash, and return how many.

    What is not the account's, is not final or was trashed before is left alone and not counted.
    """
    now = timezone.now()  # the same for all: they are taken back together
    return sum(_discard(wallet, Q(public_id__in=some), now) for some in _chunks(public_ids))


def discard_all(wallet: Wallet, selection: Selection) -> int:
    """Move all images of a selection to the trash, and return how many.

    In transactions of its own, a chunk each: who dies in between leaves what was trashed so far, to be taken back
    together, and the rest as it was.
    """
    now = timezone.now()
    return sum(_discard(wallet, Q(pk__in=some), now) for some in selection.chunks(wallet))


@transaction.atomic
def restore(wallet: Wallet, public_ids: Iterable[str]) -> int:
    """Restore what was trashed less than `GRACE` ago, and return how many there were."""
    mine = _restorable(wallet)
    return sum(mine.filter(public_id__in=some).update(deleted_at=None) for some in _chunks(public_ids))


def restore_together(wallet: Wallet, at: datetime) -> int:
    """Restore all that was trashed at the moment `at`, less than `GRACE` ago, and return how many there were.

    In transactions of its own, a chunk each: who dies in between does it again.
    """
    mine = _restorable(wallet).filter(deleted_at=at)
    restored = 0
    while some := list(mine.values_list("pk", flat=True)[:_IDS_IN_A_QUERY]):
        restored += mine.filter(pk__in=some).update(deleted_at=None)
    return restored


def last_trashed(wallet: Wallet) -> Trashed | None:
    """Return what was trashed last, while it can still be restored. One query."""
    moments = _recent(wallet).values("deleted_at").annotate(count=Count("pk")).order_by("-deleted_at")
    last = moments.first()
    return Trashed(last["count"], last["deleted_at"]) if last and last["deleted_at"] else None


def unfinished(wallet: Wallet, public_ids: Iterable[str]) -> int:
    """Return how many of these are not final yet, and so cannot be trashed."""
    mine = wallet.generations.filter(status__in=Generation.UNFINISHED)
    return sum(mine.filter(public_id__in=some).count() for some in _chunks(public_ids))


def owns_any(wallet: Wallet, public_ids: Iterable[str]) -> bool:
    """Whether one of these is the wallet's and not purged."""
    mine = wallet.generations.filter(purged_at=None)
    return any(mine.filter(public_id__in=some).exists() for some in _chunks(public_ids))


def names(public_ids: Collection[str]) -> dict[str, str | None]:
    """Return how each one's prompt begins, None for what was trashed. One query; meant for a page of them."""
    wanted = Generation.objects.filter(public_id__in=public_ids).annotate(begins=Left("prompt", NAME_LENGTH))
    rows = wanted.values_list("public_id", "begins", "deleted_at")
    return {id: None if deleted_at else " ".join(begins.split()) for id, begins, deleted_at in rows}


def purge_due(limit: int = PURGE_BATCH) -> int:
    """Remove for good what can no longer be restored, at most `limit`, and return how many there were."""
    due = Generation.objects.filter(purged_at=None, deleted_at__lte=timezone.now() - PURGE_AFTER)
    return _purge_some(due.order_by("deleted_at")[:limit])


def discard_old_samples() -> int:
    """Throw away what test keys made more than `SAMPLES_KEPT` ago, and return how many there were.

    Nobody takes these back, so they can be purged at once. A chunk at a time: who dies in between does it again.
    """
    old = Generation.objects.kept().filter(is_test=True, status__in=FINAL)
    old = old.filter(created_at__lte=timezone.now() - SAMPLES_KEPT)
    discarded = 0
    while some := list(old.values_list("pk", flat=True)[:_IDS_IN_A_QUERY]):
        discarded += Generation.objects.filter(pk__in=some).update(deleted_at=timezone.now() - PURGE_AFTER)
    return discarded


def purge_account(wallet: Wallet, limit: int = PURGE_BATCH) -> int:
    """Remove up to `limit` generations of somebody who closed their account, and return how many are left.

    To be called until it returns 0. What is not finished counts as left: its deadline ends it within minutes. Set
    `User.deleted_at` first, so that nothing is taken back meanwhile.
    """
    wallet.generations.kept().filter(status__in=FINAL).update(deleted_at=timezone.now())
    left = wallet.generations.filter(purged_at=None)
    _purge_some(left.exclude(deleted_at=None)[:limit])
    return left.count()


def _purge_some(generations: Iterable[Generation]) -> int:
    """Purge these until the storage falls silent, and return how many were."""
    purged = 0
    for generation in generations:
        purged += _purge(generation)
        if storage.is_silent():
            break
    return purged


def _purge(generation: Generation) -> bool:
    """Remove the files, then the words: whoever dies in between leaves a row that is purged again."""
    let_go()
    try:
        images.delete(generation.file_token)
    except Exception:  # every kind of storage has its own errors; the next round tries again
        log.exception("%s: its files could not be removed", generation)
        return False
    calls.words_about(generation)
    purged = Generation.objects.filter(pk=generation.pk, deleted_at__isnull=False, purged_at=None).update(
        prompt="",
        negative_prompt="",
        search_text="",
        error_message="",
        upstream_words="",
        share_token=None,
        is_listed=False,
        is_favourite=False,
        purged_at=timezone.now(),
    )
    return bool(purged)


@transaction.atomic
def _discard(wallet: Wallet, which: Q, at: datetime) -> int:
    mine = wallet.generations.kept().filter(status__in=FINAL)
    # Locked in one order: two that trash the same images wait for each other, and never each for the other.
    some = list(mine.filter(which).order_by("pk").select_for_update().values_list("pk", flat=True))
    wakeups.publish_on_commit(live.wallet_topic(wallet.pk))  # other windows that show them
    return Generation.objects.filter(pk__in=some).update(deleted_at=at)


def _recent(wallet: Wallet) -> QuerySet[Generation]:
    return wallet.generations.filter(deleted_at__gt=timezone.now() - GRACE, purged_at=None)


def _restorable(wallet: Wallet) -> QuerySet[Generation]:
    """Return what may be taken back: nothing of somebody who closed their account, as it may be purged any moment."""
    return _recent(wallet).filter(wallet__user__deleted_at=None)


def _chunks(public_ids: Iterable[str]) -> Iterator[list[str]]:
    """Yield the ids in lists that every database takes in one query."""
    ids = [id for id in dict.fromkeys(public_ids) if "\x00" not in id]
    for start in range(0, len(ids), _IDS_IN_A_QUERY):
        yield ids[start : start + _IDS_IN_A_QUERY]
