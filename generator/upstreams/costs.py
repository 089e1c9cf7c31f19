"""What jobs cost the operator, in words: millionths of a unit of a currency, or of an upstream's own credits."""

from decimal import Decimal

from billing.catalogue import money

MICROS = 1_000_000


def worded(micros: int, currency: str) -> str:
    """Return an amount exactly, as in $0.04 USD, or 12 of its credits."""
    amount = plain(micros)
    if not currency:
        return f"{amount} of its credits"
    return figure(Decimal(micros) / MICROS, currency)


def figure(amount: Decimal, currency: str) -> str:
    """Return an amount of a currency, with the usual decimals at least: −$0.0125 USD."""
    usual = money.DIGITS.get(currency.lower(), 2)
    text = f"{abs(amount):,f}"
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0").ljust(usual, "0")
    sign = "−" if amount < 0 and (decimals.strip("0") or whole.strip("0,")) else ""
    symbol = money.SYMBOLS.get(currency.lower(), "")
    return f"{sign}{symbol}{whole}{f'.{decimals}' if decimals else ''} {currency.upper()}"


def plain(micros: int) -> str:
    """Return millionths as units, as somebody writes them into a field: 0.04, 12."""
    text = f"{Decimal(micros).scaleb(-6):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
