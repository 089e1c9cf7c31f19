"""The only writer of a generation's status. Every step is claimed by a conditional UPDATE whose row count decides.

    QUEUED ──claim_submissions──▶ SUBMITTING ──accept──▶ DRAWING ──complete──▶ COMPLETED
      ▲                              │                      │
      └────────── requeue ───────────┘                      │
      ├──────────────────────────────┴─────────fail─────────┴──▶ FAILED
      └──────────────────────────────────────cancel────────────────┘

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
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils import timezone

from billing import ledger
from billing.errors import UnknownHold
from generator import live
from generator.files.images import StoredImage
from generator.jobs import caps
from generator.jobs.rows import change_each, claim_due
from generator.models import CANCELLED, Generation

log = logging.getLogger(__name__)

Status = Generation.Status

LEASE = timedelta(seconds=settings.CLAIM_SECONDS)  # a claim lapses after this unless its worker renews it
MODEL_MAX_LENGTH = 120
UNAVAILABLE = "The image service is not available right now."
WORDS_KEPT = 300  # characters of what may be told of a useless answer
# Behind SET, with what `_noted` returns as the first of a row's own values: what was noted stays where it is nothing.
NOTE_USELESS = (
    "upstream_status = CASE WHEN v.column4 IS NULL THEN upstream_status ELSE CAST(v.column3 AS smallint) END,"
    " upstream_words = COALESCE(CAST(v.column4 AS text), upstream_words)"
)
WHOEVER_HAS_IT = Q()


@dataclass(frozen=True)
class Acceptance:
    """The upstream took `generation` and calls it `upstream_id`; look in `look_after` seconds.

    None: it is drawn already, and the worker that sent it goes on with it.
    """

    generation: Generation
    upstream_id: str
    look_after: float | None


@dataclass(frozen=True)
class Completion:
    """`generation` is drawn: `image` is what is stored, `model` what drew it."""

    generation: Generation
    image: StoredImage
    model: str


@dataclass(frozen=True)
class Useless:
    """An answer of the upstream's that was of no use, for staff: its HTTP status if it had one, and what may be told.

    `words` went through `upstreams.words`.
    """

    status: int | None
    words: str


@dataclass(frozen=True)
class Pause:
    """`generation` rests for `after` seconds, after an answer that was `useless`; `is_failed` counts it as one."""

    generation: Generation
    after: float
    is_failed: bool = False
    useless: Useless | None = None


@dataclass(frozen=True)
class Unstored:
    """`generation` was drawn by `model`, and storage does not take it; try again in `after` seconds."""

    generation: Generation
    model: str
    after: float


def claim_submissions(pks: Sequence[int]) -> list[Generation]:
    """Take those of these generations that are queued and due, in this order, for sending."""
    now = timezone.now()
    taken = claim_due(
        status=Status.QUEUED,
        at=now,
        limit=len(pks),
        pks=pks,
        assign="status = %s, claim = %s, due_at = %s, submits = submits + 1",
        values=[Status.SUBMITTING, secrets.token_hex(8), now + LEASE],
    )
    for generation in taken:
        live.publish_on_commit(generation, ended=False)
    return sorted(taken, key=lambda generation: pks.index(generation.pk))


def claim_submission(pk: int) -> Generation | None:
    """Take one queued, due generation for sending; None when another worker has it or it is not due."""
    return next(iter(claim_submissions([pk])), None)


def claim_looks(limit: int) -> list[Generation]:
    """Take up to `limit` drawings that are due for a look, the longest overdue first."""
    now = timezone.now()
    if not Generation.objects.filter(status=Status.DRAWING, due_at__lte=now).exists():
        return []  # the usual answer, and on SQLite one that needs no write lock
    return claim_due(
        status=Status.DRAWING,
        at=now,
        limit=limit,
        assign="claim = %s, due_at = %s, polls = polls + 1",
        values=[secrets.token_hex(8), now + LEASE],
    )


def requeue(pauses: Sequence[Pause]) -> set[int]:
    """Put generations back that the upstream certainly did not accept. Returns the keys of those that were claimed."""
    rows = [(pause.generation, [*_noted(pause.useless), _in(pause.after)]) for pause in pauses]
    assign = f"status = '{Status.QUEUED}', due_at = v.column5, claim = '', {NOTE_USELESS}"
    return change_each(rows, status=Status.SUBMITTING, assign=assign)


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
        fail(acceptance.generation, code="upstream_failed", message=UNAVAILABLE)
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
    """
    now, patience = timezone.now(), timedelta(seconds=settings.STORAGE_PATIENCE_SECONDS)
    rows = []
    for one in waiting:
        since = one.generation.unstored_since or now
        deadline = max(one.generation.deadline_at, since + patience)
        rows.append((one.generation, [_in(one.after), since, deadline, one.model[:MODEL_MAX_LENGTH]]))
    assign = "due_at = v.column3, claim = '', unstored_since = v.column4, deadline_at = v.column5, model = v.column6"
    return change_each(rows, status=Status.DRAWING, assign=assign)


