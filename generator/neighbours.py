"""The images beside an image, as the gallery has them. All reading."""

from dataclasses import dataclass

from generator.models import Generation


@dataclass(frozen=True)
class Neighbours:
    """The public ids of the next newer and the next older image, "" where there is none."""

    newer: str
    older: str


def neighbours_of(generation: Generation) -> Neighbours:
    """Return what is beside `generation` in its owner's gallery, in two queries however large it is."""
    images = generation.account.generations.completed().values_list("public_id", flat=True)
    return Neighbours(
        newer=images.filter(pk__gt=generation.pk).order_by("pk").first() or "",
        older=images.filter(pk__lt=generation.pk).order_by("-pk").first() or "",
    )
