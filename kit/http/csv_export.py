"""Rows as CSV that a spreadsheet opens safely: the one writer of every file of rows that leaves the site."""

import csv
import io
from collections.abc import Iterable

# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return `rows` as CSV lines. Text in any column stays text: a quote goes before what would run as a formula."""
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
