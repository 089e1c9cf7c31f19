"""Words for the studio that wait in the session while somebody signs up or logs in.

In the session and not in the address: 4,000 characters in a URL are more than some servers take.
"""

from collections.abc import Mapping

from django.contrib.sessions.backends.base import SessionBase

MAX_LENGTH = 8_000  # characters of each that are kept, so that a text that is too long for an image is kept too

_KEY = "studio_draft"


def keep(session: SessionBase, settings: Mapping[str, str]) -> None:
    """Keep the studio's settings, by the names of its form, for the next visit there."""
    session[_KEY] = {name: text[:MAX_LENGTH] for name, text in settings.items()}


def take(session: SessionBase) -> dict[str, str] | None:
    """Return what was kept, once; None when nothing was."""
    kept: dict[str, str] | None = session.pop(_KEY, None)
    return kept
