"""Which of a wallet's generations a page shows. All reading, nothing else."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.http import QueryDict

from accounts import keys
from accounts.models import ApiKey
from billing import ledger
from billing.models import Wallet
from generator.library.filters import API, STUDIO, TESTS, Filters, Sources
from generator.models import Generation
from kit.http.requests import without_nul

PAGE_SIZE = 20  # two screens of them; the next page is fetched before anybody gets there
PAGE_MOST = 480  # for somebody who comes back to a place far down
HISTORY_SIZE = 30
ENDED_MOST = 100
_KEY = re.compile(r"key-([1-9]\d{0,17})")


@dataclass(frozen=True)
class Page:
    """A page of completed images, newest first. `older` is the last one's public id when there are more."""

    images: list[Generation]
    older: str | None


def history(wallet: Wallet) -> list[Generation]:
    """Return what was last asked for, in the studio or over the API, newest first, however far it got."""
    return list(wallet.generations.kept().real().order_by("-pk")[:HISTORY_SIZE])


@dataclass(frozen=True)
class Start:
    """Where a page begins, as `page` takes it."""

    before: str
    size: int


def start_at(wallet: Wallet, filters: Filters, public_id: str) -> Start:
    """Return where a page begins that shows an image with others around it: at the newest unless that is too far.

    Two queries at most, which look no further than a page may be long.
    """
    place = _place(wallet, public_id)
    if place is None:
        return Start("", PAGE_SIZE)
    newer = wallet.generations.completed().filter(filters.condition, pk__gt=place).order_by("pk")
    above = list(newer.values_list("public_id", flat=True)[:PAGE_MOST])
    if len(above) + PAGE_SIZE <= PAGE_MOST:
        return Start("", len(above) + PAGE_SIZE)
    return Start(above[PAGE_SIZE], 2 * PAGE_SIZE)


def page(wallet: Wallet, filters: Filters | None = None, *, before: str = "", size: int = PAGE_SIZE) -> Page:
    """Return the completed images that `filters` let through, from just before the image `before`.

    Three queries at most, however many images there are. An unknown `before` begins at the newest.
    """
    images = wallet.generations.completed().filter((filters or Filters()).condition)
    if before and (last := _place(wallet, before)):
        images = images.filter(pk__lt=last)
    # First where they are, then what they are: rows are wide, and a database may have to sort many to find these.
    found = list(images.order_by("-pk").values_list("pk", flat=True)[: size + 1])
    shown = list(wallet.generations.completed().filter(pk__in=found[:size]).order_by("-pk"))
    return Page(shown, shown[-1].public_id if shown and len(found) > size else None)


def sources_of(wallet: Wallet, query: QueryDict) -> Sources:
    """Return what `source` may be in an address of the wallet's gallery, as far as `query` asks for it.

    Every key of the wallet is one, listed in the filter or not: left out, it would stand for all images.
    One query at most.
    """
    named = {STUDIO: "Studio", API: "API, any key", TESTS: "Test keys"}
    if chosen := _KEY.fullmatch(query.get("source", "")):
        key = ledger.keys_of(wallet).filter(pk=int(chosen[1])).first()
        named |= {f"key-{key.pk}": _name(key)} if key else {}
    return named


@dataclass(frozen=True)
class KeySources:
    """The keys that the filter lists, by what the address calls them: those that work, and others that made images.

    `has_tests`: some of them are test keys.
    """

    live: Sources
    ended: Sources
    has_tests: bool


def keys_of(wallet: Wallet) -> KeySources:
    """Return the wallet's keys for the filter, the newest first: all that work, and `ENDED_MOST` others.

    Two queries. What works is few (`accounts.keys.MOST_KEYS`). Others are joined to images, which with 10,000 of them
    takes 10 to 30 ms on either database; a subquery for each one takes PostgreSQL seconds when few have any.
    """
    working, gone = keys.split(ledger.keys_of(wallet).order_by("-pk"))
    made = Exists(Generation.objects.completed().filter(api_key=OuterRef("pk")))
    live, ended = list(working), list(gone.filter(made)[:ENDED_MOST])
    return KeySources(_named(live), _named(ended), any(key.is_test for key in (*live, *ended)))


def _named(found: Iterable[ApiKey]) -> Sources:
    return {f"key-{key.pk}": _name(key) for key in found}


def _name(key: ApiKey) -> str:
    ended = "revoked" if key.revoked_at else "expired" if key.is_expired else ""
    said = ", ".join(filter(None, ["test" if key.is_test else "", ended]))
    return f"{key.name} ({said})" if said else key.name


def _place(wallet: Wallet, public_id: str) -> int | None:
    """Return where an image of the account stands, also one that was trashed meanwhile."""
    known = wallet.generations.filter(public_id=without_nul(public_id[:40]))
    return known.values_list("pk", flat=True).first()
