"""Public links: an image's page for anybody who has its link, for as long as its owner wants."""

import re
import secrets

from generator.library import showcase
from generator.models import Generation, GenerationQuerySet

_TOKEN = re.compile(r"[0-9A-Za-z_-]{22}")
_OF_FILES = ("share_token", "is_listed", "file_token", "file_extension", "finished_at", "model", "operation")


def share(generation: Generation) -> None:
    """Give a completed image a public link, unless it has one.

    A sample of a test key gets none, nor does what was taken down.
    """
    own = Generation.objects.completed().real().filter(pk=generation.pk)
    own.filter(share_token=None, taken_down_at=None).update(share_token=secrets.token_urlsafe(16))
    generation.refresh_from_db(fields=["share_token"])


def unshare(generation: Generation) -> None:
    """End the public link for ever: sharing again makes another one. What is not shared is not on Explore either."""
    Generation.objects.filter(pk=generation.pk).update(share_token=None, is_listed=False)
    generation.share_token, generation.is_listed = None, False


def show_on_explore(generation: Generation, *, listed: bool) -> bool:
    """Show a shared image on Explore, or no longer; one that is not shared stays off it.

    Returns False when staff took it off: then its owner can't put it back.
    """
    if listed and showcase.was_taken_off(generation):
        return False
    shared = Generation.objects.completed().filter(pk=generation.pk, share_token__isnull=False)
    shared.update(is_listed=listed)
    generation.refresh_from_db(fields=["share_token", "is_listed"])
    return True


def shared_image(token: str) -> Generation | None:
    """Return the image behind a public link, None when there is none, its owner took it away, or is suspended."""
    return _with_token(_shown(), token).select_related("wallet").first()


def shared_file(token: str) -> Generation | None:
    """Return the same with no more than its files need: a page asks for many, each on its own."""
    return _with_token(_shown(), token).only(*_OF_FILES).first()


def file_on_explore(token: str) -> Generation | None:
    """Return the same, but only while the image is on Explore."""
    return _with_token(showcase.shown(), token).only(*_OF_FILES).first()


def _shown() -> GenerationQuerySet:
    return Generation.objects.completed().filter(wallet__user__is_active=True)


def _with_token(generations: GenerationQuerySet, token: str) -> GenerationQuerySet:
    return generations.filter(share_token=token) if _TOKEN.fullmatch(token) else generations.none()
