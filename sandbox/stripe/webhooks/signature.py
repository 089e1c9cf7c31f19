"""The `Stripe-Signature` header, as documented at https://docs.stripe.com/webhooks/signature."""

from __future__ import annotations

import hashlib
import hmac


def header(*, body: bytes, secret: str, timestamp: int) -> str:
    """Return `t=…,v1=…`: HMAC-SHA256 over `t.body`. `timestamp` is real time, in Unix seconds."""
    signed = f"{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
