"""The statements about attempts, each for many. Only `lifecycle` calls what writes, in the transaction of the status.

    SENDING ──accept──▶ ACCEPTED ──▶ DRAWN
       │                   ├───────▶ FAILED, REFUSED
       ├──▶ NOT_TAKEN      └───────▶ UNCLEAR
       └──▶ REFUSED, UNCLEAR

At most one attempt of a generation is alive, SENDING or ACCEPTED: the database holds that.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from generator.models import DEFAULT_UPSTREAM, Attempt, Generation, Route
from generator.upstreams import routing
from generator.upstreams.dialect import Cost
from generator.upstreams.errors import UpstreamError

log = logging.getLogger(__name__)

State = Attempt.State
WORDS_KEPT = 300  # characters of what may be told of an answer
_TABLE = Attempt._meta.db_table
_MOST = 400  # rows in a statement: SQLite takes some thousand parameters in one
_ALIVE = f"{_TABLE}.state IN ('{State.SENDING}', '{State.ACCEPTED}')"


@dataclass(frozen=True)
class Ended:
    """How an attempt ended. `kind` is which error it was, `words` went through `upstreams.words`."""

    state: State
    kind: str = ""
    status: int | None = None
    words: str = ""
    cost: Cost | None = None


UNKNOWN = Ended(State.UNCLEAR)


def ended_by(state: State, error: Exception) -> Ended:
    """Return the end that an error makes of an attempt."""
    if isinstance(error, UpstreamError):
        return Ended(state, type(error).__name__, error.status, error.words)
    return Ended(state, type(error).__name__, None, str(error).partition("(")[0])  # behind it: how Python shows objects


def begin(starts: Sequence[tuple[Generation, Route]]) -> None:
    """Write the attempts that are about to be sent. Raises IntegrityError where one is alive already."""
    made = Attempt.objects.bulk_create(
        Attempt(generation=generation, number=generation.submits, upstream=route.upstream, route=route)
        for generation, route in starts
    )
    for (generation, _), attempt in zip(starts, made, strict=True):
        generation.attempt = attempt


def accept(taken: Sequence[tuple[Generation, str]]) -> None:
    """Write down what upstreams call the jobs that they took. Raises IntegrityError for a name that one gave before."""
    now = timezone.now()
    for rows in _in_parts([[generation.pk, job, now] for generation, job in taken]):
        _change(
            rows,
            assign=f"state = '{State.ACCEPTED}', upstream_job = v.column2, accepted_at = v.column3",
            only_if=f"{_TABLE}.state = '{State.SENDING}'",
        )


def end(ends: Sequence[tuple[Generation, Ended]]) -> None:
    """End what is alive of generations."""
    now = timezone.now()
    told = [
        [
            generation.pk,
            ended.state,
            ended.kind[:30],
            ended.status,
            ended.words[:WORDS_KEPT],
            ended.cost.micros if ended.cost else None,
            ended.cost.currency if ended.cost else "",
            now,
        ]
        for generation, ended in ends
    ]
    gone: set[int] = set()
    for rows in _in_parts(told):
        gone |= _change(
            rows,
            assign=(
                "state = v.column2, error_kind = v.column3, error_status = CAST(v.column4 AS smallint),"
                " error_words = v.column5, cost_micros = CAST(v.column6 AS bigint), cost_currency = v.column7,"
                " ended_at = v.column8"
            ),
            only_if=_ALIVE,
        )
    if ended_now := [(one, one.attempt, ended) for one, ended in ends if one.pk in gone]:
        transaction.on_commit(lambda: _log(ended_now, now))


def alive_of(generations: Sequence[Generation]) -> Mapping[int, Attempt]:
    """Return the attempts that are alive, by the key of their generation."""
    pks = [generation.pk for generation in generations]
    alive = Attempt.objects.alive().filter(generation__in=pks)
    return {attempt.generation_id: attempt for attempt in alive.select_related("upstream", "route")}


def used_up(pks: Sequence[int]) -> Mapping[int, set[int]]:
    """Return the upstreams that generations are not sent to again: they took them, or may have, and drew nothing."""
    found: dict[int, set[int]] = {}
    spent = Attempt.objects.filter(generation__in=pks, state__in=(State.FAILED, State.UNCLEAR))
    for generation, upstream in spent.values_list("generation", "upstream"):
        found.setdefault(generation, set()).add(upstream)
    return found


def stand_in(generation: Generation) -> Attempt:
    """Return what stands for the attempt of a drawing that was sent before there were any."""
    return Attempt(
        generation=generation,
        number=max(1, generation.submits),
        upstream=routing.first_upstream(),
        state=State.ACCEPTED,
        upstream_job=generation.upstream_id,
        started_at=generation.submitted_at or generation.created_at,
        accepted_at=generation.submitted_at,
    )


def names_before(named: Sequence[tuple[Generation, str]]) -> set[tuple[int | None, str]]:
    """Return the names that the first upstream gave before there were attempts; those of attempts are unique."""
    by_first = [
        name_of(generation, job)
        for generation, job in named
        if generation.attempt and generation.attempt.upstream.slug == DEFAULT_UPSTREAM
    ]
    if not by_first:
        return set()
    used = Generation.objects.named_there().filter(upstream_id__in=[job for _, job in by_first], attempts=None)
    return {(by_first[0][0], job) for job in used.values_list("upstream_id", flat=True)}


def name_of(generation: Generation, job: str) -> tuple[int | None, str]:
    """Return a job's name with the upstream that gave it: another one may give the same."""
    return (generation.attempt.upstream_id if generation.attempt else None), job


def _in_parts(rows: list[list[Any]]) -> Iterable[list[list[Any]]]:
    return (rows[start : start + _MOST] for start in range(0, len(rows), _MOST))


def _change(rows: list[list[Any]], *, assign: str, only_if: str) -> set[int]:
    """Change the attempts of generations to values of their own; return the keys of those whose attempt that was."""
    values = ", ".join([f"({', '.join(['%s'] * len(rows[0]))})"] * len(rows))
    with connection.cursor() as cursor:
        # Both databases call the columns of VALUES column1, column2, …
        cursor.execute(
            f"UPDATE {_TABLE} SET {assign} FROM (VALUES {values}) AS v"  # noqa: S608 (names and marks of our own)
            f" WHERE {_TABLE}.generation_id = v.column1 AND {only_if} RETURNING {_TABLE}.generation_id",
            [_stored(value) for row in rows for value in row],
        )
        return {pk for (pk,) in cursor.fetchall()}


def _log(ends: Sequence[tuple[Generation, Attempt | None, Ended]], at: datetime) -> None:
    """Say how attempts ended, in a line for each; `endings` has the end of an image, which is what most look for."""
    for generation, attempt, ended in ends:
        why = f"{ended.kind}: {ended.words or ended.status}" if ended.kind else "no error"
        if attempt is None:  # of a row that nobody had claimed
            log.debug("%s: its attempt ended: %s (%s)", generation, ended.state, why)
            continue
        log.debug(
            "%s: attempt %s at %s ended: %s (%s) after %.2f s%s",
            generation,
            attempt.number,
            attempt.upstream.slug,
            ended.state,
            why,
            (at - attempt.started_at).total_seconds(),
            f", of which {(attempt.accepted_at - attempt.started_at).total_seconds():.2f} s until it was taken"
            if attempt.accepted_at
            else "",
        )


def _stored(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
