"""A statement as PDF: A4, in the site's own type face, whose letters are Latin, Greek and Cyrillic.

What it has no letters for is left out of a name and told by a question mark elsewhere. Touches no database.
"""

import unicodedata
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from billing.statements.figures import Statement

FONTS = Path(__file__).parent / "fonts"
FACE, BOLD = "inter", "B"
INK, MUTED, LINE = 30, 110, 215  # shades of grey
WIDTHS = (24, 102, 20, 28)  # mm: day, what, count, credits
ROW = 6.2


class _Paper(FPDF):
    """A page with the site's name above and its number below."""

    def header(self) -> None:
        self.set_font(FACE, BOLD, 11)
        self.set_text_color(INK)
        self.cell(0, 6, printable(settings.SITE_NAME), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(6)

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(FACE, "", 8)
        self.set_text_color(MUTED)
        words = f"{settings.SITE_NAME} · {settings.SUPPORT_EMAIL}" if settings.SUPPORT_EMAIL else settings.SITE_NAME
        self.cell(120, 5, printable(words))
        self.cell(0, 5, f"Page {self.page_no()} of {{nb}}", align="R")


def pdf(statement: Statement) -> bytes:
    """Return the statement as a file."""
    paper = _Paper(format="A4")
    paper.set_margins(18, 16, 18)
    paper.set_auto_page_break(True, 20)
    paper.add_font(FACE, "", FONTS / "inter-400.ttf")
    paper.add_font(FACE, BOLD, FONTS / "inter-600.ttf")
    paper.set_title(f"Statement {statement.first:%B %Y}")
    paper.set_author(settings.SITE_NAME)
    paper.set_lang("en")
    paper.add_page()
    _head(paper, statement)
    _summary(paper, statement)
    _payments(paper, statement)
    _movements(paper, statement)
    return bytes(paper.output())


def printable(text: str) -> str:
    """Return `text` with what the face has no sign for as a plain letter, or else a question mark."""
    known = _letters()
    return "".join(one if ord(one) in known else _plain(one) for one in unicodedata.normalize("NFC", text))


def is_printable(text: str) -> bool:
    """Tell whether the face has all of the signs of `text`."""
    return all(ord(one) in _letters() for one in unicodedata.normalize("NFC", text))


def _plain(one: str) -> str:
    kept = "".join(each for each in unicodedata.normalize("NFKD", one) if ord(each) in _letters())
    return kept or ("" if unicodedata.category(one) in ("Mn", "Cf", "Cc") else "?")


@cache
def _letters() -> frozenset[int]:
    return frozenset(TTFont(FONTS / "inter-400.ttf").getBestCmap())


def _head(paper: FPDF, statement: Statement) -> None:
    paper.set_font(FACE, BOLD, 20)
    paper.cell(0, 10, f"Statement, {statement.first:%B %Y}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.set_font(FACE, "", 10)
    paper.set_text_color(MUTED)
    who = [statement.name] if statement.name and is_printable(statement.name) else []
    for words in (*who, statement.email):
        paper.cell(0, 5.4, printable(words), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    made = f"{statement.first:%-d %B} to {statement.until:%-d %B %Y}, UTC. Made on {timezone.now():%-d %B %Y}."
    paper.cell(0, 5.4, made, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(5)


def _summary(paper: FPDF, statement: Statement) -> None:
    _title(paper, "Credits")
    lines = [(f"Balance on {statement.first:%-d %B %Y}", statement.opening, False)]
    lines += [(name, credits, True) for name, credits in statement.totals.items()]
    for words, credits, is_signed in lines:
        _pair(paper, words, _signed(credits) if is_signed else f"{credits:,}")
    paper.set_font(FACE, BOLD, 10)
    _pair(paper, f"Balance at the end of {statement.until:%-d %B %Y}", f"{statement.closing:,}", bold=True)
    paper.ln(5)


def _payments(paper: FPDF, statement: Statement) -> None:
    if not statement.payments:
        return
    _title(paper, "Payments")
    for paid in statement.payments:
        words = f"{paid.day:%-d %b}   {paid.words}"
        _pair(paper, words, paid.amount)
        told = paid.reference + (f", of which {paid.refunded} was paid back" if paid.refunded else "")
        paper.set_font(FACE, "", 8)
        paper.set_text_color(MUTED)
        link = f"{settings.PUBLIC_URL}{paid.path}" if settings.PUBLIC_URL else ""
        paper.cell(0, 4.4, printable(told), link=link, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.set_font(FACE, "", 8)
    paper.ln(1)
    paper.cell(0, 4.4, "Each leads to its invoice, as the page Billing does.", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(5)


def _movements(paper: FPDF, statement: Statement) -> None:
    _title(paper, "Day by day")
    if not statement.movements:
        paper.set_font(FACE, "", 10)
        paper.cell(0, ROW, "Nothing happened in this month.", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        return
    _row(paper, ("Day", "What", "Number", "Credits"), muted=True)
    day = None
    for each in statement.movements:
        shown = f"{each.day:%-d %b}" if each.day != day else ""
        day = each.day
        _row(paper, (shown, each.words, f"{each.count:,}" if each.count > 1 else "", _signed(each.credits)))


def _title(paper: FPDF, words: str) -> None:
    paper.set_font(FACE, BOLD, 12)
    paper.set_text_color(INK)
    paper.cell(0, 8, words, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _pair(paper: FPDF, words: str, value: str, *, bold: bool = False) -> None:
    paper.set_font(FACE, BOLD if bold else "", 10)
    paper.set_text_color(INK)
    paper.set_draw_color(LINE)
    paper.cell(134, ROW, _fitting(paper, words, 132), border="B")
    paper.cell(40, ROW, printable(value), border="B", align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _row(paper: FPDF, cells: tuple[str, str, str, str], *, muted: bool = False) -> None:
    paper.set_font(FACE, "", 9)
    paper.set_text_color(MUTED if muted else INK)
    paper.set_draw_color(LINE)
    last = len(cells) - 1
    for at, (words, width) in enumerate(zip(cells, WIDTHS, strict=True)):
        shown = _fitting(paper, words, width - 2)
        x, y = (XPos.LMARGIN, YPos.NEXT) if at == last else (XPos.RIGHT, YPos.TOP)
        paper.cell(width, ROW, shown, border="B", align="R" if at > 1 else "L", new_x=x, new_y=y)


def _fitting(paper: FPDF, words: str, width: float) -> str:
    """Return what of `words` one line has room for."""
    shown = printable(words)
    if paper.get_string_width(shown) <= width:
        return shown
    while shown and paper.get_string_width(f"{shown}…") > width:
        shown = shown[:-1]
    return f"{shown}…"


def _signed(credits: int) -> str:
    return f"+{credits:,}" if credits > 0 else f"−{-credits:,}"
