"""The only writer of a generation's status. Every step is claimed by a conditional UPDATE whose row count decides.

    QUEUED ──claim_submissions──▶ SUBMITTING ──accept──▶ DRAWING ──complete──▶ COMPLETED
      ▲ ▲                          │  │  ▲                │  │
      │ └───────── requeue ────────┘  └go_on (elsewhere)  │  │
      ├─────────────────────────── give_up ───────────────┘  │
      ├──────────────────────────────┴─────────fail──────────┴──▶ FAILED
      └──────────────────────────────────────cancel────────────────┘

What a test key asks for (`is_test`) goes to no upstream: it is drawn here, from QUEUED to DRAWING by claim_samples, and
ends as the others do, but no credits are held for it, so none are spent or returned.

With the status changes what is said of the attempt (`jobs.attempts`), in the same transaction: it is there before a
byte leaves, and what an upstream certainly did not take goes to the next one under a new attempt.

Whoever claims rows gets one token for all of them (`Generation.claim`), and every later write repeats it, as in
`kit.due`: a worker that comes back after its claim lapsed changes nothing. What is let go has no claim.

An image that storage does not take is no failure: its row stays DRAWING, with `unstored_since` and a later deadline
(`wait_for_storage`), its bytes with the worker's machine (`files.unstored`), until storage has it and it is completed.

A worker that dies leaves rows whose `due_at` lapses. A lapsed QUEUED or DRAWING row is simply resumed. A lapsed
SUBMITTING row may have reached the upstream, so it is never sent again: it fails, and its credit returns.
"""

import contextlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils import timezone

from billing import ledger
from billing.errors import UnknownHold
from generator import live
from generator.files.images import StoredImage
from generator.jobs import announcements, attempts, caps, endings, wishes
from generator.jobs.attempts import UNKNOWN, WORDS_KEPT, Ended, State
from generator.jobs.changes import Acceptance, Completion, Move, Pause, Unstored, Useless
from generator.jobs.rows import change_each, claim_due
from generator.models import CANCELLED, Attempt, Generation, Route
from generator.upstreams import routing

log = logging.getLogger(__name__)

Status = Generation.Status

LEASE = timedelta(seconds=settings.CLAIM_SECONDS)  # a claim lapses after this unless its worker renews it
MODEL_MAX_LENGTH = 120
BY_ITS_OWNER = "You cancelled it."
UNAVAILABLE = "The image service is not available right now."
# Behind SET, with what `_noted` returns as the first of a row's own values: what was noted stays where it is nothing.
NOTE_USELESS = (
    "upstream_status = CASE WHEN v.column4 IS NULL THEN upstream_status ELSE CAST(v.column3 AS smallint) END,"
    " upstream_words = COALESCE(CAST(v.column4 AS text), upstream_words)"
)
WHOEVER_HAS_IT = Q()


def claim_submissions(pks: Sequence[int], routes: Mapping[int, Route] | None = None) -> list[Generation]:
    """Take those of these generations that are queued and due, in this order, for sending.

    Each with an attempt on its own of `routes`; without any they take the first one.
    """
    if not pks:
        return []
    now = timezone.now()
    with transaction.atomic():
        taken = claim_due(
            status=Status.QUEUED,
            at=now,
            limit=len(pks),
            pks=pks,
            only_if="cancel_asked_at IS NULL",
            assign="status = %s, claim = %s, due_at = %s, submits = submits + 1",
            values=[Status.SUBMITTING, secrets.token_hex(8), now + LEASE],
        )
        if routes is None:
            first = Route.objects.select_related("upstream").order_by("pk").first()
            routes = dict.fromkeys(pks, first) if first else {}
        attempts.begin([(generation, routes[generation.pk]) for generation in taken if generation.pk in routes])
        for generation in taken:
            live.publish_on_commit(generation, ended=False)
    return sorted(taken, key=lambda generation: pks.index(generation.pk))


def claim_submission(pk: int) -> Generation | None:
    """Take one queued, due generation for sending; None when another worker has it or it is not due."""
    return next(iter(claim_submissions([pk])), None)


