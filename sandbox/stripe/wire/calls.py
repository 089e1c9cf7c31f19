"""A call: method, path, what it accepts, and the function that answers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj, Query
from sandbox.stripe.wire.errors import NoSuchObject
from sandbox.stripe.wire.params import Fields, Integer, Kind, Many, Params, Range, Text

Handler = Callable[[World, str, Params], Obj]
"""Gets the world, the id in the path (or the empty string) and the parameters; returns what is stored."""

EXPAND: Fields = {"expand": Many(Text(), most=20)}
PAGE: Fields = {
    **EXPAND,
    "limit": Integer(least=1, most=100),
    "starting_after": Text(),
    "ending_before": Text(),
    "created": Range(),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One endpoint; `{id}` in the path stands for an object's id."""

    method: str
    path: str
    handler: Handler
    params: Fields

    def matches(self, method: str, path: str) -> re.Match[str] | None:
        """Return the match whose group `id` is the id in the path, or None."""
        if method != self.method:
            return None
        return re.fullmatch(self.path.replace("{id}", "(?P<id>[^/]+)"), path)

    def accepts(self) -> dict[str, Kind]:
        """Return every parameter, `expand` among them."""
        return {**EXPAND, **self.params}


def post(path: str, handler: Handler, params: Fields) -> Call:
    """Return a call that changes something."""
    return Call("POST", path, handler, params)


def get(kind: str, path: str) -> Call:
    """Return the call that retrieves an object of this kind."""
    return Call("GET", path, lambda world, identity, _: world.get(kind, identity), {})


@dataclass(frozen=True, slots=True)
class Filter:
    """A list's parameter and the JSON path it is compared with."""

    kind: Kind
    path: str


def listing(kind: str, path: str, filters: Mapping[str, Filter], *, dated: bool = True) -> Call:
    """Return the call that lists objects of a kind, the newest first; a list of values matches any of them.

    `dated` lists can be narrowed by `created`.
    """

    def handle(world: World, _: str, params: Params) -> Obj:
        where: dict[str, Any] = {}
        any_of: dict[str, list[str]] = {}
        for name, each in filters.items():
            value = params.get(name)
            if isinstance(value, list):
                any_of[each.path] = value
            elif value is not None:
                where[each.path] = value
        query = Query(kind, where, params.get("created") or {}, any_of)
        return page(world, query, params, path)

    accepted = {**PAGE, **{name: each.kind for name, each in filters.items()}}
    if not dated:
        del accepted["created"]
    return Call("GET", path, handle, accepted)


def page(world: World, query: Query, params: Params, path: str) -> Obj:
    """Return one page of a list object, by Stripe's cursors."""
    limit = params.get("limit") or 10
    before, after = _place(world, params, "starting_after"), _place(world, params, "ending_before")
    bounded = Query(query.kind, query.where, query.created, query.any_of, before=before, after=after)
    forward = after is None
    found = world.store.select(bounded, limit=limit + 1, newest_first=forward)
    shown = found[:limit] if forward else found[:limit][::-1]
    return {"object": "list", "data": shown, "has_more": len(found) > limit, "url": path}


def whole(objects: list[Obj], params: Params, path: str) -> Obj:
    """Return one page of a list that lives inside an object."""
    limit, start = params.get("limit") or 10, 0
    cursor = params.get("starting_after")
    if cursor:
        places = [number for number, obj in enumerate(objects) if obj["id"] == cursor]
        if not places:
            raise NoSuchObject(objects[0]["object"] if objects else "object", cursor, param="starting_after")
        start = places[0] + 1
    return {
        "object": "list",
        "data": objects[start : start + limit],
        "has_more": len(objects) > start + limit,
        "url": path,
    }


def merge_metadata(obj: Obj, given: Mapping[str, str] | None) -> None:
    """Change metadata as Stripe does: None clears all, an empty value clears its key, the rest stays."""
    if given is None:
        obj["metadata"] = {}
        return
    merged = {**obj["metadata"], **given}
    obj["metadata"] = {key: value for key, value in merged.items() if value != ""}


def assign(obj: Obj, params: Params, *, metadata: bool = True) -> None:
    """Put the parameters that are fields of the object into it, metadata merged."""
    for name, value in params.items():
        if name == "metadata":
            if metadata:
                merge_metadata(obj, value)
        elif name in obj:
            obj[name] = value


def _place(world: World, params: Params, name: str) -> int | None:
    identity = params.get(name)
    if identity is None:
        return None
    place = world.store.place(identity)
    if place is None:
        raise NoSuchObject("object", identity, param=name)
    return place
