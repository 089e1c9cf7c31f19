"""All that a filter finds, as somebody saw it: what is done with many images that no page shows at once."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Max

from billing.models import Wallet
from generator.library.filters import Filters
from generator.models import Generation

CHUNK = 500  # images in one query, and in one transaction


@dataclass(frozen=True)
class Seen:
    """How many images a filter finds, and the public id of the newest of them, "" where there are none."""

    count: int
    newest: str


@dataclass(frozen=True)
class Selection:
    """What `filters` let through: `count` images from `newest` (a public id) on, without those in `but`.

    What was made since it was seen is newer than `newest`, and so in no selection.
    """

    filters: Filters
    newest: str
    count: int
    but: frozenset[str] = frozenset()

    def chunks(self, wallet: Wallet) -> Iterator[list[int]]:
        """Yield the keys of the images, newest first, never many at once, and each once, whatever changes meanwhile."""
        images = wallet.generations.completed().filter(self.filters.condition).order_by("-pk")
        newest = wallet.generations.filter(public_id=self.newest).values_list("pk", flat=True).first()
        below, left = (newest or 0) + 1, self.count
        while rows := list(images.filter(pk__lt=below).values_list("pk", "public_id")[: min(left, CHUNK)]):
            below, left = rows[-1][0], left - len(rows)
            yield [pk for pk, public_id in rows if public_id not in self.but]


def seen(wallet: Wallet, filters: Filters) -> Seen:
    """Return what `filters` find now. Two queries."""
    images = wallet.generations.completed().filter(filters.condition)
    found = images.aggregate(count=Count("pk"), newest=Max("pk"))
    newest = Generation.objects.filter(pk=found["newest"]).values_list("public_id", flat=True).first()
    return Seen(found["count"], newest or "")
