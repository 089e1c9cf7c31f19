"""No cell of any file of rows runs in a spreadsheet, whatever separator that one splits at."""

import csv
import io
import time
import unicodedata
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import product

import pytest
from django.utils.functional import lazystr

from kit.http.csv_export import to_csv

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫−"
BEFORE = [
    "",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\x0b",
    "\x00",
    "\u00a0",
    "\u3000",
    "\ufeff",
    "\u200b",
    "\u00ad",
    " \ufeff\t ",
]
INSIDE = [";", "; ", "\t", "|", "\n", "\r\n", ";;\n\t", "\u2028", "x;\ufeff "]
FORMULA = "cmd|' /C calc'!A0"


def cells(text: str) -> Iterator[str]:
    """Every cell that a spreadsheet may find in a file: with its commas, or split at something else."""
    yield from (cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row)
    for separator in ";\t|":
        yield from (cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row)
        yield from (cell for line in text.splitlines() for cell in line.split(separator))


def runs(cell: str) -> bool:
    """Tell whether a program that skips what cannot be seen, and quotation marks, takes it for a formula."""
    seen = "".join(one for one in cell if unicodedata.category(one)[0] not in "CZ").lstrip('"')
    return unicodedata.normalize("NFKC", seen)[:1] in set("=+-@−")


def test_the_reader_finds_what_runs() -> None:
    assert any(map(runs, cells("a,b\r\n1, \ufeff=1+1\r\n")))
    assert any(map(runs, cells('a,"hello;=1+1",b\r\n')))
    assert not any(map(runs, cells("a,b;c,'=1\r\n")))


@pytest.mark.parametrize("column", [0, 1, 2])
def test_no_column_runs(column: int) -> None:
    for before, sign, lead in product(BEFORE, SIGNS, ["", *(f"words{inside}" for inside in INSIDE)]):
        row: list[object] = ["a", "b", "c"]
        row[column] = f"{lead}{before}{sign}{FORMULA}"
        file = to_csv([row])
        assert not any(map(runs, cells(file))), repr(row[column])


def test_what_begins_a_cell_has_its_mark_in_front() -> None:
    for text in ("=1", " =1", "\t1", "\n1", "\r1", "\ufeff-1", "＝1", "@x"):
        [[cell]] = csv.reader(io.StringIO(to_csv([[text]]), newline=""))
        assert cell[0] == "'"
        assert cell.replace("'", "") == text


def test_numbers_dates_and_words_stay_what_they_are() -> None:
    row = [
        -5,
        3,
        -1.5,
        Decimal("-2.50"),
        True,
        None,
        date(2026, 3, 4),
        "a fox",
        "a-b",
        "1 + 1 = 2",
        "it's",
        "émail@x.org",
    ]
    [read] = csv.reader(io.StringIO(to_csv([row]), newline=""))
    kept = ["-5", "3", "-1.5", "-2.50", "True", "", "2026-03-04", "a fox", "a-b", "1 + 1 = 2", "it's", "émail@x.org"]
    assert read == kept
    assert to_csv([["-5"]]) == "'-5\r\n"  # text that looks like a number is text


def test_what_becomes_text_only_as_it_is_written_is_guarded_too() -> None:
    class Named:
        def __str__(self) -> str:
            return "=1+1"

    assert to_csv([[Named(), lazystr("@x")]]) == "'=1+1,'@x\r\n"


def test_the_words_can_be_had_back_as_they_were() -> None:
    for text in ("=1+1", "a;=b", "\n-x", "plain", "a - b"):
        [[cell]] = csv.reader(io.StringIO(to_csv([[text]]), newline=""))
        assert cell.replace("'", "") == text


@pytest.mark.parametrize("text", ["\t" * 100_000, "; " * 50_000, "\n=" * 50_000, " " * 100_000 + "x"])
def test_long_blanks_cost_no_more_than_their_length(text: str) -> None:
    began = time.perf_counter()
    to_csv([[text]])
    assert time.perf_counter() - began < 5  # 0.03 s; a pattern that goes back takes minutes
