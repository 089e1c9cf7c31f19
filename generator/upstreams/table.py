"""How every upstream is doing, as the admin and `manage.py upstreams` show it: one line for each."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from generator.models import Upstream
from generator.upstreams import costs, health, secret
from generator.upstreams.dialect import Balance

Level = Literal["good", "wary", "bad", "out"]


@dataclass(frozen=True)
class Line:
    """An upstream in a few words. What is not known is None, or "". Times are in seconds, rates from 0 to 1."""

    slug: str
    name: str
    dialect: str
    state: str
    level: Level
    why: str
    key: str
    circuit: str
    success_rate: float | None
    p50: float | None
    p95: float | None
    in_flight: int
    last_error: str
    balance: str

    @property
    def draws(self) -> bool:
        """Whether jobs are sent there."""
        return self.level in ("good", "wary")

    @property
    def rate(self) -> str:
        return "" if self.success_rate is None else f"{self.success_rate:.0%}"

    @property
    def slowest(self) -> str:
        return "" if self.p95 is None else f"{self.p95:.1f} s"

    def as_json(self) -> dict[str, Any]:
        """Return what programs read; the names are the fields'."""
        return {**asdict(self), "draws": self.draws}


def lines() -> list[Line]:
    """Return a line for each upstream, those first that are asked first."""
    return [_line(each) for each in health.standing()]


def line_of(upstream: Upstream) -> Line:
    """Return the line of one."""
    return next(line for line in lines() if line.slug == upstream.slug)


def _line(known: health.Standing) -> Line:
    upstream = known.upstream
    state, level, why = _state(known)
    return Line(
        slug=upstream.slug,
        name=upstream.name,
        dialect=upstream.dialect,
        state=state,
        level=level,
        why=why,
        key=secret.told(upstream.secret),
        circuit=known.circuit.value,
        success_rate=known.success_rate,
        p50=known.p50_seconds,
        p95=known.p95_seconds,
        in_flight=known.in_flight,
        last_error=known.last_error,
        balance=_worded(known.balance),
    )


def _state(known: health.Standing) -> tuple[str, Level, str]:
    """Say whether jobs are sent there, and why not: what somebody decided comes before what happened."""
    if not known.upstream.is_active:
        return "Taken out", "out", "By staff. Put it back to have jobs sent there."
    if words := secret.problem(known.upstream.secret):
        return "No key", "bad", words
    if known.trouble is not None:
        since = f"Since {known.trouble.since:%-d %B, %H:%M} UTC."
        return known.trouble.get_kind_display(), "bad", f"{since} Mend it there, then put it back."
    if known.circuit is health.State.OPEN:
        return "Fails", "wary", "Its last jobs failed: none is sent for a moment, then one as a trial."
    if known.circuit is health.State.HALF_OPEN:
        return "On trial", "wary", "Its last jobs failed: one is sent as a trial."
    return "Draws", "good", ""


def _worded(balance: Balance | None) -> str:
    return "" if balance is None else costs.worded(round(balance.amount * costs.MICROS), balance.currency)