def put_off(pks: Sequence[int], seconds: float) -> None:
    """Have what is queued wait: no upstream that may draw it has room, or is well."""
    if pks:
        Generation.objects.filter(pk__in=pks, status=Status.QUEUED).update(due_at=_in(seconds))


def claim_looks(limit: int) -> list[Generation]:
    """Take up to `limit` drawings that are due for a look, the longest overdue first, with their attempts."""
    now = timezone.now()
    if not Generation.objects.filter(status=Status.DRAWING, is_test=False, due_at__lte=now).exists():
        return []  # the usual answer, and on SQLite one that needs no write lock
    taken = claim_due(
        status=Status.DRAWING,
        at=now,
        limit=limit,
        assign="claim = %s, due_at = %s, polls = polls + 1",
        values=[secrets.token_hex(8), now + LEASE],
    )
    alive = attempts.alive_of(taken) if taken else {}
    for generation in taken:
        generation.attempt = alive.get(generation.pk) or attempts.stand_in(generation)
    return taken


def claim_samples(limit: int) -> list[Generation]:
    """Take up to `limit` images of test keys that are due.

    No upstream may have one, so it is a drawing from the moment it is taken, and is resumed when its claim lapses.
    """
    now, token = timezone.now(), secrets.token_hex(8)
    due = Generation.objects.filter(is_test=True, status__in=(Status.QUEUED, Status.DRAWING), due_at__lte=now)
    if not due.exists():  # the usual answer, and on SQLite one that needs no write lock
        return []
    with transaction.atomic():
        taken = claim_due(
            status=Status.DRAWING,
            at=now,
            limit=limit,
            samples=True,
            assign="claim = %s, due_at = %s",
            values=[token, now + LEASE],
        )
        fresh = claim_due(
            status=Status.QUEUED,
            at=now,
            limit=limit - len(taken),
            samples=True,
            assign="status = %s, claim = %s, due_at = %s, submitted_at = %s",
            values=[Status.DRAWING, token, now + LEASE, now],
        )
        for generation in fresh:
            live.publish_on_commit(generation, ended=False)
    return [*taken, *fresh]


def requeue(pauses: Sequence[Pause]) -> set[int]:
    """Put generations back that the upstream certainly did not accept. Returns the keys of those that were claimed."""
    rows = [(pause.generation, [*_noted(pause.useless), _in(pause.after)]) for pause in pauses]
    assign = f"status = '{Status.QUEUED}', due_at = v.column5, claim = '', {NOTE_USELESS}"
    with transaction.atomic():
        moved = change_each(rows, status=Status.SUBMITTING, assign=assign)
        nothing = Ended(State.NOT_TAKEN)
        attempts.end([(one.generation, one.ended or nothing) for one in pauses if one.generation.pk in moved])
    return moved


def go_on(moves: Sequence[Move]) -> set[int]:
    """Send generations elsewhere that one upstream does not draw: return the keys of those with a new attempt.

    The others wait in the queue, and so do those whose time is up; or their claim was lost.
    """
    now = timezone.now()
    pks = [move.generation.pk for move in moves]
    spent, unwanted = attempts.used_up(pks), wishes.among(pks)
    with routing.choosing() as choice, transaction.atomic():
        going: list[tuple[Move, Route]] = []
        staying: list[Pause] = []
        for move in moves:
            generation, route = move.generation, None
            if generation.deadline_at > now and generation.pk not in unwanted:
                route = choice.route_for(routing.task_of(generation), move.tried | spent.get(generation.pk, set()))
            if route is not None:
                going.append((move, route))
            else:
                staying.append(Pause(generation, move.after, useless=move.useless, ended=move.ended))
        rows = [(move.generation, [*_noted(move.useless), now + LEASE]) for move, _ in going]
        assign = f"submits = submits + 1, due_at = v.column5, {NOTE_USELESS}"
        moved = change_each(rows, status=Status.SUBMITTING, assign=assign)
        attempts.end([(move.generation, move.ended) for move, _ in going if move.generation.pk in moved])
        starts = [(move.generation, route) for move, route in going if move.generation.pk in moved]
        for generation, _ in starts:
            generation.submits += 1
        if starts:
            attempts.begin(starts)
        requeue(staying)
    return moved


