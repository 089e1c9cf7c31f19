"""Which upstream draws what: by priority, then by weight, among those that are well and have room.

What the operator has set up is read once a second; what is full is counted from the attempts that are alive, with the
rows of limited upstreams locked until the new attempts are written, so that no two workers take the same room.
"""

import contextlib
import random
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from generator.models import (
    DEFAULT_MODEL,
    DEFAULT_UPSTREAM,
    Attempt,
    Generation,
    ImageModel,
    Route,
    Upstream,
    UpstreamTrouble,
)
from generator.upstreams import health, trouble
from generator.upstreams.registry import DIALECTS

CACHE_SECONDS = 1.0
MINUTE = timedelta(minutes=1)

Task = tuple[int | None, str]  # a model, None for the first one, and what it is asked to do


@dataclass(frozen=True)
class _Catalogue:
    """What is set up, as far as it is used."""

    read_at: float
    routes: dict[Task, list[Route]]
    upstreams: list[Upstream] = field(default_factory=list)  # that routes lead to

    @property
    def limited(self) -> list[Upstream]:
        return [one for one in self.upstreams if one.max_in_flight is not None or one.per_minute is not None]


_known: _Catalogue | None = None


def is_open(model: ImageModel | None, operation: str) -> bool:
    """Whether something new may be taken on: not while only the operator can mend every way to have it drawn.

    An upstream that does not answer is no reason: what is taken on waits for it. One query a second at most.
    """
    routes = _catalogue().routes.get((model.pk if model else None, operation), [])
    troubles = [trouble.current(route.upstream) for route in routes]
    return any(known is None or trouble.is_untried(known) for known in troubles)


def is_open_in_sql() -> str:
    """Return `is_open` as a condition for PostgreSQL, strictly: also false while a trial is due. Needs
    `open_parameters`."""
    route, upstream, model, met = (f'"{one._meta.db_table}"' for one in (Route, Upstream, ImageModel, UpstreamTrouble))
    return (
        f"EXISTS (SELECT 1 FROM {route} r JOIN {upstream} u ON u.id = r.upstream_id JOIN {model} m ON m.id = r.model_id"  # noqa: S608 (names of tables)
        " WHERE r.is_active AND u.is_active AND r.operation = %(task_operation)s"
        " AND (m.id = %(task_model)s::bigint OR (%(task_model)s::bigint IS NULL AND m.slug = %(task_default)s))"
        f" AND NOT EXISTS (SELECT 1 FROM {met} t WHERE t.upstream = u.slug))"
    )


def open_parameters(generation: Generation) -> dict[str, str | None]:
    """Return what `is_open_in_sql` is to be asked of; numbers as text, as the driver is to send them."""
    model = generation.image_model_id
    return {
        "task_operation": str(generation.operation),
        "task_model": None if model is None else str(model),
        "task_default": DEFAULT_MODEL,
    }


def routes_for(model: ImageModel | None, operation: str, *, tried: Collection[int] = ()) -> list[Route]:
    """Return the routes to upstreams that are well and not among `tried`, the first to be asked first.

    Full ones are among them, and those that are just being tried out.
    """
    routes = _left((model.pk if model else None, operation), tried)
    return [
        route
        for route in routes
        if not trouble.current(route.upstream) and health.state_of(route.upstream_id) is not health.State.OPEN
    ]


def has_another(generation: Generation, tried: Collection[int]) -> bool:
    """Whether an upstream for `generation` that is not among `tried` may draw it in time.

    One that does not answer may do so again; one that waits for the operator is no hope for who waits for an image.
    """
    return any(not trouble.current(route.upstream) for route in _left(task_of(generation), tried))


def first_upstream() -> Upstream:
    """Return the upstream of all that was sent before there could be several."""
    found = Upstream.objects.filter(slug=DEFAULT_UPSTREAM).first() or Upstream.objects.order_by("pk").first()
    assert found is not None, "a migration makes one, and the admin deletes none that has attempts"
    return found


def task_of(generation: Generation) -> Task:
    """Return what a generation asks for, as routes are looked up."""
    return generation.image_model_id, generation.operation


