"""Every address of the site, read off Django's resolver, and what its pages' forms and links send."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

from django.urls import URLPattern, URLResolver, get_resolver

_PART = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>|\(\?P<(?P<group>\w+)>(?:[^()]|\([^()]*\))*\)")

Form = tuple[tuple[str, str], ...]


@dataclass
class Address:
    """One pattern: where it leads with which parts, and what pages there send."""

    pattern: str  # with `{name}` for each part
    parts: dict[str, list[str]]  # what each part may be where something is there
    queries: list[str] = field(default_factory=list)  # names of parameters
    forms: list[Form] = field(default_factory=list)

    def path(self, parts: dict[str, str], escape: Callable[[str], str] = str) -> str:
        """Return a path with these parts."""
        return "/" + self.pattern.format(**{name: escape(value) for name, value in parts.items()})

    @property
    def first(self) -> str:
        """A path where something is, if anything is known."""
        return self.path({name: (known or ["1"])[0] for name, known in self.parts.items()})


def addresses(known: dict[str, list[str]]) -> list[Address]:
    """Return every address; `known` says what parts there are, by the name of the part or by “pattern:name”."""
    found = {}
    for pattern in _patterns(get_resolver()):
        names = [match["name"] or match["group"] for match in _PART.finditer(pattern)]
        text = _PART.sub(lambda match: "{" + (match["name"] or match["group"]) + "}", pattern)
        text = re.sub(r"\\(.)|[\^$]", lambda match: match[1] or "", text)
        parts = {name: next((known[key] for key in (f"{text}:{name}", name) if key in known), []) for name in names}
        found[text] = Address(text, parts)
    return list(found.values())


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        pattern = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one, pattern)
        elif isinstance(one, URLPattern):
            yield pattern


def learn(address: Address, html: str, others: dict[str, Address]) -> None:
    """Take down the forms and links of a page; a form that is for another address is noted there too."""
    page = Page()
    page.feed(html)
    for action, fields in page.forms:
        address.forms.append(fields)
        if (other := others.get(urlsplit(action).path)) is not None and other is not address:
            other.forms.append(fields)
    names = {name for link in page.links for name, _ in parse_qsl(link, keep_blank_values=True)}
    names |= {name for action, fields in page.forms for name, _ in fields}
    address.queries = sorted({*address.queries, *names})


class Page(HTMLParser):
    """What a page would send: its forms with their action, and the queries of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, Form]] = []
        self.links: list[str] = []
        self._fields: list[tuple[str, str]] | None = None
        self._action = ""
        self._select = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attributes}
        if tag == "a" or "hx-get" in has:
            address = has.get("href") or has.get("hx-get") or ""
            if "[" not in address:
                self.links.append(urlsplit(address).query)
        if tag == "form":
            self._action, self._fields = has.get("action") or has.get("hx-post") or "", []
        if self._fields is None or not has.get("name", self._select) or has.get("name") == "csrfmiddlewaretoken":
            return
        if tag in ("input", "button", "textarea"):
            self._fields.append((has["name"], has.get("value", "")))
        elif tag == "select":
            self._select = has["name"]
        elif tag == "option" and self._select:
            self._fields.append((self._select, has.get("value", "")))
            self._select = ""  # the first will do

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._fields is not None:
            self.forms.append((self._action, tuple(self._fields)))
            self._fields = None
