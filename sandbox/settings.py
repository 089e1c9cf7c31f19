"""What the sandbox reads from its environment, checked once at start."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.failures import Mode
from sandbox.stripe.config import StripeConfig

HOST = "127.0.0.1"
"""Loopback only: a stand-in that accepts any key has no business on a network."""


class SettingsError(ValueError):
    """An environment variable holds something the sandbox can't use; the message says which."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings. `seconds` is how long a generation takes, `slow_seconds` an image of `slow-image`."""

    port: int = 8002
    seconds: float = 3.0
    slow_seconds: float = 10.0
    fail: Mode | None = None
    directory: Path = Path("var/sandbox")
    api_key: str = ""
    plain: bool = False
    stripe: StripeConfig = field(default_factory=StripeConfig)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `SANDBOX_PORT`, `_SECONDS`, `_SLOW_SECONDS`, `_FAIL`, `_DIR`, `_API_KEY`, `_PICTURES`.

        Raises SettingsError.
        """
        source = os.environ if environ is None else environ
        return cls(
            port=_port(source.get("SANDBOX_PORT", "").strip() or "8002"),
            seconds=_seconds("SANDBOX_SECONDS", source.get("SANDBOX_SECONDS", "").strip() or "3"),
            slow_seconds=_seconds("SANDBOX_SLOW_SECONDS", source.get("SANDBOX_SLOW_SECONDS", "").strip() or "10"),
            fail=_mode(source.get("SANDBOX_FAIL", "").strip()),
            directory=Path(source.get("SANDBOX_DIR", "").strip() or "var/sandbox"),
            api_key=source.get("SANDBOX_API_KEY", "").strip(),
            plain=_plain(source.get("SANDBOX_PICTURES", "").strip() or "painted"),
            stripe=_stripe(StripeConfig.from_environment(source)),
        )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise SettingsError(f"SANDBOX_PORT must be a port number from 0 to 65535, not {text!r}")
    return int(text)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 86_400:
        raise SettingsError(f"{name} must be a number of seconds, 0 or more, not {text!r}")
    return seconds


def _mode(text: str) -> Mode | None:
    if not text:
        return None
    try:
        return Mode(text)
    except ValueError:
        known = ", ".join(mode.value for mode in Mode)
        raise SettingsError(f"SANDBOX_FAIL is {text!r}, which is none of: {known}") from None


def _stripe(config: StripeConfig) -> StripeConfig:
    addresses = {"SANDBOX_STRIPE_WEBHOOK_URL": config.webhook_url, "SANDBOX_STRIPE_PUBLIC_URL": config.public_url}
    for name, address in addresses.items():
        if address and not re.fullmatch(r"https?://[^\s/?#]+\S*", address):
            raise SettingsError(f"{name} must be an address that begins with http:// or https://, not {address!r}")
    return config


def _plain(text: str) -> bool:
    if text not in ("painted", "plain"):
        raise SettingsError(f"SANDBOX_PICTURES is {text!r}, which is neither painted nor plain")
    return text == "plain"