class Choice:
    """Some choices made together: each takes of the room that there was when they began."""

    def __init__(self, room: dict[int, int], probes: set[int]) -> None:
        self._room = room  # by upstream, of those that have a limit
        self.probes = probes  # upstreams that each may be sent one job, to find out how they are

    def route_for(self, task: Task, tried: Collection[int] = ()) -> Route | None:
        """Return the route that a job takes, and take its room; None where there is none just now."""
        routes = _left(task, tried)
        troubled = {route.pk: known for route in routes if (known := trouble.current(route.upstream))}
        for route in routes:
            if route.pk not in troubled and self._has_room(route) and self._is_well(route):
                return self._take(route)
        if len(troubled) == len(routes):  # then one is sent as a trial: else nobody would find out that all is mended
            for route in routes:
                if self._has_room(route) and trouble.may_try(troubled[route.pk]):
                    return self._take(route)
        return None

    def _has_room(self, route: Route) -> bool:
        return self._room.get(route.upstream_id, 1) > 0

    def _is_well(self, route: Route) -> bool:
        return route.upstream_id in self.probes or health.state_of(route.upstream_id) is health.State.CLOSED

    def _take(self, route: Route) -> Route:
        self.probes.discard(route.upstream_id)
        if route.upstream_id in self._room:
            self._room[route.upstream_id] -= 1
        return route


@contextlib.contextmanager
def choosing() -> Iterator[Choice]:
    """Make some choices, and write the attempts that they lead to, within the block.

    That is a transaction where an upstream has a limit: nobody else counts until the attempts are there.
    """
    known = _catalogue()
    health.refresh(upstream.pk for upstream in known.upstreams)
    probes = {upstream.pk for upstream in known.upstreams if health.take_probe(upstream)}
    limited = known.limited
    try:
        with transaction.atomic() if limited else contextlib.nullcontext():
            yield Choice(_room_at(limited) if limited else {}, probes)
    finally:
        for unused in probes:
            health.give_back_probe(unused)


def forget() -> None:
    """Have the next question ask the database."""
    global _known
    _known = None


def _room_at(limited: list[Upstream]) -> dict[int, int]:
    """Count what limited upstreams have room for, and let nobody else count until this transaction ends."""
    pks = [upstream.pk for upstream in limited]
    rows = list(Upstream.objects.select_for_update().filter(pk__in=pks).order_by("pk"))
    attempts = Attempt.objects.filter(upstream__in=pks).order_by()
    drawing = attempts.alive().filter(generation__unstored_since=None)  # others wait for storage
    there = dict(drawing.values_list("upstream").annotate(Count("pk")))
    lately = attempts.filter(started_at__gt=timezone.now() - MINUTE)
    sent = dict(lately.values_list("upstream").annotate(Count("pk")))
    room = {}
    for upstream in rows:
        limits = [(upstream.max_in_flight, there), (upstream.per_minute, sent)]
        left = [limit - counted.get(upstream.pk, 0) for limit, counted in limits if limit is not None]
        if left:
            room[upstream.pk] = min(left)
    return room


def _left(task: Task, tried: Collection[int]) -> list[Route]:
    """Return the routes of a task in the order in which they are asked: by priority, then a draw by weight."""
    left = [route for route in _catalogue().routes.get(task, []) if route.upstream_id not in tried]
    if len(left) > 1:
        left.sort(key=lambda route: (route.upstream.priority, -_lot(route.upstream)))
    return left


def _lot(upstream: Upstream) -> float:
    """Draw a number that is the highest in proportion to the weight (Efraimidis and Spirakis, 2006)."""
    return float(random.random() ** (1 / max(1, upstream.weight)))


def _catalogue() -> _Catalogue:
    global _known
    if _known is None or time.monotonic() - _known.read_at > CACHE_SECONDS:
        _known = _read()
    return _known


def _read() -> _Catalogue:
    active = Route.objects.filter(is_active=True, upstream__is_active=True).select_related("upstream", "model")
    rows = list(active.order_by("model__order", "model_id", "upstream__priority", "pk"))
    first = next((route.model_id for route in rows if route.model.slug == DEFAULT_MODEL), rows and rows[0].model_id)
    routes: dict[Task, list[Route]] = {}
    for route in rows:
        dialect = DIALECTS.get(route.upstream.dialect)
        if dialect is not None and route.operation in dialect.can.operations:
            routes.setdefault((route.model_id, route.operation), []).append(route)
            if route.model_id == first:
                routes.setdefault((None, route.operation), []).append(route)
    upstreams = {route.upstream_id: route.upstream for known in routes.values() for route in known}
    return _Catalogue(time.monotonic(), routes, list(upstreams.values()))