def accept(acceptances: Sequence[Acceptance]) -> set[int]:
    """Note what the upstream accepted, and return the keys of those that are drawn now.

    An id that some other generation has is refused, and the generation it was given to fails: it would be given the
    other one's picture.
    """
    try:
        moved, refused = _accept(acceptances)
    except IntegrityError:  # somebody else was given one of the ids in this moment
        if len(acceptances) > 1:
            return {pk for acceptance in acceptances for pk in accept([acceptance])}
        moved, refused = set(), list(acceptances)
    for acceptance in refused:
        log.error("%s: the upstream gave it an id that another one has", acceptance.generation)
        named_twice = Ended(State.UNCLEAR, "NamedTwice")
        fail(acceptance.generation, code="upstream_failed", message=UNAVAILABLE, ended=named_twice)
    return moved


def accepted(generation: Generation, *, upstream_id: str, poll_after: float) -> bool:
    """Note that the upstream took one generation; look in `poll_after` seconds."""
    return bool(accept([Acceptance(generation, upstream_id, poll_after)]))


def look_again(pauses: Sequence[Pause]) -> set[int]:
    """Let go of drawings until their next look. Returns the keys of those that were claimed."""
    rows = [(pause.generation, [*_noted(pause.useless), _in(pause.after), int(pause.is_failed)]) for pause in pauses]
    assign = f"due_at = v.column5, claim = '', failed_polls = failed_polls + v.column6, {NOTE_USELESS}"
    return change_each(rows, status=Status.DRAWING, assign=assign)


def wait_for_storage(waiting: Sequence[Unstored]) -> set[int]:
    """Let go of drawings that storage does not take. Returns the keys of those that were claimed.

    They have STORAGE_PATIENCE_SECONDS from the first time on: they are drawn, and the upstream has charged for them.
    Not so where whoever asked set a deadline: that is kept.
    """
    now, patience = timezone.now(), timedelta(seconds=settings.STORAGE_PATIENCE_SECONDS)
    rows = []
    for one in waiting:
        since = one.generation.unstored_since or now
        deadline = one.generation.deadline_at
        if not one.generation.has_own_deadline:
            deadline = max(deadline, since + patience)
        rows.append((one.generation, [_in(one.after), since, deadline, one.model[:MODEL_MAX_LENGTH]]))
    assign = "due_at = v.column3, claim = '', unstored_since = v.column4, deadline_at = v.column5, model = v.column6"
    return change_each(rows, status=Status.DRAWING, assign=assign)


def store_now() -> int:
    """Have all that waits for storage tried now: it takes images again."""
    waiting = Generation.objects.filter(status=Status.DRAWING, claim="", due_at__gt=timezone.now())
    return waiting.exclude(unstored_since=None).update(due_at=timezone.now())


def look_sooner(*, age: float, beyond: float, upstream: int | None = None) -> int:
    """Have drawings that are `age` seconds old looked at now that would not be for `beyond` seconds.

    Those at one `upstream`, where it is named.
    """
    now = timezone.now()
    waiting = Generation.objects.filter(status=Status.DRAWING, claim="", due_at__gt=_in(beyond))
    if upstream is not None:
        there = Attempt.objects.filter(upstream=upstream, state=State.ACCEPTED)
        waiting = waiting.filter(pk__in=there.values("generation"))
    return waiting.filter(submitted_at__lte=now - timedelta(seconds=age)).update(due_at=now)


def renew(generations: Sequence[Generation]) -> None:
    """Hold on to claimed generations for another `LEASE`, all at once."""
    for start in range(0, len(generations), 500):
        some = generations[start : start + 500]
        with transaction.atomic():
            held = Generation.objects.filter(
                pk__in=[generation.pk for generation in some],
                claim__in={generation.claim for generation in some} - {""},
                status__in=(Status.SUBMITTING, Status.DRAWING),
            )
            if connection.features.has_select_for_update_skip_locked:
                # What is being written just now needs no renewal, and waiting for it could end in a deadlock.
                held = Generation.objects.filter(
                    pk__in=list(held.select_for_update(skip_locked=True).values_list("pk", flat=True))
                )
            held.update(due_at=_in(LEASE.total_seconds()))


