"""The keys of upstreams at rest: encrypted under the installation's secret, or named by a variable of the environment.

What `Upstream.secret` holds is one of
- "": the key that the environment has for the first upstream, `settings.UPSTREAM_API_KEY`;
- `env:NAME`: the value of that variable;
- a Fernet token under a key derived from SECRET_KEY, or from one of SECRET_KEY_FALLBACKS until it is sealed anew.

Nothing but `reveal` gives a key back, and only a dialect needs it.
"""

import os
import re

from django.conf import settings

from generator.upstreams.errors import Kind, OperatorTrouble
from kit.sealed import Seal, Unsealable

ENV = "env:"
MOST = 2000  # characters of a key
_SEAL = Seal(b"reveweb: the keys of upstreams")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_KEY = re.compile(r"[!-~]+")  # as it goes into a header
# What opens something of ours beside the settings that were read: for libraries, or for a service not in use just now.
_OTHERS = ("AWS_", "DJANGO_", "EMAIL_", "PG", "S3_", "STRIPE_")


class NoKey(OperatorTrouble):
    """An upstream's key is not to be had; the message says why, and never what is stored."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Kind.KEY_REFUSED)


def seal(key: str) -> str:
    """Return what to store for a key, or for the name of a variable as `env:NAME`; "" stays.

    Raises ValueError for what can be neither, in words for whoever typed it, which do not repeat it.
    """
    key = key.strip()
    if not key:
        return ""
    if key.startswith(ENV):
        if words := _wrong_name(key.removeprefix(ENV)):
            raise ValueError(words)
        return key
    if len(key) > MOST or not _KEY.fullmatch(key):
        raise ValueError(f"A key has at most {MOST:,} characters, letters, digits and signs of ASCII without blanks.")
    return _SEAL.close(key)


def reveal(stored: str) -> str:
    """Return the key that `seal` stored. Raises NoKey."""
    if not stored:
        return str(settings.UPSTREAM_API_KEY)
    if stored.startswith(ENV):
        name = stored.removeprefix(ENV)
        if words := _wrong_name(name):
            raise NoKey(words)
        value = os.environ[name].strip()
        if not _KEY.fullmatch(value):
            raise NoKey(f"The variable {name} of the environment holds no key: it has blanks, or more than ASCII.")
        return value
    try:
        return _SEAL.open(stored)
    except Unsealable:
        raise NoKey(
            "Its key was sealed under a SECRET_KEY that is neither the present one nor in SECRET_KEY_FALLBACKS. "
            "Add that one there, or set the key again."
        ) from None


def problem(stored: str) -> str:
    """Say why the key is not to be had; "" where it is."""
    try:
        reveal(stored)
    except NoKey as error:
        return str(error)
    return ""


def told(stored: str) -> str:
    """Say in a few words where the key comes from, and nothing of what it is."""
    if not stored:
        return "REVE_API_KEY"
    if stored.startswith(ENV):
        return stored
    return "Cannot be opened" if problem(stored) else "Set"


def is_newest(stored: str) -> bool:
    """Tell whether SECRET_KEY_FALLBACKS may go as far as this one needs it."""
    return not stored or stored.startswith(ENV) or _SEAL.is_newest(stored)


def reseal(stored: str) -> str:
    """Return the same key sealed under the present SECRET_KEY. Raises NoKey."""
    return stored if is_newest(stored) else seal(reveal(stored))


def _wrong_name(name: str) -> str:
    """Say why `name` names no upstream's key; "" where it does."""
    if not _NAME.fullmatch(name):
        return "Behind env: stands the name of a variable: capitals, digits and underscores, a capital first."
    # Else whoever may add an upstream could have the secrets of the installation sent to it.
    if name != "REVE_API_KEY" and (name in settings.ENVIRONMENT_READ or name.startswith(_OTHERS)):
        return f"The variable {name} is the installation's own, and no upstream's key."
    if not os.environ.get(name, "").strip():
        return f"The environment has no variable {name}, or it is blank. It is read when a process starts."
    return ""
