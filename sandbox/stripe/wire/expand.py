"""`expand[]`: ids become objects, and parts that are left out by default are put in."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.engine.subscriptions import ENDED
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.state.views import public
from sandbox.stripe.wire.errors import InvalidRequest

_DEEPEST = 4


def render(world: World, answer: Obj, paths: list[str]) -> Obj:
    """Return the stored object or list as the API shows it, expanded. Raises InvalidRequest for what can't be."""
    if answer.get("object") == "list":
        shown = {**answer, "data": [_event_aware(world, obj) for obj in answer["data"]]}
    else:
        shown = _event_aware(world, answer)
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST + ("data" in steps):
            raise InvalidRequest(f"You cannot expand more than {_DEEPEST} levels of a property.", param="expand")
        _expand(world, shown, steps, path)
    return shown


def _event_aware(world: World, obj: Obj) -> Obj:
    shown = public(world.store, obj) if "object" in obj else obj
    if obj.get("object") == "event":
        shown["pending_webhooks"] = world.outbox.pending_of(obj["id"])
    return shown


def _expand(world: World, shown: Any, steps: list[str], path: str) -> None:
    if isinstance(shown, list):
        for each in shown:
            _expand(world, each, steps, path)
        return
    key, rest = steps[0], steps[1:]
    if not isinstance(shown, dict):
        raise _cannot(path)
    if key not in shown and (listed := _LISTS.get((str(shown.get("object")), key))):
        shown[key] = _list(world, shown, *listed)
    if key not in shown:
        raise _cannot(path)
    value = shown[key]
    if isinstance(value, str):
        value = shown[key] = _object(world, value, path)
    if rest and value is not None:
        _expand(world, value, rest, path)


def _object(world: World, identity: str, path: str) -> Obj:
    obj = world.store.find(identity)
    if obj is None:
        raise _cannot(path)
    return public(world.store, obj)


def _cannot(path: str) -> InvalidRequest:
    return InvalidRequest(f"This property cannot be expanded ({path}).", param="expand")


_LISTS = {
    ("invoice", "payments"): ("invoice_payment", "/v1/invoice_payments"),
    ("charge", "refunds"): ("refund", "/v1/charges/{id}/refunds"),
    ("customer", "subscriptions"): ("subscription", "/v1/customers/{id}/subscriptions"),
    ("checkout.session", "line_items"): ("item", "/v1/checkout/sessions/{id}/line_items"),
}
"""What Stripe leaves out unless it is expanded: the kind of what is listed, and where."""


def _list(world: World, owner: Obj, kind: str, url: str) -> Obj:
    identity = owner["id"]
    if kind == "item":
        objects = world.get("checkout.session", identity)["_lines"]
    else:
        objects = world.all(kind, **{owner["object"]: identity})
    if kind == "subscription":
        objects = [each for each in objects if each["status"] not in ENDED]
    data = [public(world.store, obj) for obj in objects]
    return {"object": "list", "data": data, "has_more": False, "total_count": len(data), "url": url.format(id=identity)}
