"""Which images their owner marked to find again. Samples of test keys are none of them: they go after some days."""

from collections.abc import Collection

from billing.models import Wallet
from generator.library.selection import Selection
from generator.models import Generation


def mark(generation: Generation, *, favourite: bool) -> None:
    """Make `generation` a favourite, or no longer one; saying so twice changes nothing."""
    Generation.objects.kept().real().filter(pk=generation.pk).update(is_favourite=favourite)
    generation.is_favourite = favourite


def mark_all(wallet: Wallet, public_ids: Collection[str], *, favourite: bool) -> int:
    """Make those of the wallet's images favourites, or no longer; return how many there are, changed or not."""
    return wallet.generations.completed().real().filter(public_id__in=public_ids).update(is_favourite=favourite)


def mark_selection(wallet: Wallet, selection: Selection, *, favourite: bool) -> int:
    """Do what `mark_all` does with all images of a selection, a chunk at a time."""
    images = wallet.generations.completed().real()
    return sum(images.filter(pk__in=some).update(is_favourite=favourite) for some in selection.chunks(wallet))
