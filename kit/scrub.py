"""Secrets taken out of texts that are to be kept, as in logs: keys of ours and of others, whoever's they are.

So are the rows that PostgreSQL quotes when it refuses one, which have prompts and addresses in them.
"""

import re

CUT = "…"

_KEY = re.compile(r"\b(rv_(?:[a-z]+_)?[0-9A-Za-z]{8})_[0-9A-Za-z]{20,}")
_SECRET = re.compile(r"\b(whsec_|[sr]k[-_]|ghp_|r8_|Bearer )[\w+/=.-]{12,}", re.IGNORECASE)
# In a message itself, to whatever comes after it in a traceback; and in one line, where that is how it is told.
_ROW = re.compile(
    r"^(DETAIL:).*?(?=\n(?:HINT|CONTEXT|QUERY|LINE \d+|SCHEMA NAME):|\n\n(?:The above exception|During handling)|\Z)",
    re.DOTALL | re.MULTILINE,
)
_ROW_IN_LINE = re.compile(r"(\\nDETAIL:)[^\n]*")
_MAY_BE_SECRET = re.compile(r"rv_|whsec_|[sr]k[-_]|ghp_|r8_|bearer |detail:", re.IGNORECASE)


def scrubbed(text: str) -> str:
    """Return a text without keys; of ours that stays by which their owner knows them."""
    if _MAY_BE_SECRET.search(text):  # one look instead of two, for nearly every text has none
        text = _ROW_IN_LINE.sub(rf"\1 {CUT}", _ROW.sub(rf"\1 {CUT}", text))
        return _SECRET.sub(rf"\1{CUT}", _KEY.sub(rf"\1_{CUT}", text))
    return text
