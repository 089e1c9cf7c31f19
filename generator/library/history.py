"""What was asked for, however far it got, newest first and a page at a time: the API's list.

A cursor names a moment and a row, so what arrives or goes meanwhile moves nothing: nobody sees an image twice, or
misses one that was there when they began.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from generator.errors import InvalidRequest
from generator.library.filters import having_words
from generator.models import DEFAULT_MODEL, Generation, GenerationQuerySet, ImageModel

STATUSES = {
    "pending": Q(status__in=Generation.UNFINISHED),
    "completed": Q(status=Generation.Status.COMPLETED),
    "failed": Q(status=Generation.Status.FAILED),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Wanted:
    """What a list is to show: "" and None stand for all. `search` has the words that a prompt must have."""

    status: str = ""
    operation: str = ""
    model: ImageModel | None = None
    search: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None

    @property
    def condition(self) -> Q:
        """What the database looks for; the moments are not included."""
        wanted = having_words(self.search) & STATUSES.get(self.status, Q())
        if self.operation:
            wanted &= Q(operation=self.operation)
        if self.model is not None:
            before_there_were_others = Q(image_model=None) if self.model.slug == DEFAULT_MODEL else Q()
            wanted &= Q(image_model=self.model) | before_there_were_others
        if self.created_after:
            wanted &= Q(created_at__gt=self.created_after)
        if self.created_before:
            wanted &= Q(created_at__lt=self.created_before)
        return wanted


@dataclass(frozen=True)
class Page:
    """Some images, and the cursor of those that are older, "" where there are none."""

    images: Sequence[Generation]
    next: str


def page(mine: GenerationQuerySet, wanted: Wanted, *, limit: int, cursor: str = "") -> Page:
    """Return up to `limit` of `mine` from behind `cursor`. Raises InvalidRequest for one that is none. Two queries."""
    behind = Q()
    if cursor:
        at, pk = _read(cursor)
        # The first part is what the index is read by, from there on.
        behind = Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(pk__lt=pk))
    found = mine.filter(wanted.condition, behind).order_by("-created_at", "-pk")
    # First where they are, then what they are: rows are wide, and a database may have to sort many to find these.
    places = list(found.values_list("pk", "created_at")[: limit + 1])
    rows = Generation.objects.in_bulk([pk for pk, _ in places[:limit]])
    shown = [rows[pk] for pk, _ in places[:limit] if pk in rows]
    return Page(shown, _written(*places[limit - 1]) if len(places) > limit else "")


def _written(pk: int, at: datetime) -> str:
    return base64.urlsafe_b64encode(f"{(at - _EPOCH) // _MICROSECOND}.{pk}".encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, int]:
    try:
        told = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        moment, _, pk = told.partition(".")
        if not (moment.isdecimal() and pk.isdecimal()):
            raise ValueError(told)
        return _EPOCH + int(moment) * _MICROSECOND, min(int(pk), 2**63 - 1)
    except (binascii.Error, ValueError, OverflowError):
        raise InvalidRequest("cursor", "it must be the next_cursor of a list") from None