def complete_all(completions: Sequence[Completion]) -> set[int]:
    """End drawings with their saved images and spend their credits, all together; return the keys of those that were.

    Not those whose claim was lost, or that had ended.
    """
    try:
        return _complete(completions)
    except UnknownHold:
        if len(completions) == 1:
            raise
        log.exception("One of %s images has no credit held for it", len(completions))
    done: set[int] = set()
    for completion in completions:
        with contextlib.suppress(UnknownHold):
            done |= _complete([completion])
    return done


def give_up(generation: Generation, *, ended: Ended, code: str, message: str, useless: Useless | None = None) -> bool:
    """End what an upstream took and did not draw, or may have taken: elsewhere where that may be, or else for good.

    Whether it is queued again, for another upstream. That is so while there is one it has not been to, and time, and
    its owner still wants it.
    """
    if wishes.among([generation.pk]):
        fail(generation, code=CANCELLED, message=BY_ITS_OWNER, useless=useless, ended=ended)
        return False
    spent = attempts.used_up([generation.pk]).get(generation.pk, set())
    here = {generation.attempt.upstream_id} if generation.attempt else set()
    if generation.deadline_at > timezone.now() and routing.has_another(generation, spent | here):
        with transaction.atomic():
            held = Generation.objects.filter(pk=generation.pk, claim=generation.claim)
            moved = held.filter(status__in=(Status.SUBMITTING, Status.DRAWING)).update(
                status=Status.QUEUED,
                claim="",
                due_at=timezone.now(),
                upstream_id="",
                failed_polls=0,
                **_told(useless),
            )
            if moved:
                attempts.end([(generation, ended)])
                live.publish_on_commit(generation, ended=False)
        return bool(moved)
    fail(generation, code=code, message=message, useless=useless, ended=ended)
    return False


def complete(generation: Generation, *, image: StoredImage, model: str) -> bool:
    """End one drawing with its saved image and spend the credit; False when the claim was lost or it had ended."""
    return bool(complete_all([Completion(generation, image, model)]))


@transaction.atomic
def fail(
    generation: Generation,
    *,
    code: str,
    message: str,
    useless: Useless | None = None,
    only_if: Q | None = None,
    ended: Ended = UNKNOWN,
) -> bool:
    """End a generation without an image and return the credit, together; False when it had ended already.

    Only while the row is claimed as `generation` is, or `only_if` holds. `useless` is the answer that ended it, `ended`
    how its attempt did.
    """
    condition = Q(claim=generation.claim) if only_if is None else only_if
    moved = Generation.objects.filter(condition, pk=generation.pk, status__in=Generation.UNFINISHED).update(
        status=Status.FAILED,
        claim="",
        error_code=code,
        error_message=message[:500],
        may_have_files=Case(When(status=Status.DRAWING, then=Value(True)), default=Value(False)),
        finished_at=timezone.now(),
        **_told(useless),
    )
    if not moved:
        return False
    attempts.end([(generation, ended)])
    if not generation.is_test:  # which held nothing
        with ledger.books(generation.wallet_id) as books:
            returned = books.release(reference=generation.credit_reference, cause=f"Returned: {message}"[:300])
        caps.give_back(generation, returned.amount)  # after the ledger, which locks the wallet: as admission does it
    announcements.announce([generation.pk])
    endings.tell_on_commit([generation])
    live.publish_on_commit(generation)
    return True


def cancel(generation: Generation) -> bool:
    """End a generation at its owner's wish, and return its credit; False when a worker has it, or it had ended.

    Only while it is queued: from the moment a worker claims it the upstream may have it, and charges for it.
    """
    return fail(generation, code=CANCELLED, message=BY_ITS_OWNER, only_if=Q(status=Status.QUEUED))


def call_off(generation: Generation) -> bool:
    """End a claimed drawing that its upstream certainly dropped, for nothing, and return its credit."""
    return fail(generation, code=CANCELLED, message=BY_ITS_OWNER, ended=Ended(State.FAILED, "Cancelled"))


