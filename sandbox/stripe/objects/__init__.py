"""API objects in the shapes of the pinned version, filled in from `shapes.json`; they touch no state.

`$name` and `$name.field` stand for what the caller gives, `$id`, `$now` and `$url` for what `World.new` adds.
Keys beginning with an underscore are the stand-in's own notes and never leave it (`state.views.public`).
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj

_SHAPES: dict[str, Obj] = json.loads(Path(__file__).with_name("shapes.json").read_text())
_PLACE = re.compile(r"\$\{?([\w.]+)\}?")
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def new(kind: str, /, *, id: str | None = None, **given: Any) -> Obj:
    """Return a new object; a caller that may choose its `id` passes it."""
    identity = id or ids.new(kind)
    return {"id": identity, "object": kind, **part(kind, id=identity, **given)}


def part(name: str, /, **given: Any) -> Obj:
    """Return a shape that lives inside an object. Raises KeyError for something that was not given."""
    filled: Obj = _filled(_SHAPES[name], given)
    return filled


def expiry_year(now: int) -> int:
    """Return the year in which a simulated card runs out: four years on."""
    return 1970 + now // 31_556_952 + 4


def _filled(shape: Any, given: Obj) -> Any:
    if isinstance(shape, dict):
        return {_filled(name, given): _filled(value, given) for name, value in shape.items()}
    if isinstance(shape, list):
        return [_filled(each, given) for each in shape]
    if not isinstance(shape, str):
        return shape
    if place := _PLACE.fullmatch(shape):
        return copy.deepcopy(_value(place[1], given))
    return _PLACE.sub(lambda place: str(_value(place[1], given)), shape)


def _value(path: str, given: Obj) -> Any:
    value: Any = given
    for step in path.split("."):
        value = value[step] if isinstance(value, dict) else getattr(value, step)
    return value
