"""Finds sections of the documentation by the words in them."""

from dataclasses import dataclass

from reveweb.docs import book, rendering
from reveweb.docs.book import Page
from reveweb.docs.rendering import Section

MOST = 10
QUERY_MAX_LENGTH = 100
_BEFORE, _AROUND = 40, 160


@dataclass(frozen=True)
class Hit:
    """A section that has all the words, and a piece of it around the first."""

    page: Page
    title: str
    url: str
    excerpt: str


def find(query: str, base: str) -> list[Hit]:
    """Return the sections that hold every word of `query`, those with the words in their heading first."""
    words = query[:QUERY_MAX_LENGTH].lower().split()
    if not words:
        return []
    scored = [
        (_score(section, page, words), page, section)
        for page in book.PAGES
        for section in rendering.render(book.source(page, base)).sections
    ]
    found = sorted((one for one in scored if one[0]), key=lambda one: -one[0])
    return [_hit(page, section, words) for _, page, section in found[:MOST]]


def _score(section: Section, page: Page, words: list[str]) -> int:
    heading, text = section.heading.text.lower(), " ".join(section.words).lower()
    if not all(word in heading or word in text for word in words):
        return 0
    in_heading = sum(word in heading for word in words)
    return 1 + 10 * in_heading + 5 * (section.heading.level == 1 and bool(in_heading)) + (words[0] in page.slug)


def _hit(page: Page, section: Section, words: list[str]) -> Hit:
    text = " ".join(section.words)
    first = min((at for word in words if (at := text.lower().find(word)) >= 0), default=0)
    start = 0 if first < _AROUND else text.rfind(" ", 0, first - _BEFORE) + 1
    excerpt = text[start : start + _AROUND]
    if len(text) > start + _AROUND:
        excerpt = excerpt.rpartition(" ")[0] + " …"
    is_page = section.heading.level == 1
    url = page.url if is_page else f"{page.url}#{section.heading.anchor}"
    return Hit(page, section.heading.text, url, ("… " if start else "") + excerpt)
