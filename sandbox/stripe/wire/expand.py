"""`expand[]`: ids become objects, and parts that are left out by default are put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj, Query
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
    part = _ADDED.get((str(shown.get("object")), key))
    if part is not None and key not in shown:
        shown[key] = part(world, shown)
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


def _list(world: World, objects: list[Obj], url: str) -> Obj:
    data = [public(world.store, obj) for obj in objects]
    return {"object": "list", "data": data, "has_more": False, "total_count": len(data), "url": url}


def _line_items(world: World, session: Obj) -> Obj:
    stored = world.get("checkout.session", session["id"])
    return _list(world, stored["_lines"], f"/v1/checkout/sessions/{session['id']}/line_items")


def _payments(world: World, invoice: Obj) -> Obj:
    return _list(world, world.all("invoice_payment", invoice=invoice["id"]), "/v1/invoice_payments")


def _refunds(world: World, charge: Obj) -> Obj:
    return _list(world, world.all("refund", charge=charge["id"]), f"/v1/charges/{charge['id']}/refunds")


def _subscriptions(world: World, customer: Obj) -> Obj:
    found = world.store.select(Query("subscription", {"customer": customer["id"]}))
    current = [each for each in found if each["status"] not in {"canceled", "incomplete_expired"}]
    return _list(world, current, f"/v1/customers/{customer['id']}/subscriptions")


_ADDED: dict[tuple[str, str], Callable[[World, Obj], Obj]] = {
    ("checkout.session", "line_items"): _line_items,
    ("invoice", "payments"): _payments,
    ("charge", "refunds"): _refunds,
    ("customer", "subscriptions"): _subscriptions,
}
"""Parts that Stripe leaves out unless they are expanded."""