def store_now() -> int:
    """Have all that waits for storage tried now: it takes images again."""
    waiting = Generation.objects.filter(status=Status.DRAWING, claim="", due_at__gt=timezone.now())
    return waiting.exclude(unstored_since=None).update(due_at=timezone.now())


def look_sooner(*, age: float, beyond: float) -> int:
    """Have drawings that are `age` seconds old looked at now that would not be for `beyond` seconds."""
    now = timezone.now()
    waiting = Generation.objects.filter(status=Status.DRAWING, claim="", due_at__gt=_in(beyond))
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


def complete(generation: Generation, *, image: StoredImage, model: str) -> bool:
    """End one drawing with its saved image and spend the credit; False when the claim was lost or it had ended."""
    return bool(complete_all([Completion(generation, image, model)]))


@transaction.atomic
def fail(
    generation: Generation, *, code: str, message: str, useless: Useless | None = None, only_if: Q | None = None
) -> bool:
    """End a generation without an image and return the credit, together; False when it had ended already.

    Only while the row is claimed as `generation` is, or `only_if` holds. `useless` is the answer that ended it.
    """
    condition = Q(claim=generation.claim) if only_if is None else only_if
    moved = Generation.objects.filter(condition, pk=generation.pk, status__in=Generation.UNFINISHED).update(
        status=Status.FAILED,
        claim="",
        error_code=code,
        error_message=message[:500],
        may_have_files=Case(When(status=Status.DRAWING, then=Value(True)), default=Value(False)),
        finished_at=timezone.now(),
        **({"upstream_status": useless.status, "upstream_words": useless.words[:WORDS_KEPT]} if useless else {}),
    )
    if not moved:
        return False
    with ledger.books(generation.wallet_id) as books:
        returned = books.release(reference=generation.credit_reference, cause=f"Returned: {message}"[:300])
    caps.give_back(generation, returned.amount)  # after the ledger, which locks the wallet: as admission does it
    live.publish_on_commit(generation)
    return True


def cancel(generation: Generation) -> bool:
    """End a generation at its owner's wish, and return its credit; False when a worker has it, or it had ended.

    Only while it is queued: from the moment a worker claims it the upstream may have it, and charges for it.
    """
    return fail(generation, code=CANCELLED, message="You cancelled it.", only_if=Q(status=Status.QUEUED))


def lapsed_submissions() -> QuerySet[Generation]:
    """The generations whose sender died or hung: they may have reached the upstream."""
    return Generation.objects.filter(status=Status.SUBMITTING, due_at__lte=timezone.now())


def still_lapsed(generation: Generation) -> Q:
    """The row is as it was read: claimed by a sender that is not heard of any more."""
    return Q(status=Status.SUBMITTING, claim=generation.claim, due_at__lte=timezone.now())


def past_deadline() -> QuerySet[Generation]:
    """The unfinished generations whose time is up."""
    return Generation.objects.filter(status__in=Generation.UNFINISHED, deadline_at__lte=timezone.now())


@transaction.atomic
def _accept(acceptances: Sequence[Acceptance]) -> tuple[set[int], list[Acceptance]]:
    """Write them down; return the keys of those that were claimed, and those whose id is another one's."""
    now = timezone.now()
    known = _known_ids([acceptance.upstream_id for acceptance in acceptances])
    fresh: list[Acceptance] = []
    refused: list[Acceptance] = []
    for acceptance in acceptances:
        (refused if acceptance.upstream_id in known else fresh).append(acceptance)
        known.add(acceptance.upstream_id)
    rows = [(one.generation, [one.upstream_id, now, *_until(one.look_after, one.generation)]) for one in fresh]
    assign = (
        f"status = '{Status.DRAWING}', upstream_id = v.column3, submitted_at = v.column4, due_at = v.column5,"
        " claim = v.column6"
    )
    moved = change_each(rows, status=Status.SUBMITTING, assign=assign)
    for acceptance in fresh:
        if acceptance.generation.pk in moved:
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
    ended = [one.generation for one in completions if one.generation.pk in moved]
    if ended:
        ledger.settle([generation.credit_reference for generation in ended])
    for generation in ended:
        live.publish_on_commit(generation)
    return moved


def _known_ids(upstream_ids: Sequence[str]) -> set[str]:
    used = Generation.objects.exclude(upstream_id="").filter(upstream_id__in=upstream_ids)
    return set(used.values_list("upstream_id", flat=True))


def _until(look_after: float | None, generation: Generation) -> tuple[datetime, str]:
    if look_after is None:
        return _in(LEASE.total_seconds()), generation.claim
    return _in(look_after), ""


def _noted(useless: Useless | None) -> tuple[int | None, str | None]:
    return (useless.status, useless.words[:WORDS_KEPT]) if useless else (None, None)


def _in(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)
