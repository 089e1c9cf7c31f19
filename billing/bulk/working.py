"""Acts on many as work that survives whoever does it: the only writer of a bulk's state.

A worker holds one by a claim; a killed worker's lapses, and another goes on with the next line. It works for
`SLICE_SECONDS` at a time and puts the rest back, so that none keeps a worker from ending, nor others from their turn.
Each line is done in one transaction with the note that it is, a few lines together: two workers at once do each once.
"""

import logging
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from billing.bulk import drafts, files, kinds
from billing.bulk.drafts import TASK
from billing.bulk.kinds import Kind
from billing.errors import BillingError, GrantedEnough, NothingToDo
from billing.models import Bulk, BulkLine, Wallet
from billing.staff import acts
from kit import due
from kit.broker import tell, tell_on_commit
from kit.due import LostClaim
from kit.http.requests import without_nul

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
SLICE_SECONDS = 20.0
RENEWED_EVERY_SECONDS = 1.0  # where others are asked: so soon does a worker notice that it is paused
LINES_AT_ONCE = 200  # that are read
LINES_TOGETHER = 20  # of one transaction, which holds up the accounts in it
LONGEST_PAUSE = timedelta(minutes=10)

State = Bulk.State
Line = BulkLine.State


# --- What people do with one -----------------------------------------------------------------------------------


def confirm(*, actor: User, bulk: Bulk, values: dict[str, Any], reason: str) -> bool:
    """Begin an act on many; False when it has begun, or is none to begin.

    Its maker confirms it. `values` are what is the same for all of its lines. Raises PermissionDenied, ValueError for a
    reason that is empty or too long, GrantedEnough where the sum is more than the actor may grant.
    """
    kind = kinds.of(bulk.act)
    if actor.pk != bulk.actor_id or not kind.may(actor):
        raise PermissionDenied
    if kind.takes_credits:
        _require_room(actor, total_of(bulk, values))
    with transaction.atomic():
        begun = Bulk.objects.filter(pk=bulk.pk, state=State.READY).update(
            state=State.RUNNING, values=values, reason=reason, started_at=timezone.now(), due_at=timezone.now()
        )
        if begun:
            told = {"bulk": bulk.pk, "act": kind.title, "source": bulk.source, "lines": bulk.total, **values}
            acts.record(actor, acts.Act.BEGIN_BULK, reason, before={}, after=told)
            tell_on_commit(TASK, bulk.pk)
    return bool(begun)


def pause(*, actor: User, bulk: Bulk) -> bool:
    """Stop before the next line until `resume`. Raises PermissionDenied."""
    return _step(actor, bulk, acts.Act.PAUSE_BULK, (State.RUNNING,), state=State.PAUSED, claim="")


def resume(*, actor: User, bulk: Bulk) -> bool:
    """Go on, still in the name of whoever confirmed it. Raises PermissionDenied, as for who may not lead it."""
    if not may_lead(actor, bulk):
        raise PermissionDenied
    now = timezone.now()
    return _step(actor, bulk, acts.Act.RESUME_BULK, (State.PAUSED,), state=State.RUNNING, due_at=now)


def pause_all() -> int:
    """Stop whatever runs, as of a database that is another's copy, until staff resume it; return how many that were."""
    return Bulk.objects.filter(state=State.RUNNING).update(state=State.PAUSED, claim="")


def cancel(*, actor: User, bulk: Bulk) -> bool:
    """End it: what is done stays done. Raises PermissionDenied, as for who may not lead it."""
    if not may_lead(actor, bulk):
        raise PermissionDenied
    was = (State.CHECKING, State.FAULTY, State.READY, State.RUNNING, State.PAUSED)
    now = timezone.now()
    return _step(actor, bulk, acts.Act.CANCEL_BULK, was, state=State.CANCELLED, claim="", file=None, finished_at=now)


def may_lead(actor: User, bulk: Bulk) -> bool:
    """Tell whether `actor` may have it go on or end it: its maker, or who might have confirmed the rest of it.

    It goes on in its maker's name and within their limits; so nobody lets more credits out than in an act of their own.
    """
    kind = kinds.of(bulk.act)
    if not kind.may(actor):
        return False
    if actor.pk == bulk.actor_id or acts.may(actor, "grant_any"):
        return True
    if bulk.file_digest:  # only who may grant any number grants from a file
        return False
    return kind.brings(bulk) <= min(acts.grant_limit(actor), acts.left_today(actor))


