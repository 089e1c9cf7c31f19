"""How codes are written: case, spaces and dashes count for nothing, and what looks alike is the same."""

import hashlib
import re
import secrets
import unicodedata

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without 0 and O, 1, I and L
GROUP, GROUPS = 4, 4  # of a made code: 16 characters of 31, some 79 bits, which nobody guesses, nor finds by its hash
SHORTEST, LONGEST = 4, 40  # of a code, without what counts for nothing
PREFIX_LONGEST = 12

_NOTHING = re.compile(r"[\s\-_–—]+")
_FORM = re.compile(rf"[0-9A-Z]{{{SHORTEST},{LONGEST}}}")
_ALIKE = str.maketrans("OIL", "011")


def folded(typed: str) -> str:
    """Return the one spelling of a code as somebody typed it; "" for what can be no code."""
    plain = _NOTHING.sub("", unicodedata.normalize("NFKC", typed[: 4 * LONGEST])).upper()
    return plain.translate(_ALIKE) if _FORM.fullmatch(plain) else ""


def digest(typed: str) -> str:
    """Return what is kept of a code to know it by, "" for what can be none."""
    spelling = folded(typed)
    return hashlib.sha256(spelling.encode()).hexdigest() if spelling else ""


def made(prefix: str = "") -> str:
    """Return a new code that nobody can guess, in groups, with `prefix` in front."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    return "-".join(filter(None, [prefix, *groups]))


def tail(code: str) -> str:
    """Return what is shown of a code that is kept as a hash: enough to tell which, and no use to anybody."""
    return f"…{code[-GROUP:]}"
