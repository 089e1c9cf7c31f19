"""How each upstream is doing: whether anything is sent there just now, and what the operator sees of it.

    closed ──FAILURES in a row──▶ open for a pause ──▶ half open: one job of all workers is sent as a probe
      ▲                             ▲                                  │
      └──────────── it answers ─────┼──────────────────────────────────┤
                                    └── it fails: a longer pause ──────┘

The circuits are shared by all workers on the Redis or Valkey; while that is away each process goes by what it has seen
itself. One is down from when its circuit opens until it answers, also while it is half open: without traffic nobody
sends the probe. What attempts came to is read from their rows, which everybody sees anyway.
"""

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from generator.models import Attempt, Upstream, UpstreamTrouble
from generator.upstreams import trouble
from generator.upstreams.dialect import Balance
from generator.upstreams.errors import Busy, UpstreamError
from kit import site
from kit.aside import Aside

log = logging.getLogger(__name__)

FAILURES = 5  # in a row
BUSY_PAUSES = 4  # after which one that only ever says that it is busy is down, too: for 15 seconds at least
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0  # seconds; each is twice the one before
REFRESH_SECONDS = 0.5
AWAY_SECONDS = 5.0  # for which a server that did not answer is left alone
ANSWER_SECONDS = 0.5
KEPT_SECONDS = 86_400
DOWN_KEPT_SECONDS = 30 * KEPT_SECONDS  # one that is down stays so while nobody sends there, however long that is
BALANCE_SECONDS = 300.0  # between two questions for what is left
LOOKED_BACK = timedelta(hours=1)
MOST_LOOKED_AT = 500  # attempts
_AWAY = (redis.RedisError, OSError)


class State(StrEnum):
    """Of a circuit."""

    CLOSED = "closed"
    HALF_OPEN = "half open"
    OPEN = "open"


@dataclass(frozen=True)
class Circuit:
    """What is known of an upstream. Moments are seconds since the epoch, for several machines read them."""

    failures: int = 0  # in a row
    pauses: int = 0
    until: float = 0.0
    error: str = ""

    @property
    def state(self) -> State:
        """As it is at this moment."""
        if self.failures < FAILURES:
            return State.CLOSED
        return State.OPEN if time.time() < self.until else State.HALF_OPEN

    @property
    def is_down(self) -> bool:
        """Whether it failed FAILURES times and has not answered since.

        One that is asked for more than it takes says so by 429 in between its answers, which is no outage; one that is
        away may say so by 503, of which there is no end.
        """
        return self.failures >= FAILURES and (self.error != Busy.__name__ or self.pauses >= BUSY_PAUSES)

    def after(self, error: str | None, least: float = 0.0) -> "Circuit":
        """Return it after an answer (None), or an error after which the upstream wants `least` seconds of rest."""
        if error is None:
            return Circuit()
        noted = replace(self, failures=self.failures + 1, error=error)
        if noted.state is not State.HALF_OPEN:
            return noted  # or all that was under way comes back at once, and each of it would lengthen the pause
        pause = max(min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.pauses), least)
        return replace(noted, pauses=self.pauses + 1, until=time.time() + pause)


@dataclass(frozen=True)
class _Noted:
    upstream: int
    error: str | None
    least: float


# What this process knows, by upstream, and when it last asked.
_circuits: dict[int, Circuit] = {}
_probes: dict[int, float] = {}  # until when this process's own probe is under way, while nobody else can be asked
_asked = {"at": float("-inf"), "away_until": float("-inf")}


# --- What is sent where ------------------------------------------------------------------------------------------


def answered(upstream: int) -> None:
    """Note that an upstream answered, whatever it said. Costs nothing while all is well."""
    known = _circuits.get(upstream)
    if known is None or known == Circuit():
        return
    if known.state is not State.CLOSED:
        log.warning("Upstream %s answers again", upstream)
    _note(_Noted(upstream, None, 0.0))


