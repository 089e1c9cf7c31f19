"""The images that a form means: those it names, or all that a filter found (`all`)."""

import re
from datetime import datetime

from django.core.exceptions import BadRequest
from django.http import HttpRequest, QueryDict

from billing.models import Wallet
from generator.library import listing
from generator.library.filters import filters_of
from generator.library.selection import Selection
from generator.library.trash import MOST_AT_ONCE
from generator.models import PUBLIC_ID

_IDS = re.compile(r"img_[0-9A-Za-z]{1,36}(,img_[0-9A-Za-z]{1,36})*")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")


def ids_of(request: HttpRequest) -> list[str]:
    """Return the ids that the form names in `ids` (repeated, or separated by commas), each once. Raises BadRequest."""
    return _ids(",".join(request.POST.getlist("ids")))


def selection_of(request: HttpRequest, wallet: Wallet) -> Selection | None:
    """Return what a form with `all=1` means, None for one that names images. Raises BadRequest.

    `filter` is the query of the gallery's address, `newest` and `count` are what was seen of it (`gallery_count`), and
    `but` names those that were taken out, as `ids` would.
    """
    form = request.POST
    if form.get("all") != "1":
        return None
    newest, count, but = form.get("newest", ""), form.get("count", ""), form.get("but", "")
    if not PUBLIC_ID.fullmatch(newest) or not _COUNT.fullmatch(count):
        raise BadRequest("Send the newest image and the number of images that were seen.")
    query = QueryDict(form.get("filter", ""))
    filters = filters_of(query, listing.sources_of(wallet, query))
    return Selection(filters, newest, int(count), frozenset(_ids(but) if but else ()))


def together_of(request: HttpRequest) -> datetime | None:
    """Return the moment `together` at which images were trashed at once, None where the form has none.

    Raises BadRequest.
    """
    given = request.POST.get("together")
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise BadRequest("Send the time at which they were deleted.") from None
    if at.tzinfo is None:
        raise BadRequest("Send the time with its zone.")
    return at


def _ids(given: str) -> list[str]:
    if not _IDS.fullmatch(given):
        raise BadRequest("Send the ids of images.")
    ids = list(dict.fromkeys(given.split(",")))
    if len(ids) > MOST_AT_ONCE:
        raise BadRequest(f"At most {MOST_AT_ONCE} images at once.")
    return ids
