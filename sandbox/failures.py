"""The ways the sandbox can misbehave, and how a prompt asks for one.

Write a marker such as `[sandbox:refuse]` anywhere in a prompt, or set `SANDBOX_FAIL=refuse` to apply a mode to
every generation (a marker in the prompt wins). `DESCRIPTIONS` documents each mode; the index page shows it.
Counts of "the first n" are kept per exact prompt, in memory: a restart forgets them.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum

_MARKER = re.compile(r"\[sandbox:([^\]\s]*)\]", re.IGNORECASE)


class Mode(StrEnum):
    """One way to misbehave. The value is what a prompt or `SANDBOX_FAIL` names."""

    REFUSE = "refuse"
    FAIL = "fail"
    ERROR500 = "error500"
    ERROR500_ACCEPTED = "error500-accepted"
    ERROR503 = "error503"
    BUSY = "busy"
    UNAUTHORIZED = "unauthorized"
    PAYMENT = "payment"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    CUT_OFF = "cut-off"
    TIMEOUT_SUBMIT = "timeout-submit"
    SYNC_ANYWAY = "sync-anyway"
    STATUS500 = "status500"
    STATUS_BUSY = "status-busy"
    STATUS_GARBAGE = "status-garbage"
    STATUS_TIMEOUT = "status-timeout"
    PROCESSING_WORDS = "processing-words"
    LOST = "lost"
    NEVER = "never"
    NO_URL = "no-url"
    HTML = "html"
    TRUNCATED = "truncated"
    HUGE = "huge"
    BOMB = "bomb"
    PRIVATE_REDIRECT = "private-redirect"
    WRONG_TYPE = "wrong-type"
    SLOW_IMAGE = "slow-image"
    STALLED_IMAGE = "stalled-image"
    JPEG = "jpeg"
    WEBP = "webp"


DESCRIPTIONS: dict[Mode, str] = {
    Mode.REFUSE: "The submit is answered 422 with a content-policy message; nothing is accepted.",
    Mode.FAIL: "Accepted; later the status is “failed” with an error object.",
    Mode.ERROR500: "The submit is answered 500; nothing is accepted.",
    Mode.ERROR500_ACCEPTED: "The job is accepted and will complete, but the submit is answered 500.",
    Mode.ERROR503: "The first two submits of the prompt are answered 503 with Retry-After: 1; then normal.",
    Mode.BUSY: "The first two submits of the prompt are answered 429 with Retry-After: 1; then normal.",
    Mode.UNAUTHORIZED: "The submit is answered 401, as for a wrong key.",
    Mode.PAYMENT: "The submit is answered 402, as for an account without credits.",
    Mode.FORBIDDEN: "The submit is answered 403.",
    Mode.NOT_FOUND: "The submit is answered 404, as for an unknown model.",
    Mode.CUT_OFF: "The job is accepted and will complete, but the answer to the submit ends in its middle.",
    Mode.TIMEOUT_SUBMIT: "The job is accepted and will complete, but the submit gets no answer for 120 s.",
    Mode.SYNC_ANYWAY: "async: true is ignored; the submit waits and answers with the completed image.",
    Mode.STATUS500: "The first three status calls are answered 500; then normal.",
    Mode.STATUS_BUSY: "The first two status calls are answered 429 with Retry-After: 1; then normal.",
    Mode.STATUS_GARBAGE: "The first two status calls are answered 200 with text that is not JSON; then normal.",
    Mode.STATUS_TIMEOUT: "The first status call gets no answer for 60 s; then normal.",
    Mode.PROCESSING_WORDS: "The status is “queued”, then “in_progress”, before “completed”.",
    Mode.LOST: "Accepted; every status call is answered 404.",
    Mode.NEVER: "Accepted; the status stays “pending” for ever.",
    Mode.NO_URL: "Completed, but without a url.",
    Mode.HTML: "The image url answers 200 with an HTML page.",
    Mode.TRUNCATED: "The image is a PNG cut in half; Content-Length agrees, so only decoding reveals it.",
    Mode.HUGE: "The image starts as a PNG and streams on past 60 MB, without a Content-Length.",
    Mode.BOMB: "The image is a tiny PNG file that claims 30000 × 30000 pixels.",
    Mode.PRIVATE_REDIRECT: "The image url redirects to http://127.0.0.1:1/.",
    Mode.WRONG_TYPE: "The image is a GIF, served as image/png.",
    Mode.SLOW_IMAGE: "The image's bytes trickle in over 10 s (SANDBOX_SLOW_SECONDS).",
    Mode.STALLED_IMAGE: "The first fetch of the image stops halfway and hangs for 60 s; then normal.",
    Mode.JPEG: "The image is a real JPEG, served as image/jpeg.",
    Mode.WEBP: "The image is a real WebP, served as image/webp.",
}


class UnknownMode(ValueError):
    """A prompt carries a `[sandbox:...]` marker that names no mode: better loud than a test that proves nothing."""


def mode_of(prompt: str, default: Mode | None) -> Mode | None:
    """Return the mode the prompt's first marker asks for, else `default`. Raises UnknownMode."""
    marker = _MARKER.search(prompt)
    if marker is None:
        return default
    try:
        return Mode(marker[1].lower())
    except ValueError:
        raise UnknownMode(f"{marker[0]} names no sandbox mode; GET / lists them.") from None


class FirstCalls:
    """Counts calls per (kind, exact prompt), so that a mode can spoil only the first few."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()

    def among_first(self, n: int, *, kind: str, prompt: str) -> bool:
        """Count one call; True while it is one of the first `n`."""
        self._calls[kind, prompt] += 1
        return self._calls[kind, prompt] <= n