def failed(upstream: int, error: UpstreamError) -> None:
    """Note that an upstream could not be reached, was busy, or gave no usable answer."""
    least = error.retry_after if isinstance(error, Busy) else 0.0
    _note(_Noted(upstream, type(error).__name__, least))
    if (circuit := _circuits[upstream]).failures == FAILURES:
        log.warning("Nothing is sent to upstream %s for a while: %s", upstream, circuit.error)


def state_of(upstream: int) -> State:
    """Return an upstream's circuit, as this process knows it."""
    return _circuits.get(upstream, Circuit()).state


def down() -> list[Upstream]:
    """Return the active upstreams that are down, whichever process met it. A query, and a question for the server."""
    upstreams = list(Upstream.objects.filter(is_active=True))
    _learn(upstream.pk for upstream in upstreams)
    return [upstream for upstream in upstreams if _circuits.get(upstream.pk, Circuit()).is_down]


def take_probe(upstream: Upstream) -> bool:
    """Take leave to send one job to find out how an upstream is: given to one of all workers while it is half open."""
    if state_of(upstream.pk) is not State.HALF_OPEN:
        return False
    # Longer than a submission may take: should its sender die, the next one tries.
    lease = (upstream.timeout_seconds or settings.UPSTREAM_TIMEOUT_SECONDS) + 5
    now = time.monotonic()
    if now >= _asked["away_until"]:
        try:
            return bool(_client().set(f"{_key(upstream.pk)}:probe", "1", nx=True, px=int(lease * 1000)))
        except _AWAY as error:
            _be_away(error)
    if now < _probes.get(upstream.pk, 0.0):
        return False
    _probes[upstream.pk] = now + lease
    return True


def give_back_probe(upstream: int) -> None:
    """Let another worker find out: there was nothing to be sent."""
    _probes.pop(upstream, None)
    if time.monotonic() >= _asked["away_until"]:
        try:
            _client().delete(f"{_key(upstream)}:probe")
        except _AWAY as error:
            _be_away(error)


def refresh(upstreams: Iterable[int]) -> None:
    """Learn what other workers have noted; asks the server, twice a second at most. Not on an event loop."""
    now = time.monotonic()
    if now < max(_asked["at"] + REFRESH_SECONDS, _asked["away_until"]):
        return
    _asked["at"] = now
    wanted = list(upstreams)
    if not wanted or not _aside.flush(ANSWER_SECONDS):
        return
    try:
        told: Any = _client().mget([_key(upstream) for upstream in wanted])
    except _AWAY as error:
        _be_away(error)
        return
    for upstream, value in zip(wanted, told, strict=True):
        _circuits[upstream] = _read(value)


def _learn(upstreams: Iterable[int]) -> None:
    """Refresh now, also where somebody just did so of other upstreams."""
    _asked["at"] = float("-inf")
    refresh(upstreams)


def forget() -> None:
    """Know nothing."""
    _circuits.clear()
    _probes.clear()
    _asked.update(at=float("-inf"), away_until=float("-inf"))


def _note(noted: _Noted) -> None:
    _circuits[noted.upstream] = _circuits.get(noted.upstream, Circuit()).after(noted.error, noted.least)
    _probes.pop(noted.upstream, None)
    _aside.put(noted)


def _send(batch: list[_Noted]) -> None:
    """Tell the others, on a thread of its own."""
    if time.monotonic() < _asked["away_until"]:
        return
    try:
        for upstream in {noted.upstream for noted in batch}:
            _tell([noted for noted in batch if noted.upstream == upstream])
    except _AWAY as error:
        _be_away(error)


def _tell(batch: list[_Noted]) -> None:
    key = _key(batch[0].upstream)

    def change(pipe: Any) -> None:
        circuit = _read(pipe.get(key))
        for noted in batch:
            circuit = circuit.after(noted.error, noted.least)
        pipe.multi()
        kept = KEPT_SECONDS if circuit.state is State.CLOSED else DOWN_KEPT_SECONDS
        pipe.set(key, json.dumps(asdict(circuit)), ex=kept)
        pipe.delete(f"{key}:probe")

    _client().transaction(change, key)


def _read(value: Any) -> Circuit:
    try:
        return Circuit(**json.loads(value)) if value else Circuit()
    except (ValueError, TypeError):  # of another version
        return Circuit()


