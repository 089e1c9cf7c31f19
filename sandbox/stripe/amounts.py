"""Amounts in words. Everything else counts in minor units."""

from __future__ import annotations

_WHOLE = frozenset(("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf").split())  # noqa: SIM905
"""Currencies without a minor unit: https://docs.stripe.com/currencies#zero-decimal. UGX is counted in hundredths."""
_THOUSANDTHS = frozenset(("bhd jod kwd omr tnd").split())  # noqa: SIM905


def in_words(amount: int, currency: str) -> str:
    """Return minor units as people read them, like `9.00 USD`."""
    sign, amount = ("−", -amount) if amount < 0 else ("", amount)
    digits = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    whole, rest = divmod(amount, 10**digits)
    return f"{sign}{whole}{f'.{rest:0{digits}d}' if digits else ''} {currency.upper()}"
