"""How images ended, as bars by the hour; where each goes in an SVG without a view box, in percent of its size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reveweb.watch.figures import Ends

LEAST_HEIGHT = 1.5  # percent, so that one failure among thousands can be seen


@dataclass(frozen=True)
class Bar:
    """Some hours: what was drawn, and on top of it what failed; `words` say it."""

    x: str
    width: str
    drawn_y: str
    drawn_height: str
    failed_y: str
    failed_height: str
    words: str


@dataclass(frozen=True)
class Chart:
    """All that the template draws. `most` is what the tallest bar stands for."""

    title: str
    bars: list[Bar]
    since: datetime
    most: int
    words: str


def of(title: str, hours: Sequence[tuple[datetime, Ends]], *, each: int) -> Chart | None:
    """Lay out bars of so many hours `each`; None where there are no hours."""
    groups = [hours[start : start + each] for start in range(0, len(hours), each)]
    if not groups:
        return None
    sums = [
        (group[0][0], sum(ends.drawn for _, ends in group), sum(ends.failed for _, ends in group)) for group in groups
    ]
    most = max(1, *(drawn + failed for _, drawn, failed in sums)) if len(sums) > 1 else max(1, sums[0][1] + sums[0][2])
    column = 100 / len(sums)
    bars = [_bar(number, column, most, each, *one) for number, one in enumerate(sums)]
    drawn, failed = sum(one[1] for one in sums), sum(one[2] for one in sums)
    return Chart(title, bars, sums[0][0], most, f"{drawn:,} images were drawn and {failed:,} failed.")


def _bar(number: int, column: float, most: int, each: int, at: datetime, drawn: int, failed: int) -> Bar:
    inset = column * 0.16
    drawn_height, failed_height = (max(LEAST_HEIGHT, 100 * count / most) if count else 0 for count in (drawn, failed))
    drawn_y = 100 - drawn_height
    until = at + timedelta(hours=each)
    when = f"{at:%-d %B %H:%M}–{until:%H:%M} UTC"
    return Bar(
        _percent(number * column + inset),
        _percent(column - 2 * inset),
        _percent(drawn_y),
        _percent(drawn_height),
        _percent(max(0.0, drawn_y - failed_height)),
        _percent(failed_height),
        f"{when}: {drawn:,} drawn, {failed:,} failed",
    )


def _percent(number: float) -> str:
    return f"{number:.3f}%"
