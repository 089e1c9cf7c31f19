"""Finds sections of the documentation by the words in them, in any form, and by words that mean the same."""

import re
from dataclasses import dataclass

from reveweb.docs import book, rendering, words
from reveweb.docs.book import Page
from reveweb.docs.rendering import Section

MOST = 10
QUERY_MAX_LENGTH = 100
_BEFORE, _AROUND = 40, 160

Looked = list[list[re.Pattern[str]]]


@dataclass(frozen=True)
class Hit:
    """A section that has all the words, and a piece of it around the first."""

    page: Page
    title: str
    url: str
    excerpt: str


def find(query: str, base: str) -> list[Hit]:
    """Return the sections that have every word of `query`, or its like, those with the words in their heading first."""
    looked = words.looked_for(query[:QUERY_MAX_LENGTH])
    if not looked:
        return []
    scored = [
        (_score(section, page, looked, query.strip().lower()), page, section)
        for page in book.PAGES
        for section in rendering.render(book.source(page, base)).sections
    ]
    found = sorted((one for one in scored if one[0]), key=lambda one: -one[0])
    return [_hit(page, section, looked) for _, page, section in found[:MOST]]


def _score(section: Section, page: Page, looked: Looked, query: str) -> int:
    heading, text = section.heading.text.lower(), " ".join(section.words).lower()
    in_heading = 3 * (query in heading)
    for same in looked:
        if any(own.search(heading) for own in same[:2]):
            in_heading += 10
        elif any(other.search(heading) for other in same[2:]):
            in_heading += 8
        elif not any(one.search(text) for one in same):
            return 0
    is_page = section.heading.level == 1
    as_written = sum(bool(same[0].search(text)) for same in looked)
    return 1 + in_heading + as_written + 5 * (is_page and bool(in_heading)) + bool(looked[0][0].search(page.slug))


def _hit(page: Page, section: Section, looked: Looked) -> Hit:
    text = " ".join(section.words)
    places = (place for same in looked for one in same if (place := one.search(text.lower())))
    first = min((place.start() for place in places), default=0)
    start = 0 if first < _AROUND else text.rfind(" ", 0, first - _BEFORE) + 1
    excerpt = text[start : start + _AROUND]
    if len(text) > start + _AROUND:
        excerpt = excerpt.rpartition(" ")[0] + " …"
    is_page = section.heading.level == 1
    url = page.url if is_page else f"{page.url}#{section.heading.anchor}"
    return Hit(page, section.heading.text, url, ("… " if start else "") + excerpt)
