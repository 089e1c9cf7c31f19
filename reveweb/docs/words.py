"""What the search takes for the same: a word's forms, and words that readers use where the documentation has others."""

import re

_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("ies", "ied", "ing", "ion", "ed", "es", "s", "y", "e", "i")  # the longest first
_SHORTEST = 3  # letters that are left of a word
_PHRASES = {
    "money back": "refund",
    "time out": "timeout",
    "how much": "price",
    "sign up": "account",
    "log in": "account",
}
_FILLERS = frozenset(
    _WORD.findall(
        "a an and are be can do does for get have how i if in is it my of on or the to was what when where why"
    )
)

# Each a set of words that find each other's sections, in any form.
_SYNONYMS = (
    "refund billed charged returned reimburse",
    "cost price fee plan",
    "retry again repeat resend",
    "limit quota throttle",
    "error failure fail exception problem",
    "size pixels resolution dimensions width height",
    "format type png jpeg webp extension",
    "timeout deadline silence slow hang",
    "webhook callback poll",
    "cancel abort stop",
    "help support contact",
    "version change breaking compatible",
    "client sdk library wrapper",
    "delete remove",
    "key token credential secret",
    "batch many bulk",
    "leak revoke rotate",
    "test sample sandbox mock fake simulate",
    "duplicate twice idempotency",
)


def stem(word: str) -> str:
    """Return what the forms of an English word begin with: `retr` for retry and retries, `cancel` for cancelled."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST and not word.endswith("ss"):
            rest = word.removesuffix(ending)
            if ending in ("ing", "ed") and rest[-1] == "y" and len(rest) > _SHORTEST:
                return rest[:-1]
            is_doubled = rest[-1] == rest[-2] and ending in ("ing", "ed") and len(rest) > 4
            return rest[:-1] if is_doubled else rest
    return word


def looked_for(query: str) -> list[list[re.Pattern[str]]]:
    """Return, for each word of `query` that tells something, what a text may have for it.

    The word as it is comes first, its stem second, those that mean the same after them.
    """
    query = query.lower()
    for phrase, word in _PHRASES.items():
        query = query.replace(phrase, word)
    words = _WORD.findall(query)
    telling = [word for word in words if word not in _FILLERS] or words
    return [[_beginning(one) for one in (word, stem(word), *_same_as(stem(word)))] for word in telling]


def _same_as(root: str) -> list[str]:
    return [other for group in _GROUPS if root in group for other in group if other != root]


def _beginning(root: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){re.escape(root)}")


_GROUPS = [[stem(word) for word in group.split()] for group in _SYNONYMS]