def counts(bulk: Bulk) -> dict[str, int]:
    """Return how many of its lines stand how, by state."""
    if bulk.counts and bulk.state in (State.DONE, State.CANCELLED):
        return {state: int(bulk.counts.get(state, 0)) for state in Line.values}
    found = drafts.counted(bulk)
    return {state: found.get(state, 0) for state in Line.values}


def total_of(bulk: Bulk, values: dict[str, Any]) -> int:
    """Return how many credits a grant to many brings in all: those of each line, or as many for each of them."""
    waiting = bulk.lines.filter(state=Line.WAITING)
    if "credits" in values:
        return int(values["credits"]) * waiting.count()
    return sum(credits or 0 for credits in waiting.values_list("values__credits", flat=True).iterator(chunk_size=5000))


def trouble() -> str | None:
    """Say whether an act on many cannot go on."""
    stuck = Bulk.objects.filter(state__in=Bulk.WORKED).exclude(last_error="").count()
    return f"{stuck} act{'s' if stuck > 1 else ''} on many cannot go on at the moment." if stuck else None


# --- What workers do -------------------------------------------------------------------------------------------


def waiting() -> list[int]:
    """Return those that are due, or whose worker was lost."""
    found = Bulk.objects.filter(state__in=Bulk.WORKED, due_at__lte=timezone.now())
    return list(found.order_by("due_at").values_list("pk", flat=True)[:20])


def run(pk: int) -> None:
    """Go on with one for a while, if it is due and nobody has it."""
    open_ones = Bulk.objects.filter(state__in=Bulk.WORKED).select_related("actor").defer("file")
    bulk = due.claim(open_ones, pk, lease=LEASE)
    if bulk is None:
        return
    try:
        if bulk.state == State.CHECKING:
            _check(bulk)
        elif _work(bulk):
            _end(bulk)
        else:
            due.write(bulk, still=Q(state=State.RUNNING), claim="", due_at=timezone.now(), attempts=0, last_error="")
            tell(TASK, pk)
    except LostClaim:
        log.info("%s is paused, or another worker has it", bulk)
    except Exception as error:
        pause_for = due.growing_pause(bulk.attempts, most=LONGEST_PAUSE)
        log.warning("%s: %r, again in %s", bulk, error, pause_for, exc_info=error)
        try:
            due.put_off(bulk, error, pause=pause_for)
        except LostClaim:
            log.info("%s is paused, or another worker has it", bulk)


class _Hold:
    """Keeps a claim while its worker is busy. Raises LostClaim once it is paused, or another worker's."""

    def __init__(self, bulk: Bulk) -> None:
        self.bulk, self.until = bulk, time.monotonic() + SLICE_SECONDS
        self._renewed_at = time.monotonic()

    def renew(self) -> None:
        if time.monotonic() - self._renewed_at >= RENEWED_EVERY_SECONDS:
            self._renewed_at = time.monotonic()
            due.write(self.bulk, still=Q(state=self.bulk.state), due_at=timezone.now() + LEASE)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until


def _check(bulk: Bulk) -> None:
    hold = _Hold(bulk)
    checking = Q(state=State.CHECKING)
    try:
        total, faults = files.check(bulk, hold.renew)
    except files.Unreadable as error:
        due.write(bulk, still=checking, state=State.FAULTY, claim="", file=None, last_error=str(error))
        return
    state = State.FAULTY if faults else State.READY
    due.write(bulk, still=checking, state=state, total=total, claim="", file=None, last_error="", attempts=0)