def lapsed_submissions() -> QuerySet[Generation]:
    """The generations whose sender died or hung: they may have reached the upstream."""
    return Generation.objects.filter(status=Status.SUBMITTING, due_at__lte=timezone.now())


def still_lapsed(generation: Generation) -> Q:
    """The row is as it was read: claimed by a sender that is not heard of any more."""
    return Q(status=Status.SUBMITTING, claim=generation.claim, due_at__lte=timezone.now())


def past_deadline() -> QuerySet[Generation]:
    """The unfinished generations whose time is up."""
    return Generation.objects.unfinished().filter(deadline_at__lte=timezone.now())


def until_deadline() -> float | None:
    """Return in how many seconds the next deadline of all is; None where nothing is unfinished."""
    unfinished = Generation.objects.unfinished().order_by("deadline_at")
    soonest = unfinished.values_list("deadline_at", flat=True).first()
    return max(0.0, (soonest - timezone.now()).total_seconds()) if soonest else None


@transaction.atomic
def _accept(acceptances: Sequence[Acceptance]) -> tuple[set[int], list[Acceptance]]:
    """Write them down; return the keys of those that were claimed, and those whose id is another one's."""
    now = timezone.now()
    known = attempts.names_before(
        [(acceptance.generation, acceptance.upstream_id) for acceptance in acceptances if acceptance.upstream_id]
    )
    fresh: list[Acceptance] = []
    refused: list[Acceptance] = []
    for acceptance in acceptances:
        name = attempts.name_of(acceptance.generation, acceptance.upstream_id)
        (refused if name in known and acceptance.upstream_id else fresh).append(acceptance)
        known.add(name)
    rows = [(one.generation, [one.upstream_id, now, *_until(one.look_after, one.generation)]) for one in fresh]
    assign = (
        f"status = '{Status.DRAWING}', upstream_id = v.column3, submitted_at = v.column4, due_at = v.column5,"
        " claim = v.column6"
    )
    moved = change_each(rows, status=Status.SUBMITTING, assign=assign)
    attempts.accept([(one.generation, one.upstream_id) for one in fresh if one.generation.pk in moved])
    for acceptance in fresh:
        if acceptance.generation.pk in moved:
            if acceptance.generation.attempt:
                acceptance.generation.attempt.accepted_at = now
                acceptance.generation.attempt.upstream_job = acceptance.upstream_id
            live.publish_on_commit(acceptance.generation, ended=False)
    return moved, refused


@transaction.atomic
def _complete(completions: Sequence[Completion]) -> set[int]:
    now = timezone.now()
    moved = change_each(
        [(one.generation, [now, one.model[:MODEL_MAX_LENGTH], *astuple(one.image)]) for one in completions],
        status=Status.DRAWING,
        assign=(
            f"status = '{Status.COMPLETED}', claim = '', due_at = v.column3, finished_at = v.column3,"
            " model = v.column4, needs_thumbnails = TRUE, file_extension = v.column5, file_size = v.column6,"
            " width = v.column7, height = v.column8, colour = v.column9"
        ),
    )
    drawn = [(one.generation, Ended(State.DRAWN, cost=one.cost)) for one in completions if one.generation.pk in moved]
    ended = [generation for generation, _ in drawn]
    attempts.end(drawn)
    if paid := [generation for generation in ended if not generation.is_test]:
        ledger.settle([generation.credit_reference for generation in paid])
    if ended:
        announcements.announce([generation.pk for generation in ended])
        endings.tell_on_commit(ended)
    for generation in ended:
        live.publish_on_commit(generation)
    return moved


def _until(look_after: float | None, generation: Generation) -> tuple[datetime, str]:
    if look_after is None:
        return _in(LEASE.total_seconds()), generation.claim
    return _in(look_after), ""


def _told(useless: Useless | None) -> dict[str, Any]:
    return {"upstream_status": useless.status, "upstream_words": useless.words[:WORDS_KEPT]} if useless else {}


def _noted(useless: Useless | None) -> tuple[int | None, str | None]:
    return (useless.status, useless.words[:WORDS_KEPT]) if useless else (None, None)


def _in(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)
