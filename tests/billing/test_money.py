"""Amounts of money as people read and write them, in every way that Stripe counts."""

from decimal import Decimal

import pytest

from billing.catalogue import money
from billing.models import Payment

CURRENCIES = ["usd", "eur", "chf", "jpy", "krw", "clp", "kwd", "bhd", "tnd", "isk", "ugx", "huf", "twd"]


@pytest.mark.parametrize(
    ("amount", "currency", "tag", "in_full"),
    [
        (900, "usd", "$9", "$9.00 USD"),
        (950, "usd", "$9.50", "$9.50 USD"),
        (123456789, "eur", "€1,234,567.89", "€1,234,567.89 EUR"),
        (900, "jpy", "¥900", "¥900 JPY"),
        (9500, "kwd", "9.500", "9.500 KWD"),
        (9000, "kwd", "9", "9.000 KWD"),
        (50000, "isk", "500", "500 ISK"),
        (4010, "isk", "40.10", "40.10 ISK"),
        (370000, "ugx", "3,700", "3,700 UGX"),
        (1000, "chf", "10", "10.00 CHF"),
        (-500, "gbp", "−£5", "−£5.00 GBP"),
        (0, "usd", "$0", "$0.00 USD"),
    ],
)
def test_money_is_written_as_its_currency_counts(amount: int, currency: str, tag: str, in_full: str) -> None:
    assert money.figure(amount, currency) == tag
    assert money.full(amount, currency) == in_full


@pytest.mark.parametrize(
    ("amount", "currency", "count", "one"),
    [
        (900, "usd", 100, "$0.09"),
        (2900, "usd", 400, "$0.0725"),
        (850, "usd", 100, "$0.085"),
        (100, "usd", 3, "$0.3333"),
        (1000, "jpy", 100, "¥10"),
        (1250, "jpy", 100, "¥12.5"),
        (2800, "kwd", 100, "0.028"),
        (120000, "isk", 100, "12"),
    ],
)
def test_the_price_of_one_image_is_not_rounded_away(amount: int, currency: str, count: int, one: str) -> None:
    assert money.each(amount, currency, count) == one


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("9", "usd", 900),
        ("9.5", "usd", 950),
        (" 9.50 ", "USD", 950),
        ("1,234.50", "eur", 123450),
        ("900", "jpy", 900),
        ("900.00", "jpy", 900),
        ("9.500", "kwd", 9500),
        ("9.5", "kwd", 9500),
        ("0.01", "kwd", 10),
        ("500", "isk", 50000),
        ("3700", "ugx", 370000),
        ("0", "usd", 0),
        ("21474836.47", "usd", 2147483647),
    ],
)
def test_what_somebody_writes_is_counted_as_stripe_counts(text: str, currency: str, minor: int) -> None:
    assert money.parse(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "words"),
    [
        ("", "usd", "Write a number, as in 9.00"),
        ("nine", "usd", "Write a number, as in 9.00"),
        ("9,50", "eur", "a point before the decimals"),
        ("1.234,50", "eur", "a point before the decimals"),
        ("-5", "usd", "no sign"),
        ("$5", "usd", "no sign"),
        ("1e3", "usd", "Write a number"),
        ("NaN", "usd", "Write a number"),
        ("٩", "usd", "Write a number"),
        ("9.505", "usd", "USD is paid in steps of 0.01, as in 9.00."),
        ("9.5", "jpy", "JPY is paid in steps of 1, as in 900."),
        ("5.124", "kwd", "KWD is paid in steps of 0.010, as in 9.000."),
        ("40.10", "isk", "ISK is paid in steps of 1, as in 900."),
        ("0.50", "ugx", "UGX is paid in steps of 1, as in 900."),
        ("21474836.48", "usd", "at most $21,474,836.47 USD"),
        ("9" * 400, "kwd", "at most 2,147,483.640 KWD"),
    ],
)
def test_what_is_no_amount_is_refused_with_what_to_write(text: str, currency: str, words: str) -> None:
    with pytest.raises(money.NotMoney) as refusal:
        money.parse(text, currency)
    assert words in str(refusal.value)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_what_a_field_shows_is_read_back_as_it_was(currency: str) -> None:
    step = money.STEPS.get(currency, 1)
    for minor in (0, step, 9 * step, 100 * step, 123_400 * step):
        assert money.parse(money.plain(minor, currency), currency) == minor


def test_an_amount_keeps_its_exact_value() -> None:
    assert money.major(950, "usd") == Decimal("9.50")
    assert money.major(950, "jpy") == Decimal(950)
    assert money.major(9500, "kwd") == Decimal("9.500")
    assert money.major(50000, "isk") == Decimal(500)
    assert [str(money.step(each)) for each in ("usd", "jpy", "kwd", "isk")] == ["0.01", "1", "0.010", "1.00"]


def test_a_payment_is_called_by_what_it_was_for_and_not_by_an_amount_that_some_currencies_would_falsify() -> None:
    payment = Payment(description="50 credits", reference="checkout:cs_1", amount=900, currency="jpy")
    assert str(payment) == "50 credits, checkout:cs_1"