def _work(bulk: Bulk) -> bool:
    """Do lines until there are none, and return True; False when the time is up before. Raises LostClaim."""
    kind, hold = kinds.of(bulk.act), _Hold(bulk)
    size = 1 if kind.asks_others else LINES_TOGETHER
    while lines := list(bulk.lines.filter(state=Line.WAITING).order_by("number")[:LINES_AT_ONCE]):
        bulk.actor = User.objects.get(pk=bulk.actor_id)  # who may have lost a permission meanwhile
        for at in range(0, len(lines), size):
            if hold.is_over:
                return False
            if kind.asks_others:
                hold.renew()
                _do(kind, bulk, lines[at])
            else:
                _do_together(kind, bulk, lines[at : at + size])
    return True


@transaction.atomic
def _do_together(kind: Kind, bulk: Bulk, lines: list[BulkLine]) -> None:
    """Act on a few rows in one transaction, for a commit costs more than a line does.

    The act's own row comes first: whoever pauses or cancels it waits for these, and nothing is done after. Then wallets
    in the order in which everybody locks several: so nobody waits for each other. A line that is refused undoes itself
    alone.
    """
    due.write(bulk, still=Q(state=State.RUNNING), due_at=timezone.now() + LEASE)
    owners = {line.user_id for line in lines}
    wallets = dict(Wallet.objects.filter(user__in=owners).values_list("user_id", "pk"))
    new = float("inf")  # a wallet that is opened here comes last
    for line in sorted(lines, key=lambda line: wallets.get(line.user_id or 0, new)):
        _do(kind, bulk, line)


def _do(kind: Kind, bulk: Bulk, line: BulkLine) -> None:
    """Act on one row and note what became of it. Raises DatabaseError, after which it is still to be done."""
    try:
        if kind.asks_others:
            _note(line, Line.DONE, kind.do(bulk, line))
            return
        with transaction.atomic():
            if _note(line, Line.DONE, ""):
                words = kind.do(bulk, line)
                BulkLine.objects.filter(pk=line.pk).update(words=_kept(words))
    except NothingToDo as nothing:
        _note(line, Line.SKIPPED, str(nothing))
    except DatabaseError:
        raise
    except (BillingError, ValueError) as refusal:
        _note(line, Line.FAILED, str(refusal) or type(refusal).__name__)
    except PermissionDenied as refusal:
        _note(line, Line.FAILED, str(refusal) or "Whoever confirmed this may not do it.")
    except ObjectDoesNotExist:
        _note(line, Line.FAILED, "It is not there any more.")
    except Exception as error:
        log.exception("%s: line %s", bulk, line)
        _note(line, Line.FAILED, due.words_of(error))


def _note(line: BulkLine, state: str, words: str) -> bool:
    """Note what became of a line that was waiting; False when somebody else has done it."""
    return bool(BulkLine.objects.filter(pk=line.pk, state=Line.WAITING).update(state=state, words=_kept(words)))


def _kept(words: str) -> str:
    return without_nul(words)[:300]


@transaction.atomic
def _end(bulk: Bulk) -> None:
    counted = drafts.counted(bulk)
    due.write(
        bulk,
        still=Q(state=State.RUNNING),
        state=State.DONE,
        claim="",
        last_error="",
        counts=counted,
        finished_at=timezone.now(),
    )
    told = {"bulk": bulk.pk, **Counter(counted)}
    acts.record(bulk.actor, acts.Act.END_BULK, bulk.reason, before={}, after=told)


def _step(actor: User, bulk: Bulk, act: acts.Act, was: tuple[State, ...], **values: Any) -> bool:
    if not kinds.of(bulk.act).may(actor):
        raise PermissionDenied
    with transaction.atomic():
        moved = Bulk.objects.filter(pk=bulk.pk, state__in=was).update(**values)
        if not moved:
            return False
        if values["state"] == State.RUNNING:
            tell_on_commit(TASK, bulk.pk)
        acts.record(actor, act, bulk.reason or bulk.source, before={"state": bulk.state}, after={"bulk": bulk.pk})
    return True


def _require_room(actor: User, credits: int) -> None:
    """Ask for the limits of an act: the sum counts as one. Raises GrantedEnough."""
    most, left = acts.grant_limit(actor), acts.left_today(actor)
    if acts.may(actor, "grant_any"):
        return
    if credits > most:
        raise GrantedEnough(f"These are {credits:,} credits, and you may grant {most:,} in one act.")
    if credits > left:
        raise GrantedEnough(acts.enough(left))
