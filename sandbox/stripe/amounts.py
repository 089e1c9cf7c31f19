"""Amounts in words. Everything else counts in minor units."""

from __future__ import annotations

_WHOLE = frozenset(("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf").split())  # noqa: SIM905
"""Currencies without a minor unit: https://docs.stripe.com/currencies#zero-decimal."""


def in_words(amount: int, currency: str) -> str:
    """Return minor units as people read them, like `9.00 USD`."""
    if currency in _WHOLE:
        return f"{amount} {currency.upper()}"
    sign, amount = ("−", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 100}.{amount % 100:02d} {currency.upper()}"
