"""Letters that an endpoint must refuse, or ignore without a trace."""

from __future__ import annotations

import time

from sandbox.stripe.webhooks.signature import header

DESCRIPTIONS = {
    "wrong_secret": "signed with another secret",
    "unsigned": "without a signature",
    "stale": "signed an hour ago",
    "future": "signed an hour ahead",
    "tampered": "changed after it was signed",
    "truncated": "cut in half after it was signed",
    "garbage": "rightly signed, and not JSON",
    "none": "rightly signed, of a type and an object that never were",
}


def letter(body: str, forgery: str, secret: str) -> tuple[bytes, str]:
    """Return the bytes and the signature to send, spoiled as asked; an honest letter for no forgery."""
    now, content = int(time.time()), body.encode()
    if forgery == "garbage":
        content = b"{not json"
    if forgery == "unsigned":
        return content, ""
    if forgery == "wrong_secret":
        secret = "whsec_" + "0" * 32
    shift = {"stale": -3600, "future": 3600}.get(forgery, 0)
    signature = header(body=content, secret=secret, timestamp=now + shift)
    if forgery == "tampered":
        content += b" "
    if forgery == "truncated":
        content = content[: len(content) // 2]
    return content, signature
