"""A call: method, path, what it accepts, and the function that answers it. What most resources have is made here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj, Query
from sandbox.stripe.wire.errors import InvalidRequest, NoSuchObject
from sandbox.stripe.wire.params import Fields, Params, fields

Handler = Callable[[World, Any, Params], Obj]
"""Gets the world, the object that the path names (or its id, or the empty string) and the parameters; returns what
is stored."""

EXPAND = fields("expand[20]")
PAGE = fields("limit:1..100 starting_after ending_before")


@dataclass(frozen=True, slots=True)
class Call:
    """One endpoint; `{id}` in the path stands for the id of an object, which is looked up where its kind is known."""

    method: str
    path: str
    handler: Handler
    params: Fields
    kind: str = ""

    def accepts(self) -> Fields:
        """Return every parameter, `expand` among them."""
        return {**EXPAND, **self.params}

    def answer(self, world: World, identity: str, params: Params) -> Obj:
        """Do what the call does and return what is stored. Raises StripeError."""
        return self.handler(world, world.get(self.kind, identity) if self.kind else identity, params)


class Calls(list[Call]):
    """Calls in the order in which they are tried."""

    def on(self, method: str, path: str, accepts: str = "", *, of: str = "") -> Callable[[Handler], Handler]:
        """Let the decorated function answer; `of` is the kind of object whose id is in the path."""

        def register(handler: Handler) -> Handler:
            self.append(Call(method, path, handler, fields(accepts), of))
            return handler

        return register

    def post(self, path: str, accepts: str = "", *, of: str = "") -> Callable[[Handler], Handler]:
        """Let the decorated function answer a call that changes something."""
        return self.on("POST", path, accepts, of=of)

    def updates(self, kind: str, path: str, accepts: str, *events: str) -> None:
        """Add the call that changes fields of an object and tells of it."""

        @self.post(path + "/{id}", accepts, of=kind)
        def update(world: World, obj: Obj, params: Params) -> Obj:
            with world.changing(obj, *events):
                assign(obj, params)
            return obj

    def reads(
        self,
        kind: str,
        path: str,
        filters: str = "created:range",
        *,
        at: Mapping[str, str] | None = None,
        before: Callable[[Params], None] = lambda params: None,
    ) -> None:
        """Add the calls that retrieve an object and list them, the newest first; a list of values matches any of them.

        `at` gives the JSON paths that filters of another name are compared with; `before` may change what was asked.
        """

        declared = fields(filters)

        def index(world: World, _: str, params: Params) -> Obj:
            before(params)
            where: dict[str, Any] = {}
            any_of: dict[str, list[str]] = {}
            for name in declared.keys() & params.keys() - {"created"}:
                value, place = params[name], (at or {}).get(name, name)
                if isinstance(value, list):
                    any_of[place] = value
                elif isinstance(value, dict):
                    where |= {f"{place}.{key}": part for key, part in value.items() if part is not None}
                elif value is not None:
                    where[place] = value
            return _page(world, Query(kind, where, params.get("created") or {}, any_of), params, path)

        self.append(Call("GET", path, index, {**PAGE, **declared}))
        self.on("GET", path + "/{id}", of=kind)(lambda world, obj, params: obj)

    def find(self, method: str, path: str) -> tuple[Call, str]:
        """Return the call and the id in the path. Raises InvalidRequest (404)."""
        for call in self:
            if call.method == method and (match := re.fullmatch(call.path.replace("{id}", "([^/]+)"), path)):
                return call, "".join(match.groups())
        unknown = f"Unrecognized request URL ({method}: {path}). The sandbox simulates a part of Stripe only."
        raise InvalidRequest(unknown, status=404)


def whole(objects: list[Obj], params: Params, path: str) -> Obj:
    """Return one page of a list that lives inside an object."""
    limit, start = params.get("limit") or 10, 0
    if cursor := params.get("starting_after"):
        places = [number for number, obj in enumerate(objects) if obj["id"] == cursor]
        if not places:
            raise NoSuchObject(objects[0]["object"] if objects else "object", cursor, param="starting_after")
        start = places[0] + 1
    shown = objects[start : start + limit]
    return {"object": "list", "data": shown, "has_more": len(objects) > start + limit, "url": path}


def merge_metadata(obj: Obj, given: Mapping[str, str] | None) -> None:
    """Change metadata as Stripe does: None clears all, an empty value clears its key, the rest stays."""
    merged = {} if given is None else {**obj["metadata"], **given}
    obj["metadata"] = {key: value for key, value in merged.items() if value != ""}


def assign(obj: Obj, params: Params) -> None:
    """Put the parameters that are fields of the object into it, metadata merged."""
    for name, value in params.items():
        if name == "metadata":
            merge_metadata(obj, value)
        elif name in obj:
            obj[name] = value


def _page(world: World, query: Query, params: Params, path: str) -> Obj:
    """Return one page of a list object, by Stripe's cursors."""
    limit = params.get("limit") or 10
    before, after = _place(world, params, "starting_after"), _place(world, params, "ending_before")
    bounded = replace(query, before=before, after=after)
    forward = after is None
    found = world.store.select(bounded, limit=limit + 1, newest_first=forward)
    shown = found[:limit] if forward else found[:limit][::-1]
    return {"object": "list", "data": shown, "has_more": len(found) > limit, "url": path}


def _place(world: World, params: Params, name: str) -> int | None:
    identity = params.get(name)
    if identity is None:
        return None
    place = world.store.place(identity)
    if place is None:
        raise NoSuchObject("object", identity, param=name)
    return place
