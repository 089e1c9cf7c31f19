"""Code for readers, coloured and in the language they chose last, wherever a page shows it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from generator import snippets

LANGUAGES = {"bash": "curl", "python": "Python", "javascript": "JavaScript"}  # those a reader chooses among
COOKIE = "code_language"  # static/js/tabs.js writes it
_TITLES = {"bash": "Terminal", "json": "JSON", "http": "HTTP", "text": "Output", **LANGUAGES}
_SPACES = re.compile(r'<span class="tok-w">(\s*)</span>')  # has no colour


@dataclass(frozen=True)
class Code:
    """A fenced block. `options` are the words behind the language, as in `saves=fox.png`."""

    language: str
    text: str
    options: dict[str, str]

    @property
    def title(self) -> str:
        return self.options.get("title") or _TITLES.get(self.language, self.language)

    @property
    def html(self) -> str:
        lexer = get_lexer_by_name(self.language)
        coloured = str(highlight(self.text, lexer, HtmlFormatter(nowrap=True, classprefix="tok-")))
        return _SPACES.sub(r"\1", coloured).rstrip("\n")


def chosen_language(cookies: Mapping[str, str]) -> str:
    """Return the language that the reader chose last, the first of all when they chose none."""
    chosen = cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else next(iter(LANGUAGES))


def first_call(base: str) -> list[Code]:
    """Return the call that everybody makes first to the site at `base`, as the studio gives it to copy."""
    body = snippets.call_body("A red fox in fresh snow", aspect_ratio="3:2")
    writers = snippets.LANGUAGES
    return [Code(language, writers[title](base, body), {}) for language, title in LANGUAGES.items()]
