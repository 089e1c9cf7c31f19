"""What two answers have in common when only the image differs."""

import json
import re
from typing import Any

_DIFFERING = [
    (r"img_[0-9A-Za-z]{24}", "img"),
    (r"req_[0-9a-f]{24}", "req"),
    (r"\b\d+\b(?!:)", "1"),
]


def shape(value: Any, path: str = "") -> dict[str, str]:
    """Return a JSON value's types by their paths, like `metadata.width`, flat so that pytest names what differs.

    Nothing is known of an empty list, so there may be none.
    """
    found = {path: type(value).__name__}
    if isinstance(value, dict):
        for name, one in value.items():
            found |= shape(one, f"{path}.{name}".lstrip("."))
    if isinstance(value, list):
        assert value
        for number, one in enumerate(value):
            found |= shape(one, f"{path}[{number}]")
    return found


def normalised(value: Any) -> str:
    """Return a value as text in which ids and numbers are all alike."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    for pattern, word in _DIFFERING:
        text = re.sub(pattern, word, text)
    return text
