"""The images beside an image, as the gallery has them. All reading."""

from dataclasses import dataclass

from generator.library.filters import TESTS, Filters
from generator.models import Generation


@dataclass(frozen=True)
class Neighbours:
    """The public ids of the next newer and the next older image, "" where there is none."""

    newer: str
    older: str


def neighbours_of(generation: Generation, filters: Filters | None = None) -> Neighbours:
    """Return what is beside `generation` among those images of its owner's gallery that `filters` let through.

    Two queries however large the gallery is. The image itself may be one that they don't let through.
    """
    filters = filters or Filters(source=TESTS if generation.is_test else "")
    images = generation.wallet.generations.completed().filter(filters.condition)
    ids = images.values_list("public_id", flat=True)
    return Neighbours(
        newer=ids.filter(pk__gt=generation.pk).order_by("pk").first() or "",
        older=ids.filter(pk__lt=generation.pk).order_by("-pk").first() or "",
    )
