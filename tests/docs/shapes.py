"""What two answers have in common when only the image differs."""

import json
import re
from typing import Any

_DIFFERING = [
    (r"img_[0-9A-Za-z]{24}", "img"),
    (r"req_[0-9a-f]{24}", "req"),
    (r"\b\d+\b(?!:)", "1"),
]


def shape(value: Any) -> Any:
    """Return a JSON value's names and types. Nothing is known of an empty one, so there may be none."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        assert value
        return [shape(one) for one in value]
    return type(value).__name__


def normalised(value: Any) -> str:
    """Return a value as text in which ids and numbers are all alike."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    for pattern, word in _DIFFERING:
        text = re.sub(pattern, word, text)
    return text
