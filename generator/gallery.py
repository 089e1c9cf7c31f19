"""Which of an account's generations a page shows. All reading, nothing else."""

from dataclasses import dataclass

from billing.models import Account
from generator.models import Generation

PAGE_SIZE = 40
HISTORY_SIZE = 30
QUERY_MAX_LENGTH = 200


@dataclass(frozen=True)
class Page:
    """A page of completed images, newest first. `older` is the last one's public id when there are more."""

    images: list[Generation]
    older: str | None


def history(account: Account) -> list[Generation]:
    """Return what was last asked for in the studio, newest first, however far it got."""
    return list(account.generations.filter(api_key=None).order_by("-pk")[:HISTORY_SIZE])


def page(account: Account, *, search: str = "", before: str = "") -> Page:
    """Return the completed images whose prompt has every word of `search`, from just before the image `before`.

    Two queries at most, however many images there are. An unknown `before` begins at the newest.
    """
    images = account.generations.filter(status=Generation.Status.COMPLETED)
    for word in search[:QUERY_MAX_LENGTH].replace("\x00", "").split():
        images = images.filter(prompt__icontains=word)
    if before and (last := account.generations.filter(public_id=before[:40].replace("\x00", "")).first()):
        images = images.filter(pk__lt=last.pk)
    found = list(images.order_by("-pk")[: PAGE_SIZE + 1])
    more = len(found) > PAGE_SIZE
    return Page(found[:PAGE_SIZE], found[PAGE_SIZE - 1].public_id if more else None)
