"""Amounts of money in words, and words as amounts.

They are integers in minor units everywhere, as Stripe counts them; only here do they get or lose a decimal point.
"""

import re
from decimal import Decimal

SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "krw": "₩", "brl": "R$", "ils": "₪"}
MOST = 2_147_483_647  # what a column of ours holds

# Currencies whose minor units are not hundredths, as Stripe counts them:
# https://docs.stripe.com/currencies#zero-decimal, #three-decimal
WHOLE = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
THOUSANDTHS = "bhd jod kwd omr tnd"
DIGITS = {**dict.fromkeys(WHOLE.split(), 0), **dict.fromkeys(THOUSANDTHS.split(), 3)}
# What Stripe takes in steps of more than one minor unit: thousandths whose last digit is 0, and the two currencies
# that have no hundredths any more but are still counted in them (https://docs.stripe.com/currencies#special-cases).
STEPS = {**dict.fromkeys(THOUSANDTHS.split(), 10), "isk": 100, "ugx": 100}

_NUMBER = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?")


class NotMoney(ValueError):
    """What somebody wrote is no amount of the currency; the message says what to write instead."""


def figure(amount: int, currency: str) -> str:
    """Return `amount` as it stands on a price tag: $9, $9.50, 9.50 where the currency has no sign of its own."""
    return _figure(major(amount, currency), currency).removesuffix(f".{'0' * _digits(currency)}")


def full(amount: int, currency: str) -> str:
    """Return `amount` in full, as in $9.00 USD."""
    return f"{_figure(major(amount, currency), currency)} {currency.upper()}"


def each(amount: int, currency: str, count: int) -> str:
    """Return what one of `count` costs, with up to two digits more where the usual ones would round: $0.10, $0.085."""
    usual = _shown(currency)
    share = major(amount, currency) / count
    digits = next((digits for digits in (usual, usual + 1) if round(share, digits) == share), usual + 2)
    return _figure(round(share, digits), currency, digits)


def plain(amount: int, currency: str) -> str:
    """Return `amount` as somebody would write it into a field, as in 9.00, 900 (yen) or 9.500 (dinars)."""
    exact = major(amount, currency)
    return f"{exact:.{_places(exact, currency)}f}"


def major(amount: int, currency: str) -> Decimal:
    """Return minor units as an amount of the currency: 900 cents are 9.00, 900 yen are 900."""
    return Decimal(amount).scaleb(-_digits(currency))


def step(currency: str) -> Decimal:
    """Return the smallest amount that can be paid in the currency: 0.01, 1 (yen), 0.010 (dinars)."""
    return major(_smallest(currency), currency)


def parse(text: str, currency: str) -> int:
    """Return what somebody wrote, as in 9, 9.50 or 1,234.50, in minor units. Raises NotMoney."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise NotMoney(f"Write a number, as in {_example(currency)}: a point before the decimals, and no sign.")
    minor, smallest = Decimal(text.replace(",", "")).scaleb(_digits(currency)), _smallest(currency)
    if minor > MOST:
        raise NotMoney(f"That is too much: at most {full(MOST - MOST % smallest, currency)}.")
    if minor % smallest:
        words = f"{currency.upper()} is paid in steps of {plain(smallest, currency)}"
        raise NotMoney(f"{words}, as in {_example(currency)}.")
    return int(minor)


def _example(currency: str) -> str:
    return f"{Decimal(9):.{_shown(currency)}f}" if _shown(currency) else "900"


def _smallest(currency: str) -> int:
    return STEPS.get(currency.lower(), 1)


def _digits(currency: str) -> int:
    return DIGITS.get(currency.lower(), 2)


def _shown(currency: str) -> int:
    """How many decimals people see: none of a currency that has lost its hundredths."""
    return 0 if _smallest(currency) == 100 else _digits(currency)


def _places(amount: Decimal, currency: str) -> int:
    """How many decimals `amount` is shown with: all of them where an old payment has hundredths that are gone now."""
    return _shown(currency) if amount % 1 == 0 else _digits(currency)


def _figure(amount: Decimal, currency: str, digits: int | None = None) -> str:
    sign = "−" if amount < 0 else ""
    number = f"{abs(amount):,.{_places(amount, currency) if digits is None else digits}f}"
    return f"{sign}{SYMBOLS.get(currency.lower(), '')}{number}"
