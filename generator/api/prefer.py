"""What a caller prefers (RFC 7240): to be kept waiting for so long, or to be answered at once.

A preference that is malformed, unknown or out of bounds is ignored, as the RFC has it: it is no reason to refuse. Of
one that comes twice the first is taken.
"""

import re
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

_MOST_LENGTH = 1000  # characters; nobody prefers so much
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (a word of HTTP's grammar)
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED})+')
_PREFERENCE = re.compile(rf"\s*({_TOKEN})(?:\s*=\s*({_TOKEN}|{_QUOTED}))?\s*(?:;.*)?", re.DOTALL)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)

PREFER_HEADER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: wait for up to N seconds, and be answered with what there is then. `respond-async`: be "
    "answered at once. It counts more than `async`; what is malformed is ignored (RFC 7240).",
    "schema": {"type": "string", "examples": ["wait=30", "respond-async"]},
}


@dataclass(frozen=True)
class Preference:
    """How long a caller is willing to wait, in whole seconds, where that was said."""

    wait: int | None = None
    is_async: bool = False

    def seconds(self, unasked: float) -> float:
        """How long to wait: what is preferred, or else `unasked`."""
        if self.wait is not None:
            return self.wait
        return 0.0 if self.is_async else unasked

    def applied(self, *, is_pending: bool, has_waited: bool = True) -> str:
        """What the answer says was done of it, "" for nothing."""
        done = ["respond-async"] if self.is_async and is_pending else []
        if self.wait is not None and has_waited:
            done.append(f"wait={self.wait}")
        return ", ".join(done)


def of(request: HttpRequest) -> Preference:
    """Return what a request prefers. More than SYNC_WAIT_SECONDS is cut to that."""
    told = request.headers.get("Prefer", "")
    if not told or len(told) > _MOST_LENGTH:
        return Preference()
    named: dict[str, str] = {}
    for element in _ELEMENT.findall(told):
        if found := _PREFERENCE.fullmatch(element):
            value = found[2] or ""
            named.setdefault(found[1].lower(), re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value)
    seconds = int(named["wait"]) if _SECONDS.fullmatch(named.get("wait", "")) else 0
    wait = min(seconds, int(settings.SYNC_WAIT_SECONDS)) if seconds else None
    return Preference(wait, named.get("respond-async") == "")
