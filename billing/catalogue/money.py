"""Amounts of money in words. They are integers in minor units everywhere; only here do they get a decimal point."""

from decimal import Decimal

SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "krw": "₩", "brl": "R$", "ils": "₪"}

# Currencies whose minor units are not hundredths, as Stripe counts them:
# https://docs.stripe.com/currencies#zero-decimal (ISK and UGX have none either, yet are counted in hundredths)
WHOLE = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
THOUSANDTHS = "bhd jod kwd omr tnd"
DIGITS = {**dict.fromkeys(WHOLE.split(), 0), **dict.fromkeys(THOUSANDTHS.split(), 3)}


def figure(amount: int, currency: str) -> str:
    """Return `amount` as it stands on a price tag: $9, $9.50, 9.50 where the currency has no sign of its own."""
    return _figure(_major(amount, currency), currency).removesuffix(f".{'0' * _digits(currency)}")


def full(amount: int, currency: str) -> str:
    """Return `amount` in full, as in $9.00 USD."""
    return f"{_figure(_major(amount, currency), currency)} {currency.upper()}"


def each(amount: int, currency: str, count: int) -> str:
    """Return what one of `count` costs, with up to two digits more where the usual ones would round: $0.10, $0.085."""
    usual = _digits(currency)
    share = _major(amount, currency) / count
    digits = next((digits for digits in (usual, usual + 1) if round(share, digits) == share), usual + 2)
    return _figure(round(share, digits), currency, digits)


def _major(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-_digits(currency))


def _digits(currency: str) -> int:
    return DIGITS.get(currency, 2)


def _figure(amount: Decimal, currency: str, digits: int | None = None) -> str:
    sign = "−" if amount < 0 else ""
    number = f"{abs(amount):,.{_digits(currency) if digits is None else digits}f}"
    return f"{sign}{SYMBOLS.get(currency, '')}{number}"
