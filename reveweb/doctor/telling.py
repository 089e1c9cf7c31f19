"""How `manage.py doctor` tells what was found: for people, for scripts, and as an exit status.

0: no fault; warnings and notes there may be. 1: at least one fault, or with `--strict` a warning. 2: the doctor itself
could not do what it was asked.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Protocol

from reveweb.doctor.findings import Examined, Finding, Level, fault

WELL, ILL, UNABLE = 0, 1, 2
SETTINGS = "configuration"  # of the finding that settings cannot be read
_COLOURS = {Level.OK: "32", Level.NOTE: "36", Level.WARNING: "33", Level.FAULT: "31"}
_WIDTH = 8


class Out(Protocol):
    """Where it is written: a stream, or what a command of Django's has."""

    def write(self, text: str, /) -> object: ...

    def isatty(self) -> bool: ...


def status(examined: Iterable[Examined], *, strict: bool = False) -> int:
    """Return the exit status."""
    worst = max((each.level for each in examined), default=Level.OK)
    return ILL if worst >= (Level.WARNING if strict else Level.FAULT) else WELL


def as_json(examined: Sequence[Examined]) -> str:
    """Return all of it as one JSON object: how many of each level, and each finding in the order of the checks."""
    findings = [
        {
            "concern": each.concern,
            "check": each.check,
            "name": finding.name,
            "level": finding.level.name.lower(),
            "cause": finding.cause,
            "cure": finding.cure,
        }
        for each in examined
        for finding in each.findings or [Finding(each.check, Level.OK, "")]
    ]
    counts = {level.name.lower(): sum(one["level"] == level.name.lower() for one in findings) for level in Level}
    return json.dumps({"counts": counts, "findings": findings}, indent=2, ensure_ascii=False)


def tell(examined: Sequence[Examined], out: Out, *, quiet: bool = False) -> None:
    """Write it for people, by concern; `quiet` leaves out what is well, and says nothing when all is."""
    paint = _painted if out.isatty() else _plain
    for concern, group in groupby(examined, key=lambda each: each.concern):
        lines = [line for each in group for line in _lines(each, paint, quiet=quiet)]
        if lines:
            out.write(f"{concern}\n{''.join(lines)}\n")
    if not quiet:
        out.write(f"{summary(examined)}\n")


def summary(examined: Sequence[Examined]) -> str:
    """Say in one line how many findings there are."""
    counts = dict.fromkeys((Level.FAULT, Level.WARNING, Level.NOTE), 0)
    for finding in (finding for each in examined for finding in each.findings):
        if finding.level in counts:
            counts[finding.level] += 1
    told = [f"{count} {level.name.lower()}{'' if count == 1 else 's'}" for level, count in counts.items() if count]
    return f"{len(examined)} checks: {', '.join(told) or 'all is well'}."


def unread(error: Exception, arguments: Sequence[str], out: Out) -> int:
    """Tell that the settings cannot be read, as the one finding there is, and return the exit status."""
    cure = "Mend it in the environment or in .env; docs/configuration.md describes each variable."
    finding = fault("settings-unreadable", " ".join(str(error).split()), cure)
    examined = [Examined(SETTINGS, "settings", "", (finding,), 0.0)]
    if "--json" in arguments:
        out.write(f"{as_json(examined)}\n")
    else:
        tell(examined, out, quiet=True)
    return ILL


def _lines(each: Examined, paint: Callable[[Level, str], str], *, quiet: bool) -> Iterable[str]:
    for finding in each.findings or (Finding(each.check, Level.OK, ""),):
        if finding.level is Level.OK and quiet:
            continue
        word, indent = finding.level.name.lower(), " " * _WIDTH
        words = f": {finding.cause}" if finding.cause else ""
        yield f"  {paint(finding.level, word)}{indent[len(word) :]}{finding.name}{words}\n"
        if finding.cure:
            yield f"  {indent}→ {finding.cure}\n"


def _painted(level: Level, word: str) -> str:
    return f"\033[{_COLOURS[level]}m{word}\033[0m"


def _plain(level: Level, word: str) -> str:
    return word
