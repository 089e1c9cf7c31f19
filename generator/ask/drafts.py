"""Words for the studio that wait in the session while somebody signs up or logs in.

In the session and not in the address: 4,000 characters in a URL are more than some servers take.
"""

import time
from collections.abc import Mapping
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase

MAX_LENGTH = 8_000  # characters of each that are kept, so that a text that is too long for an image is kept too
PRESS_SECONDS = 3600  # for so long a press waits; later only its words do, as somebody else may sit there by then

_KEY = "studio_draft"
_PRESS = "studio_press"


def keep(session: SessionBase, settings: Mapping[str, str], *, press: UUID | None = None) -> None:
    """Keep the studio's settings, by the names of its form, for the next visit there.

    With `press` they were sent to be drawn, and are as soon as their owner is there: once under that nonce. Only for
    what came by a form of ours: nothing else may spend a credit.
    """
    session[_KEY] = {name: text[:MAX_LENGTH] for name, text in settings.items()}
    session.pop(_PRESS, None)
    if press is not None:
        session[_PRESS] = [str(press), int(time.time())]


def take(session: SessionBase) -> dict[str, str] | None:
    """Return what was kept, once; None when nothing was."""
    session.pop(_PRESS, None)
    kept: dict[str, str] | None = session.pop(_KEY, None)
    return kept


def take_press(session: SessionBase) -> dict[str, str] | None:
    """Return what was sent to be drawn, once, with its `nonce`; None when nothing was or it is too long ago."""
    nonce, at = session.get(_PRESS, ("", 0))
    if not nonce or time.time() - at > PRESS_SECONDS:
        return None
    kept = take(session)
    return None if kept is None else {**kept, "nonce": nonce}
