"""Markdown to HTML: headings one can link to, tables that become cards, code in several languages behind a switch."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from reveweb.docs.code import LANGUAGES, Code

_LISTS = {"code_inline": "fields", "link_open": "ways"}  # spaced lists, by what their items begin with


@dataclass(frozen=True)
class Heading:
    """A heading of a page, where a link can point."""

    level: int
    anchor: str
    text: str


@dataclass
class Section:
    """A heading with the words below it, for the search."""

    heading: Heading
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Document:
    """A rendered page: its title and first paragraph, and the rest."""

    title: str
    lede: str
    lede_html: str
    html: str
    sections: tuple[Section, ...]

    @property
    def headings(self) -> list[Heading]:
        return [section.heading for section in self.sections if section.heading.level > 1]


@lru_cache(maxsize=128)
def render(markdown: str, language: str = "bash") -> Document:
    """Return a page that begins with its title and one paragraph; `language` is the one that is open in its code."""
    tokens = list(_grouped(_PARSER.parse(markdown)))
    sections = _sections(tokens)
    _mark_tables_and_lists(tokens)
    env: dict[str, Any] = {"language": language, "samples": 0, "tables": 0}
    lede = tokens[4]
    return Document(
        title=sections[0].heading.text,
        lede=_plain(lede),
        lede_html=_PARSER.renderer.render([lede], _PARSER.options, env),
        html=_PARSER.renderer.render(tokens[6:], _PARSER.options, env),
        sections=tuple(sections),
    )


def code_groups(markdown: str) -> list[list[Code]]:
    """Return a page's code in order; blocks that stand together are one group, the same sample in other languages."""
    return [token.meta["codes"] for token in _grouped(_PARSER.parse(markdown)) if token.type == "samples"]


# --- Reading -----------------------------------------------------------------------------------------------------


def _grouped(tokens: Sequence[Token]) -> Iterator[Token]:
    """Pass tokens on, with neighbouring fences of the languages that a reader chooses among joined into one."""
    group: list[Code] = []
    for token in tokens:
        code = _code(token) if token.type == "fence" else None
        if group and (code is None or not _belongs(code, group)):
            yield Token("samples", "", 0, meta={"codes": group})
            group = []
        if code is not None:
            group.append(code)
        else:
            yield token
    if group:
        yield Token("samples", "", 0, meta={"codes": group})


def _belongs(code: Code, group: list[Code]) -> bool:
    known = {one.language for one in group}
    return code.language in LANGUAGES and known <= set(LANGUAGES) and code.language not in known


def _code(token: Token) -> Code:
    language, *options = shlex.split(token.info)
    pairs = (option.partition("=") for option in options)
    return Code(language, token.content, {name: value for name, _, value in pairs})


def _sections(tokens: list[Token]) -> list[Section]:
    """Give every heading an anchor of its own, and return the sections that they begin."""
    sections: list[Section] = []
    chapter = ""
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            text = _plain(tokens[at + 1])
            anchor = slugify(text)
            if token.tag == "h2":
                chapter = anchor
            elif token.tag == "h3":
                anchor = f"{chapter}-{anchor}"
            assert anchor not in {section.heading.anchor for section in sections}, f"two headings are called {text}"
            token.attrSet("id", anchor)
            tokens[at + 2].meta["anchor"], tokens[at + 2].meta["text"] = anchor, text
            sections.append(Section(Heading(int(token.tag[1]), anchor, text)))
        elif token.type == "inline" and tokens[at - 1].type != "heading_open":
            sections[-1].words.append(_plain(token))
    return sections


def _plain(inline: Token) -> str:
    return "".join(" " if child.type == "softbreak" else child.content for child in inline.children or ())


def _mark_tables_and_lists(tokens: list[Token]) -> None:
    """Name the rows that begin with a code by it, and mark the lists whose items do: they describe fields.

    Each cell is given its column's name, which stands before it where a row is a card.
    """
    named: set[str] = set()
    heads: list[str] = []
    column = 0
    for at, token in enumerate(tokens):
        if token.type == "table_open":
            heads = token.meta["heads"] = []
        elif token.type == "th_open":
            heads.append(_plain(tokens[at + 1]))
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            token.attrSet("data-label", heads[column])
            column += 1
        if token.type == "tr_open" and (name := _leading_code(tokens[at + 2])) and name not in named:
            named.add(name)
            token.attrSet("id", name)
        is_loose = token.type == "bullet_list_open" and not tokens[at + 2].hidden
        if is_loose:
            first = _first(tokens[at + 3])
            if first and first.type in _LISTS:
                token.attrSet("class", _LISTS[first.type])


def _leading_code(token: Token) -> str:
    first = _first(token)
    return first.content if first and first.type == "code_inline" else ""


def _first(token: Token) -> Token | None:
    return token.children[0] if token.type == "inline" and token.children else None


# --- Writing -----------------------------------------------------------------------------------------------------


class Writer(RendererHTML):
    """Writes HTML; each method writes the tokens of its name."""

    def samples(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """Write a group of code, the language chosen last open."""
        env["samples"] += 1
        codes: list[Code] = tokens[at].meta["codes"]
        languages = [code.language for code in codes]
        chosen = env["language"] if env["language"] in languages else languages[0]
        number = str(env["samples"])
        context = {"codes": codes, "name": number, "label": f"Sample {number}", "chosen": chosen}
        return render_to_string("components/code_tabs.html", context)

    def heading_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """End a heading with a link to itself."""
        anchor, text = tokens[at].meta["anchor"], escape(tokens[at].meta["text"])
        link = f'<a class="anchor" href="#{anchor}" aria-label="Link to “{text}”" data-anchor>#</a>'
        return f" {link}</{tokens[at].tag}>\n"

    def table_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """Begin a table, named by its columns and, for its style, after the first of them."""
        heads = tokens[at].meta["heads"]
        env["tables"] += 1
        label = escape(f"Table {env['tables']}: {', '.join(heads)}")
        return f'<table class="table-{slugify(heads[0])}" aria-label="{label}">\n'

    def blockquote_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """Begin a note."""
        return '<div class="note">\n'

    def blockquote_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """End a note."""
        return "</div>\n"


_PARSER = MarkdownIt("commonmark", {"html": False}, renderer_cls=Writer).enable("table")
