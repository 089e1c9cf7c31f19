"""Which images their owner marked to find again."""

from generator.models import Generation


def mark(generation: Generation, *, favourite: bool) -> None:
    """Make `generation` a favourite, or no longer one; saying so twice changes nothing."""
    Generation.objects.kept().filter(pk=generation.pk).update(is_favourite=favourite)
    generation.is_favourite = favourite
