"""What a check is, and what it finds. Nothing here needs settings: they may be what cannot be read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad a finding is; the worst has the highest number."""

    OK = 0
    NOTE = 1  # worth knowing, and nothing has to be done
    WARNING = 2  # it works, and will not for long, or not for everybody
    FAULT = 3  # something does not work, or stands open


@dataclass(frozen=True)
class Finding:
    """What is so and why (`cause`), and what mends it (`cure`), for the operator.

    `name` never changes, for scripts go by it; it begins with that of the check.
    """

    name: str
    level: Level
    cause: str
    cure: str = ""


@dataclass(frozen=True)
class Check:
    """`look` returns what it finds; nothing means that all is well. It may raise, and may hang for `seconds`.

    `asks` says in half a sentence what it looks at, for the list and for docs/operating.md.
    """

    name: str
    look: Callable[[], Iterable[Finding]]
    asks: str
    seconds: float = 10.0


@dataclass(frozen=True)
class Examined:
    """What a check found, worst first, and how long that took."""

    concern: str
    check: str
    asks: str
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def level(self) -> Level:
        """The worst of its findings."""
        return max((finding.level for finding in self.findings), default=Level.OK)


def ok(name: str, words: str = "") -> Finding:
    """Return that something is well, in a few words that may be worth reading."""
    return Finding(name, Level.OK, words)


def note(name: str, cause: str, cure: str = "") -> Finding:
    """Return what is worth knowing."""
    return Finding(name, Level.NOTE, cause, cure)


def warning(name: str, cause: str, cure: str) -> Finding:
    """Return what will not be well for long, or is not for everybody."""
    return Finding(name, Level.WARNING, cause, cure)


def fault(name: str, cause: str, cure: str) -> Finding:
    """Return what does not work, or stands open."""
    return Finding(name, Level.FAULT, cause, cure)
