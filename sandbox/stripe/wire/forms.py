"""Form encoding with nested names, as Stripe's SDKs send it: `line_items[0][price]=price_1`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe.wire.errors import InvalidRequest

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MAX_FIELDS = 2000


def parse(encoded: str) -> dict[str, Any]:
    """Return nested dicts of strings; a list is a dict with numbers for keys. Raises InvalidRequest."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise InvalidRequest(f"Invalid request: more than {_MAX_FIELDS} fields") from None
    tree: dict[str, Any] = {}
    for name, value in pairs:
        _put(tree, name, value)
    return tree


def _put(tree: dict[str, Any], name: str, value: str) -> None:
    match = _NAME.fullmatch(name)
    if not match:
        raise InvalidRequest(f"Invalid parameter name: {name}", param=name)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    for key in path[:-1]:
        tree = _step(tree, key, name)
    tree[path[-1] or str(len(tree))] = value


def _step(tree: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    child = tree.setdefault(key or str(len(tree)), {})
    if not isinstance(child, dict):
        raise InvalidRequest(f"Invalid parameter: {name} is both a value and an object", param=name)
    return child
