"""Which of one's calls a page shows, as its address says it. All reading, nothing else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_date, parse_datetime

from billing import ledger
from billing.models import Wallet
from generator.calls import subjects
from generator.calls.writing import route_of
from generator.models import ApiCall, Generation
from kit.http.requests import without_nul

PAGE_SIZE = 50
CLASSES = {
    "2xx": (Q(status__lt=400), "Succeeded (2xx)"),
    "4xx": (Q(status__gte=400, status__lt=500), "Refused (4xx)"),
    "5xx": (Q(status__gte=500), "Failed (5xx)"),
}
_KEY = re.compile(r"[1-9]\d{0,17}")
_DAY = re.compile(r"2\d{3}-\d\d-\d\d")
_CURSOR = re.compile(r"(2\d{3}-\d\d-\d\dT[\d:.]{8,15}Z)~([1-9]\d{0,17})")
_LISTED = (  # a list shows no bodies, which are most of a row
    "request_id",
    "key_prefix",
    "is_test",
    "method",
    "path",
    "status",
    "error_code",
    "duration_ms",
    "credits",
    "image_id",
    "images",
    "is_look_up",
    "count",
    "created_at",
    "last_at",
    "api_key",
)


@dataclass(frozen=True)
class Filters:
    """What a call has to be. Days are UTC's and both included; `key` is an id, `search` a part of what names a call."""

    search: str = ""
    status: str = ""
    code: str = ""
    key: int | None = None
    path: str = ""
    since: date | None = None
    until: date | None = None
    look_ups: bool = False

    @property
    def condition(self) -> Q:
        """What the database looks for."""
        wanted = Q() if self.shows_look_ups else Q(is_look_up=False)
        if self.search and not self.image_id:
            wanted &= Q(request_id=self.search)
        if self.status:
            wanted &= CLASSES[self.status][0]
        if self.code:
            wanted &= Q(error_code=self.code)
        if self.key:
            wanted &= Q(api_key=self.key)
        if self.path:
            wanted &= Q(route=self.path)
        if self.since:
            wanted &= Q(created_at__gte=_midnight(self.since))
        if self.until:
            wanted &= Q(created_at__lt=_midnight(self.until + timedelta(days=1)))
        return wanted

    @property
    def image_id(self) -> str:
        """The image whose calls are searched for."""
        return self.search if self.search.startswith("img_") else ""

    @property
    def shows_look_ups(self) -> bool:
        """Whether successful look-ups are among what is shown: where they are asked for, or named by an id."""
        return self.look_ups or bool(self.search)

    @property
    def query(self) -> str:
        """The query of the page's address, without what is not filtered."""
        named = {
            "q": self.search,
            "status": self.status,
            "code": self.code,
            "key": self.key,
            "path": self.path,
            "from": self.since.isoformat() if self.since else "",
            "to": self.until.isoformat() if self.until else "",
            "lookups": "1" if self.look_ups else "",
        }
        return urlencode({name: value for name, value in named.items() if value})

    @property
    def without_look_ups(self) -> str:
        """The query of the same page that leaves look-ups out."""
        return replace(self, look_ups=False).query

    @property
    def with_look_ups(self) -> str:
        """The query of the same page that has look-ups too."""
        return replace(self, look_ups=True).query


@dataclass(frozen=True)
class Page:
    """Calls, newest first. `older` is where the next page begins, "" where there is none."""

    calls: list[ApiCall]
    older: str


def filters_of(query: Mapping[str, str]) -> Filters:
    """Return what an address asks for; what makes no sense in it is left out."""
    key, status = query.get("key", ""), query.get("status", "")
    path = _words(query, "path", 200)
    return Filters(
        search=_words(query, "q", 40),
        status=status if status in CLASSES else "",
        code=_words(query, "code", 60),
        key=int(key) if _KEY.fullmatch(key) else None,
        path=re.sub(r"\{[^/]*\}", "{id}", route_of(path)) if path else "",
        since=_day(query.get("from", "")),
        until=_day(query.get("to", "")),
        look_ups=query.get("lookups") == "1",
    )


def page(wallet: Wallet, filters: Filters, *, before: str = "", size: int = PAGE_SIZE) -> Page:
    """Return the wallet's calls that `filters` let through, those before a cursor. One query."""
    calls = _calls(wallet).filter(filters.condition)
    if filters.key and not ledger.keys_of(wallet).filter(pk=filters.key).exists():
        calls = calls.none()
    if filters.image_id:
        calls = calls.filter(_about(wallet, filters.image_id))
    if found := _CURSOR.fullmatch(before):
        at = parse_datetime(found[1])
        if at is not None:
            calls = calls.filter(created_at__lte=at).exclude(created_at=at, pk__gte=int(found[2]))
    shown = list(
        calls.select_related("api_key").only(*_LISTED, "api_key__name").order_by("-created_at", "-pk")[: size + 1]
    )
    older = ""
    if len(shown) > size:
        shown.pop()
        at = shown[-1].created_at.astimezone(UTC)
        older = f"{at:%Y-%m-%dT%H:%M:%S.%fZ}~{shown[-1].pk}"
    return Page(shown, older)


def find(wallet: Wallet, request_id: str) -> ApiCall | None:
    """Return a call of the wallet's by its request id."""
    return _calls(wallet).select_related("api_key").filter(request_id=without_nul(request_id[:40])).first()


def latest(wallet_id: int, count: int) -> list[ApiCall]:
    """Return a wallet's latest calls, without look-ups and bodies: as staff see them."""
    calls = ApiCall.objects.filter(wallet=wallet_id, is_look_up=False).select_related("api_key")
    return list(calls.only(*_LISTED, "api_key__name").order_by("-created_at", "-pk")[:count])


def images_of(wallet: Wallet, calls: list[ApiCall]) -> dict[str, Generation]:
    """Return the images that calls name and that are kept, by their ids. One query."""
    ids = {call.image_id for call in calls if call.image_id}
    found = wallet.generations.kept().filter(public_id__in=ids) if ids else ()
    return {generation.public_id: generation for generation in found}


def has_any(wallet: Wallet) -> bool:
    """Tell whether the wallet has called the API at all, as far as the log goes back."""
    return _calls(wallet).exists()


def _calls(wallet: Wallet) -> QuerySet[ApiCall]:
    return ApiCall.objects.filter(wallet=wallet)


def _about(wallet: Wallet, image_id: str) -> Q:
    generation = wallet.generations.filter(public_id=image_id).first()
    if generation is None:
        return Q(pk=None)
    return Q(pk__in=ApiCall.objects.filter(subjects.about(generation)).values("pk"))


def _words(query: Mapping[str, str], name: str, most: int) -> str:
    return without_nul(query.get(name, "")).strip()[:most]


def _day(text: str) -> date | None:
    try:
        return parse_date(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
