"""The end of each image as one line in the log: what became of it, why, how long each step took, and every id of it.

Read from the rows once they are committed, so that it says what holds, whoever ended it: a worker, the sweep, its
owner. No prompt and no words of an upstream's are in it; those are on the image's page in the admin.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from generator.models import CANCELLED, PROMPT_REFUSED, Attempt, Generation
from kit.metrics import Counter, Histogram

log = logging.getLogger(__name__)

Fields = dict[str, str | int | float]
# Codes of ends that nobody has to look into: whoever asked caused them.
THEIRS = (CANCELLED, PROMPT_REFUSED)
_STEPS = {
    "total": "in all",
    "queued": "waited",
    "taking": "was taken after",
    "drawing": "drawn in",
    "keeping": "stored in",
}
ENDED = Counter("reveweb_images_ended_total", "Images that ended.", "status", "code", "model")
ATTEMPTS = Counter("reveweb_attempts_total", "Attempts of images that ended.", "upstream", "state", "kind")
TOTAL = Histogram("reveweb_image_seconds", "From the request to the image.", "model")
QUEUED = Histogram("reveweb_image_queued_seconds", "From the request until it was first sent.")
DRAWING = Histogram("reveweb_upstream_seconds", "From when an upstream took it until it was drawn.", "upstream")
KEEPING = Histogram("reveweb_image_keeping_seconds", "From when it was seen drawn until it was stored.")
_MOST = 400  # rows in a query


@dataclass(frozen=True)
class Durations:
    """Seconds of each step that there was, None for one that there was not, or that nobody noted.

    `queued` until it was first sent, `taking` until an upstream took it the last time, `drawing` until it was seen that
    it is drawn, `keeping` until it was stored; `total` from the request to the end.
    """

    total: float
    queued: float | None = None
    taking: float | None = None
    drawing: float | None = None
    keeping: float | None = None

    @property
    def known(self) -> dict[str, float]:
        """Those that there are, by their names."""
        return {name: round(value, 3) for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Ending:
    """How one image ended."""

    generation: Generation
    attempts: Sequence[Attempt]
    durations: Durations

    @property
    def upstream(self) -> str:
        """The slug of the upstream that had it last, "" where none had it."""
        return self.attempts[-1].upstream.slug if self.attempts else ""

    @property
    def story(self) -> str:
        """What became of each attempt, as in `reve:not_taken/Busy/429,second:drawn`."""
        return ",".join(
            "/".join(
                str(part) for part in (f"{one.upstream.slug}:{one.state}", one.error_kind, one.error_status) if part
            )
            for one in self.attempts
        )

    @property
    def steps(self) -> str:
        """How long each step took, in words; "" while it is on its way."""
        known = self.durations.known if self.generation.is_final else {}
        return ", ".join(f"{words} {known[name]:,.1f} s" for name, words in _STEPS.items() if name in known)

    @property
    def fields(self) -> Fields:
        """All that the line says, by name."""
        one = self.generation
        told: Fields = {
            "status": one.status,
            "code": one.error_code,
            "model": one.image_model.slug if one.image_model else "",
            "operation": one.operation,
            "upstream": self.upstream,
            "attempts": len(self.attempts),
            "story": self.story,
            "polls": one.polls,
            **self.durations.known,
            "credits": one.credits,
            "job": self.attempts[-1].upstream_job if self.attempts else one.upstream_id,
            "request_id": one.request_id,
            "wallet": one.wallet_id,
            "key": one.api_key.prefix if one.api_key else "studio",
        }
        if one.is_test:
            told["test"] = 1
        return {name: value for name, value in told.items() if value != ""}


@dataclass
class Notice:
    """What is to be told once a transaction is committed: the keys of what ended, and when each was seen drawn."""

    pks: list[int] = field(default_factory=list)
    drawn_at: dict[int, datetime] = field(default_factory=dict)


def tell_on_commit(ended: Iterable[Generation]) -> None:
    """Log the end of each of these, once this transaction holds."""
    notice = Notice()
    for generation in ended:
        notice.pks.append(generation.pk)
        if generation.drawn_at:
            notice.drawn_at[generation.pk] = generation.drawn_at
    if notice.pks:
        transaction.on_commit(lambda: _tell(notice), robust=True)


def of(generation: Generation, attempts: Sequence[Attempt], *, drawn_at: datetime | None = None) -> Ending:
    """Return how a generation ended, or how far it is; `attempts` are all of its own, the first one first."""
    return Ending(generation, attempts, _durations(generation, attempts, drawn_at))


def _tell(notice: Notice) -> None:
    for start in range(0, len(notice.pks), _MOST):
        pks = notice.pks[start : start + _MOST]
        tries = _tries(pks)
        rows = Generation.objects.filter(pk__in=pks).select_related("image_model", "api_key").order_by("pk")
        for generation in rows.defer("prompt", "negative_prompt", "search_text"):
            ending = of(generation, tries.get(generation.pk, []), drawn_at=notice.drawn_at.get(generation.pk))
            _log(ending)
            _count(ending)


def _count(ending: Ending) -> None:
    """Count it for whoever watches; samples of test keys are nobody's figures."""
    one, model = ending.generation, ending.fields.get("model", "")
    if one.is_test:
        return
    ENDED.add(status=one.status, code=one.error_code, model=str(model))
    known = ending.durations
    if one.status == Generation.Status.COMPLETED:
        TOTAL.add(known.total, model=str(model))
    if known.queued is not None:
        QUEUED.add(known.queued)
    if known.drawing is not None and one.status == Generation.Status.COMPLETED:
        DRAWING.add(known.drawing, upstream=ending.upstream)
    if known.keeping is not None:
        KEEPING.add(known.keeping)
    for attempt in ending.attempts:
        ATTEMPTS.add(upstream=attempt.upstream.slug, state=attempt.state, kind=attempt.error_kind)


def _log(ending: Ending) -> None:
    one, fields = ending.generation, ending.fields
    is_well = one.status == Generation.Status.COMPLETED or one.error_code in THEIRS
    about: dict[str, Any] = {"fields": fields, "generation_id": one.public_id, "request_id": one.request_id or "-"}
    words = " ".join(f"{name}={value}" for name, value in fields.items())
    log.log(logging.INFO if is_well else logging.WARNING, "%s ended: %s", one, words, extra=about)


def _tries(pks: Sequence[int]) -> Mapping[int, list[Attempt]]:
    found: dict[int, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(generation__in=pks).select_related("upstream").order_by("number"):
        found.setdefault(attempt.generation_id, []).append(attempt)
    return found


def _durations(generation: Generation, attempts: Sequence[Attempt], drawn_at: datetime | None) -> Durations:
    ended = generation.finished_at
    total = _seconds(generation.created_at, ended) or 0.0
    if not attempts:
        return Durations(total)
    last = attempts[-1]
    return Durations(
        total,
        queued=_seconds(generation.created_at, attempts[0].started_at),
        taking=_seconds(last.started_at, last.accepted_at),
        drawing=_seconds(last.accepted_at, drawn_at or last.ended_at or ended),
        keeping=_seconds(drawn_at, ended),
    )


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    return max(0.0, (until - since).total_seconds()) if since and until else None
