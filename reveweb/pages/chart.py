"""Usage as bars: where each goes in an SVG without a view box, in percent of its width and height."""

from dataclasses import dataclass
from datetime import date

from generator.library.usage import Day, Usage

LEAST_HEIGHT = 1.2  # percent, so that one image beside ten thousand can be seen
LABEL_EVERY = {7: 1, 30: 5, 90: 15}  # days


@dataclass(frozen=True)
class Segment:
    """The part of a bar that shows one kind of images."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True)
class Bar:
    """One day: the column that reacts to a pointer, and the bar in its middle."""

    day: Day
    column: str
    column_width: str
    x: str
    width: str
    segments: list[Segment]

    @property
    def words(self) -> str:
        """The day in one sentence."""
        parts = [f"{self.day.studio} in the studio", f"{self.day.api} over the API"]
        if self.day.failed:
            parts.append(f"{self.day.failed} failed, not charged")
        return f"{full_date(self.day.day)}: {', '.join(parts)}"


@dataclass(frozen=True)
class Label:
    """A date under the chart."""

    x: str
    anchor: str
    text: str


@dataclass(frozen=True)
class Chart:
    """All that the template draws. `ticks` are the numbers beside it, highest first."""

    bars: list[Bar]
    labels: list[Label]
    ticks: tuple[int, int, int]
    words: str


def of(usage: Usage) -> Chart:
    """Lay out the days of `usage`."""
    most = max(day.images + day.failed for day in usage.days)
    top = _ceiling(most)
    column = 100 / len(usage.days)
    bars = [_bar(number, day, column, top) for number, day in enumerate(usage.days)]
    return Chart(bars, _labels(usage.days, column), (top, top // 2, 0), _words(usage))


def full_date(day: date) -> str:
    """Return `day` in full, as in 7 November 2026."""
    return f"{day.day} {day:%B %Y}"


def _bar(number: int, day: Day, column: float, top: int) -> Bar:
    inset = column * (0.24 if column > 2 else 0.14)
    segments, y = [], 100.0
    for kind, count in (("studio", day.studio), ("api", day.api), ("failed", day.failed)):
        if count:
            height = max(LEAST_HEIGHT, 100 * count / top)
            y -= height
            segments.append(Segment(kind, _percent(max(0, y)), _percent(height)))
    left = number * column
    return Bar(day, _percent(left), _percent(column), _percent(left + inset), _percent(column - 2 * inset), segments)


def _labels(days: list[Day], column: float) -> list[Label]:
    every = LABEL_EVERY.get(len(days), len(days))
    text = "{0:%a} {0.day}" if every == 1 else "{0.day} {0:%b}"
    labels = []
    for number in range(len(days) - 1, -1, -every):
        x, anchor = (number + 0.5) * column, "middle"
        if every > 1 and x > 95:
            x, anchor = 100, "end"
        labels.append(Label(_percent(x), anchor, text.format(days[number].day)))
    return labels[::-1]


def _words(usage: Usage) -> str:
    words = f"{usage.studio} images in the studio and {usage.api} over the API in the last {len(usage.days)} days."
    if usage.failed:
        words += f" {usage.failed} more failed and were not charged."
    if usage.images:
        busiest = max(usage.days, key=lambda day: day.images)
        words += f" The busiest day was {full_date(busiest.day)} with {busiest.images}."
    return words


def _ceiling(most: int) -> int:
    """Return the round, even number at which the scale ends."""
    power = 1
    while True:
        for factor in (2, 4, 6, 10):
            if factor * power >= most:
                return factor * power
        power *= 10


def _percent(number: float) -> str:
    return f"{number:.3f}%"
