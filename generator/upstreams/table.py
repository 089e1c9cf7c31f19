"""How every upstream is doing, as the admin and `manage.py upstreams` show it: one line for each."""

import importlib
import importlib.util
from dataclasses import asdict, dataclass
from typing import Any, Literal

from generator.models import Upstream, UpstreamTrouble
from generator.upstreams import costs, secret

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
    in_flight: int | None
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
    troubles = {trouble.upstream: trouble for trouble in UpstreamTrouble.objects.all()}
    health = _health()
    return [_line(each, troubles.get(each.slug), health.get(each.slug)) for each in Upstream.objects.all()]


def line_of(upstream: Upstream) -> Line:
    """Return the line of one."""
    return next(line for line in lines() if line.slug == upstream.slug)


def _line(upstream: Upstream, trouble: UpstreamTrouble | None, health: Any) -> Line:
    circuit = str(getattr(health, "circuit", "") or "")
    state, level, why = _state(upstream, trouble, circuit)
    return Line(
        slug=upstream.slug,
        name=upstream.name,
        dialect=upstream.dialect,
        state=state,
        level=level,
        why=why,
        key=secret.told(upstream.secret),
        circuit=circuit,
        success_rate=getattr(health, "success_rate", None),
        p50=getattr(health, "p50", None),
        p95=getattr(health, "p95", None),
        in_flight=getattr(health, "in_flight", None),
        last_error=str(getattr(health, "last_error", "") or ""),
        balance=_worded(getattr(health, "balance", None)),
    )


def _state(upstream: Upstream, trouble: UpstreamTrouble | None, circuit: str) -> tuple[str, Level, str]:
    """Say whether jobs are sent there, and why not: what somebody decided comes before what happened."""
    if not upstream.is_active:
        return "Taken out", "out", "By staff. Put it back to have jobs sent there."
    if words := secret.problem(upstream.secret):
        return "No key", "bad", words
    if trouble is not None:
        since = f"Since {trouble.since:%-d %B, %H:%M} UTC."
        return trouble.get_kind_display(), "bad", f"{since} Mend it there, then put it back."
    if circuit == "open":
        return "Fails", "bad", "Its last jobs failed: none is sent for a moment, then one as a trial."
    if circuit == "half_open":
        return "On trial", "wary", "Its last jobs failed: one is sent as a trial."
    return "Draws", "good", ""


def _worded(balance: Any) -> str:
    if balance is None:
        return ""
    return costs.worded(round(balance.amount * costs.MICROS), balance.currency)


def _health() -> dict[str, Any]:
    """Return what routing knows of each, by slug."""
    if importlib.util.find_spec("generator.upstreams.health") is None:
        return {}
    standing = importlib.import_module("generator.upstreams.health").standing()
    return {each.slug: each for each in standing}
