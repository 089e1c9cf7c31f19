"""Which of one's images the gallery shows, as its address says it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format

from generator.models import ASPECT_RATIOS
from kit.http.requests import without_nul
from kit.text import folded

SEARCH_MAX_LENGTH = 200
STUDIO, API, TESTS = "studio", "api", "tests"
_DAY = re.compile(r"2\d{3}-\d\d-\d\d")

Sources = Mapping[str, str]  # what `source` may be in the address → its name


@dataclass(frozen=True)
class Chip:
    """An active filter: its words, and the address's query without it."""

    words: str
    without: str


@dataclass(frozen=True)
class Filters:
    """What an image has to be. Days are UTC's and both included.

    `source` is `studio`, `api`, `tests` or `key-<number>`. Samples of test keys are shown to whoever asks
    for them, or for their key, and are no images otherwise.
    """

    search: str = ""
    favourites: bool = False
    ratios: tuple[str, ...] = ()
    source: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def condition(self) -> Q:
        """What the database looks for. An image's prompt has to have every word of the search."""
        wanted = having_words(self.search)
        if self.favourites:
            wanted &= Q(is_favourite=True)
        if self.ratios:
            wanted &= Q(aspect_ratio__in=self.ratios)
        if self.since:
            wanted &= Q(created_at__gte=_midnight(self.since))
        if self.until:
            wanted &= Q(created_at__lt=_midnight(self.until + timedelta(days=1)))
        return wanted & self._from_source()

    @property
    def query(self) -> str:
        """The query of the gallery's address, without what is not filtered; empty when nothing is."""
        return urlencode(self.pairs)

    @property
    def suffix(self) -> str:
        """The query with its question mark, for the end of an address; empty when nothing is filtered."""
        return f"?{self.query}" if self.query else ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query as names and values."""
        return [
            *([("q", self.search)] if self.search else []),
            *([("favourites", "1")] if self.favourites else []),
            *(("ratio", ratio) for ratio in self.ratios),
            *([("source", self.source)] if self.source else []),
            *([("from", self.since.isoformat())] if self.since else []),
            *([("to", self.until.isoformat())] if self.until else []),
        ]

    def chips(self, sources: Sources) -> list[Chip]:
        """Return the active filters beside the search, in the order of the bar."""
        chips = []
        if self.favourites:
            chips.append(Chip("Favourites", replace(self, favourites=False).query))
        for ratio in self.ratios:
            others = tuple(other for other in self.ratios if other != ratio)
            chips.append(Chip(ratio, replace(self, ratios=others).query))
        if self.source:
            chips.append(Chip(sources[self.source], replace(self, source="").query))
        if self.since or self.until:
            chips.append(Chip(self._days(), replace(self, since=None, until=None).query))
        return chips

    def _from_source(self) -> Q:
        match self.source.partition("-"):
            case ("studio", _, _):
                return Q(api_key=None, is_test=False)
            case ("api", _, _):
                return Q(api_key__isnull=False, is_test=False)
            case ("tests", _, _):
                return Q(is_test=True)
            case ("key", _, number):
                return Q(api_key_id=int(number))
        return Q(is_test=False)

    def _days(self) -> str:
        first, last = (date_format(day, "j M Y") if day else "" for day in (self.since, self.until))
        if first == last:
            return first
        if first and last:
            return f"{first} – {last}"
        return f"From {first}" if first else f"Until {last}"


def having_words(search: str) -> Q:
    """Return what the database looks for so that a prompt has every word of `search`; samples of test keys as well."""
    wanted = Q()
    for word in folded(search).split():
        wanted &= Q(search_text__contains=word)
    return wanted


def filters_of(query: QueryDict, sources: Sources) -> Filters:
    """Return what an address asks for; what makes no sense in it is left out."""
    source = query.get("source", "")
    ratios = set(query.getlist("ratio"))
    return Filters(
        search=" ".join(without_nul(query.get("q", ""))[:SEARCH_MAX_LENGTH].split()),
        favourites=query.get("favourites") == "1",
        ratios=tuple(ratio for ratio in ASPECT_RATIOS if ratio in ratios),
        source=source if source in sources else "",
        since=_day(query.get("from", "")),
        until=_day(query.get("to", "")),
    )


def presets() -> list[tuple[str, str, str]]:
    """Return usual ranges of days as name, first and last day, both as the address has them."""
    today = timezone.now().astimezone(UTC).date()
    ranges = [
        ("Today", today),
        ("Last 7 days", today - timedelta(days=6)),
        ("Last 30 days", today - timedelta(days=29)),
    ]
    return [(name, first.isoformat(), today.isoformat()) for name, first in ranges]


def _day(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
