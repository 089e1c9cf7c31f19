"""Rows as CSV that a spreadsheet opens safely: the one writer of every file of rows that leaves the site."""

import csv
import io
import re
from collections.abc import Iterable
from decimal import Decimal

# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), also as East Asian programs write
# it, and the minus sign of typographers.
_SIGNS = "=+\\-@＝＋－＠﹦﹢﹣﹫−"
# What some programs skip in front of it: blanks of every kind, controls, and what has no width.
_SKIPPED = (
    "\\s\\x00-\\x20\\x7f-\\xa0\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f"
    "\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff9-\\ufffb"
)
# Where a cell begins for a spreadsheet that splits at semicolons, tabs or bars, as it does in many countries: the
# quotation marks of a file with commas do not hold such a cell together, nor its lines.
_SPLITS = ";|\\t\\n\\r\\v\\f\\x1c-\\x1f\\x85\\u2028\\u2029；｜"
_BEGINNING = re.compile(f"(?P<split>\\A|[{_SPLITS}])(?P<skipped>[{_SKIPPED}{_SPLITS}]*+)(?P<sign>[{_SIGNS}]?)")


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return `rows` as CSV lines. Numbers stay numbers, and text in any column stays text: `'` goes before what would
    run as a formula.

    Who reads such a file back takes an apostrophe away that stands before one of `=+-@` or at a cell's beginning. None
    of these files is one that we import.
    """
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: object) -> object:
    return value if value is None or isinstance(value, int | float | Decimal) else _BEGINNING.sub(_defused, str(value))


def _defused(found: re.Match[str]) -> str:
    split, skipped, sign = found["split"], found["skipped"], found["sign"]
    at_the_beginning = not found.start()
    # A tab or an end of a line in front makes a cell of its own in some programs, whatever follows it.
    first = "'" if at_the_beginning and (sign or re.match(f"[{_SPLITS}]", split + skipped)) else ""
    second = "'" if sign and (not at_the_beginning or re.search(f"[{_SPLITS}]", split + skipped)) else ""
    return f"{first}{split}{skipped}{second}{sign}"
