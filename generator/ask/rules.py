"""The operator's rules for prompts, compiled once and looked at in microseconds; a change holds within a second.

Texts are looked at as they are and as folded (`kit.text.folded`), without the characters that show nothing: no case, no
other composition of a letter and nothing unseen between letters is a way around a rule; other letters that look alike
are. Patterns are RE2's, which take time in proportion to the prompt however they are written.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import re2
from django.db.models import F
from django.utils import timezone

from generator.errors import PromptNotAllowed
from generator.models import Generation, ImageModel, PromptRule
from kit.metrics import Counter
from kit.text import folded, without_unseen

HITS = Counter("reveweb_prompt_rule_hits_total", "Prompts that a rule of the operator's refused.")
UNSAID = "it breaks the rules of this site"
_WORD = re.compile(r"[^\W_]+")  # many write prompts as tags_like_this
_BETWEEN = re.compile(r"[,;\n]+")
_UNLIKE = (
    "a",
    "A lighthouse at dusk, oil on canvas",
    "水",
    "1920",
    "🙂",
)  # a pattern that finds all of these finds all
_OPTIONS: Any = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 8 << 20


@dataclass(frozen=True)
class Rule:
    """One rule as it is looked at: `words` each begin and end with a blank, or there is a `pattern`."""

    pk: int
    where: str
    models: tuple[str, ...]
    message: str
    words: tuple[str, ...]
    pattern: Any

    def finds(self, spelled: tuple[str, ...], told: str) -> bool:
        """Tell whether it refuses a text, which is given as `_spelled` and `_told` return it."""
        if self.pattern is not None:
            return any(self.pattern.search(text) is not None for text in spelled)
        return any(one in told for one in self.words)


@dataclass(frozen=True)
class Rules:
    """All rules that hold, and what tells whether they have changed: when each was changed last."""

    version: tuple[tuple[int, datetime], ...] = ()
    rules: tuple[Rule, ...] = ()

    def breaking(self, prompt: str, negative_prompt: str, model: str) -> Iterator[tuple[Rule, str]]:
        """Yield each rule that a prompt for a model breaks, with the field that does."""
        if not self.rules:
            return
        fields = [(name, _spelled(text), _told(text)) for name, text in _fields(prompt, negative_prompt) if text]
        for rule in self.rules:
            if rule.models and model not in rule.models:
                continue
            for name, spelled, told in fields:
                if rule.where in (name, PromptRule.Where.BOTH) and rule.finds(spelled, told):
                    yield rule, name
                    break


NONE = Rules()


def read(known: Rules = NONE) -> Rules:
    """Return the rules that hold now. One query where they are those that are `known`, else two."""
    held = PromptRule.objects.filter(is_active=True)
    version = tuple(held.order_by("pk").values_list("pk", "updated_at"))
    if version == known.version:
        return known
    return Rules(version, tuple(compiled(held.order_by("pk"))))


def compiled(rows: Iterable[PromptRule]) -> Iterator[Rule]:
    """Yield rules as they are looked at; one that cannot be read any more refuses nobody."""
    for row in rows:
        words: tuple[str, ...] = ()
        pattern: Any = None
        if row.kind == PromptRule.Kind.WORDS:
            words = words_of(row.text)
        elif not problem(row.kind, row.text):
            pattern = re2.compile(row.text, _OPTIONS)
        if words or pattern is not None:
            yield Rule(row.pk, row.where, tuple(row.only_models), row.message, words, pattern)


def check(rules: Rules, prompt: str, negative_prompt: str, model: ImageModel) -> None:
    """Raise PromptNotAllowed where a prompt breaks a rule."""
    for rule, field in rules.breaking(prompt, negative_prompt, model.slug):
        raise PromptNotAllowed(field, rule.message.rstrip(".") or UNSAID, rule=rule.pk)


def note(rule: int) -> None:
    """Count that a rule refused somebody. Not what tells whether rules have changed."""
    HITS.add()
    PromptRule.objects.filter(pk=rule).update(hits=F("hits") + 1, last_hit_at=timezone.now())


def problem(kind: str, text: str) -> str:
    """Return what is wrong with the text of a rule, in words; "" where it will do."""
    if kind == PromptRule.Kind.WORDS:
        return "" if words_of(text) else "It has no words."
    try:
        pattern = re2.compile(text, _OPTIONS)
    except re2.error as error:
        said = error.args[0] if error.args else error
        return f"That is no pattern: {said.decode() if isinstance(said, bytes) else said}."
    return "It would refuse every prompt." if all(pattern.search(one) for one in _UNLIKE) else ""


def words_of(text: str) -> tuple[str, ...]:
    """Return the words that a rule names, each with a blank on either side, as they are looked for in `_told`."""
    named = (" ".join(_WORD.findall(folded(part))) for part in _BETWEEN.split(text))
    return tuple(f" {one} " for one in dict.fromkeys(named) if one)


def would_refuse(rows: Sequence[PromptRule], latest: int) -> tuple[int, int]:
    """Return how many of the latest prompts rules would have refused, and how many were looked at."""
    rules = Rules(rules=tuple(compiled(rows)))
    prompts = Generation.objects.real().exclude(prompt="").order_by("-pk")
    seen = list(prompts.values_list("prompt", "negative_prompt", "image_model__slug")[:latest])
    refused = sum(1 for prompt, negative, model in seen if any(rules.breaking(prompt, negative, model or "")))
    return refused, len(seen)


def _fields(prompt: str, negative_prompt: str) -> tuple[tuple[str, str], ...]:
    return (PromptRule.Where.PROMPT.value, prompt), (PromptRule.Where.NEGATIVE.value, negative_prompt)


def _spelled(text: str) -> tuple[str, ...]:
    """Return a text as it is and, where that differs, with its letters folded and nothing unseen between them."""
    if text.isascii():  # RE2 itself ignores case
        return (text,)
    return tuple(dict.fromkeys((text, without_unseen(folded(text)))))


def _told(text: str) -> str:
    """Return the words of a text with a blank on either side, once more where something unseen may be within them."""
    plain = folded(text)
    bare = plain if plain.isascii() else without_unseen(plain)
    return "".join(f" {' '.join(_WORD.findall(one))} " for one in dict.fromkeys((plain, bare)))
