"""What the stand-in for Stripe reads from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_LIVE = ("sk_live", "rk_live")


@dataclass(frozen=True, slots=True)
class StripeConfig:
    """Settings of the stand-in; the defaults suit a machine without any.

    `webhook_url` and `webhook_secret`: where events go and what signs them; without both, none are delivered.
    `key`: the only API key accepted; empty accepts any that begins with `sk_test_`.
    `public_url`: how browsers reach the hosted pages; empty takes the address that the API was called at.
    """

    webhook_url: str = ""
    webhook_secret: str = ""
    key: str = ""
    public_url: str = ""

    @classmethod
    def from_environment(cls, source: Mapping[str, str]) -> StripeConfig:
        """Read `SANDBOX_STRIPE_*`. Exits with status 1 beside a live key: simulated and real money must never mix."""
        if source.get("STRIPE_SECRET_KEY", "").strip().startswith(_LIVE):
            raise SystemExit(
                "sandbox: refusing to start: STRIPE_SECRET_KEY is a live key, and the sandbox is not Stripe"
            )
        return cls(
            webhook_url=source.get("SANDBOX_STRIPE_WEBHOOK_URL", "").strip(),
            webhook_secret=source.get("SANDBOX_STRIPE_WEBHOOK_SECRET", "").strip(),
            key=source.get("SANDBOX_STRIPE_KEY", "").strip(),
            public_url=source.get("SANDBOX_STRIPE_PUBLIC_URL", "").strip().rstrip("/"),
        )