def _be_away(error: Exception) -> None:
    _asked["away_until"] = time.monotonic() + AWAY_SECONDS
    log.warning("What others know of the upstreams cannot be read, this process goes by its own: %s", error)


def _key(upstream: int) -> str:
    return f"reveweb:upstream:{site.name()}:{upstream}"


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )


_aside: Aside[_Noted] = Aside("upstreams", _send, most=5_000)


# --- What is left of the operator's funds ------------------------------------------------------------------------


def may_ask_balance(upstream: int) -> bool:
    """Take leave to ask an upstream what is left: given once in a few minutes to one of all workers."""
    try:
        return bool(_client().set(f"{_key(upstream)}:asked", "1", nx=True, ex=int(BALANCE_SECONDS)))
    except _AWAY:
        return False


def keep_balance(upstream: int, balance: Balance) -> None:
    """Put down what is left at an upstream."""
    told = {**asdict(balance), "at": time.time()}
    try:
        _client().set(f"{_key(upstream)}:balance", json.dumps(told), ex=KEPT_SECONDS)
    except _AWAY as error:
        log.warning("A balance could not be put down: %s", error)


def _balance_of(upstream: int) -> tuple[Balance | None, datetime | None]:
    try:
        told: Any = _client().get(f"{_key(upstream)}:balance")
        known = json.loads(told) if told else None
    except (*_AWAY, ValueError):
        known = None
    if known is None:
        return None, None
    at = datetime.fromtimestamp(known["at"], tz=timezone.get_current_timezone())
    return Balance(known["amount"], known["currency"]), at


# --- What the operator sees --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How an upstream is doing. Rates and durations are of the attempts of the last hour, None without any."""

    upstream: Upstream
    circuit: State
    is_down: bool
    success_rate: float | None  # 0 to 1, of what did not end for the prompt's sake
    p50_seconds: float | None
    p95_seconds: float | None
    in_flight: int
    last_error: str
    balance: Balance | None
    balance_at: datetime | None
    trouble: UpstreamTrouble | None


def standing() -> list[Standing]:
    """Return how every upstream is doing, in their order. Some queries for each."""
    upstreams = list(Upstream.objects.all())
    _learn(upstream.pk for upstream in upstreams)
    drawing = Attempt.objects.alive().filter(generation__unstored_since=None)
    alive = drawing.order_by().values_list("upstream").annotate(Count("pk"))
    in_flight = dict(alive)
    return [_standing_of(upstream, in_flight.get(upstream.pk, 0)) for upstream in upstreams]


def _standing_of(upstream: Upstream, in_flight: int) -> Standing:
    since = timezone.now() - LOOKED_BACK
    lately = Attempt.objects.filter(upstream=upstream, started_at__gte=since).exclude(state__in=Attempt.ALIVE)
    ended = list(
        lately.order_by("-started_at").values_list(
            "state", "started_at", "ended_at", "error_kind", "generation__unstored_since"
        )[:MOST_LOOKED_AT]
    )
    counted = [state for state, *_ in ended if state not in (Attempt.State.REFUSED, Attempt.State.CANCELLED)]
    drawn = counted.count(Attempt.State.DRAWN)
    seconds = sorted(
        (end - start).total_seconds()
        for state, start, end, _, unstored in ended
        if state == Attempt.State.DRAWN and end and not unstored  # which waited for storage, not for the upstream
    )
    circuit = _circuits.get(upstream.pk, Circuit())
    balance, balance_at = _balance_of(upstream.pk)
    return Standing(
        upstream=upstream,
        circuit=circuit.state,
        is_down=circuit.is_down,
        success_rate=drawn / len(counted) if counted else None,
        p50_seconds=_share(seconds, 0.5),
        p95_seconds=_share(seconds, 0.95),
        in_flight=in_flight,
        last_error=next((kind for *_, kind, _ in ended if kind), circuit.error),
        balance=balance,
        balance_at=balance_at,
        trouble=trouble.current(upstream),
    )


def _share(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
