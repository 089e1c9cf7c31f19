"""Looking through the whole ledger, each night and when somebody asks, and what the last look found.

On a large installation it takes minutes: it is a task with its progress in a row, and pages read that.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from billing import ledger
from billing.models import Comparison
from billing.staff import audit
from billing.staff.acts import Actor
from kit.broker import tell_on_commit

WORDS = 200  # of what was found that are kept
WALLETS = 500  # that can be repaired at once
SILENT = timedelta(minutes=15)  # after which one that was interrupted makes room
KEPT = timedelta(days=90)
OLD = timedelta(days=2)  # since when the last good one is no news: one is made each night


def start(*, actor: Actor) -> bool:
    """Ask for a comparison by a worker; False when one is under way."""
    with transaction.atomic():
        pk = begin(actor=actor)
        if pk is not None:
            tell_on_commit("billing.tasks.compare_books_now", pk)
    return pk is not None


def begin(*, actor: Actor = None) -> int | None:
    """Make the row of a comparison that begins now, and return its key; None while another one is under way."""
    now = timezone.now()
    stale = Comparison.objects.filter(is_running=True, heard_at__lt=now - SILENT)
    stale.update(is_running=False, ended_at=now, error="It was interrupted.")
    try:
        with transaction.atomic():
            return Comparison.objects.create(actor=actor, steps=len(audit.STEPS)).pk
    except IntegrityError:
        return None


def run(pk: int, *, tell: Callable[[str], object] | None = None) -> Comparison:
    """Look at everything, step by step, and keep what is found; `tell` hears all of it as it is found.

    Raises nothing but what the database does.
    """
    found = 0
    words: list[str] = []
    row = Comparison.objects.filter(pk=pk)
    for number, (step, look) in enumerate(audit.STEPS.items()):
        row.filter(is_running=True).update(step=step, done=number, found=found, words=words, heard_at=timezone.now())
        for drift in look():
            found += 1
            if tell is not None:
                tell(drift)
            if len(words) < WORDS:
                words.append(drift)
    row.update(
        is_running=False,
        step="",
        done=len(audit.STEPS),
        found=found,
        words=words,
        wallets=_wallets() if found else [],
        ended_at=timezone.now(),
        heard_at=timezone.now(),
    )
    return row.get()


def last() -> Comparison | None:
    """Return the last comparison that came to an end by itself."""
    return Comparison.objects.filter(is_running=False, error="").first()


def running() -> Comparison | None:
    """Return the one that is under way, with how far it is."""
    return Comparison.objects.filter(is_running=True, heard_at__gte=timezone.now() - SILENT).first()


def trouble() -> str | None:
    """Say that the ledger did not add up when it was last looked through; None when it did."""
    one = last()
    if one is None or not one.found:
        return None
    things = "figure does" if one.found == 1 else "figures do"
    return f"{one.found:,} {things} not follow from the ledger's entries, as of {_said(one.ended_at or one.started_at)}"


def silence() -> str | None:
    """Say that no comparison came to its end for days; None where one did, and where none was ever begun till lately.

    One that fails or is killed says nothing by itself, and what the last good one found would count for ever.
    """
    now, one = timezone.now(), last()
    if one is not None:
        at = one.ended_at or one.started_at
        return f"The ledger was last compared on {_said(at)}" if now - at > OLD else None
    first = Comparison.objects.order_by("pk").first()
    if first is None or now - first.started_at <= OLD:
        return None
    return f"The ledger was never compared to the end, though it is tried since {_said(first.started_at)}"


def tidy() -> None:
    """Drop old comparisons, but for the last good one: how old that is has to be known."""
    old = Comparison.objects.filter(started_at__lt=timezone.now() - KEPT)
    if (one := last()) is not None:
        old = old.exclude(pk=one.pk)
    old.delete()


def _wallets() -> list[int]:
    found = dict.fromkeys(figure.wallet for figure in ledger.mendable(ledger.astray()))
    return list(found)[:WALLETS]


def _said(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M} UTC"
